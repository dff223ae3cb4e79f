"""Dense layers whose incoming weights have a direction and a length apart."""

from typing import Any

import torch
from torch import Tensor, nn

from lit_gan.networks.arguments import finite
from lit_gan.networks.initialization import WeightInit, as_weight_init

_SMALLEST_DEVIATION = 1e-6


class _RowNorms(torch.autograd.Function):
    """The derivative in one pass over the weights; torch's own, which knows of rows of zeros, takes three."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor) -> Tensor:
        norms: Tensor = torch.linalg.vector_norm(weight, dim=1)
        ctx.save_for_backward(weight, norms)
        return norms

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        weight, norms = ctx.saved_tensors
        along: Tensor = weight * (gradient / norms)[:, None]
        return along


def row_norms(weight: Tensor) -> Tensor:
    """The length of each unit's incoming weights, ``(units, inputs)`` to ``(units,)``; none may be 0."""
    norms: Tensor = _RowNorms.apply(weight)
    return norms


class WeightNormLayer(nn.Linear):
    r"""A dense layer whose units have the weights :math:`g_i v_i / \|v_i\|`: what is learned is v, and g where wanted.

    Args:
        in_features: Columns of the input.
        out_features: Columns of the output.
        weight_init: How v is drawn; a float r means U(-r, r).
        learn_scale: Whether g is learned; else it stays at its initial value.
        bias_init: What the bias is filled with.

    Raises:
        UserError: If an argument is out of its range.

    Example:
        >>> layer = WeightNormLayer(3, 2, weight_init=0.1)
        >>> x = torch.randn(100, 3)
        >>> layer.begin_from(x).std(dim=0, correction=0).round(decimals=4)
        tensor([1., 1.])

    Reference:
        Salimans and Kingma 2016, *Weight Normalization*, sections 2 and 3.
    """

    scale: Tensor

    def __init__(
        self,
        in_features: int,
        out_features: int,
        weight_init: float | WeightInit,
        learn_scale: bool = False,
        bias_init: float = 0.0,
    ) -> None:
        # Before torch's constructor, which ends by calling reset_parameters.
        self.weight_init = as_weight_init("weight_init", weight_init)
        self.bias_init = finite("bias_init", bias_init)
        super().__init__(in_features, out_features)
        scale = torch.ones(out_features)
        if learn_scale:
            self.scale = nn.Parameter(scale)
        else:
            self.register_buffer("scale", scale)

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draws the directions anew."""
        self.weight_init(self.weight)
        self.bias.fill_(self.bias_init)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, in_features)`` to ``(N, out_features)``."""
        # The outputs are scaled and not the weights, which are more.
        return torch.addcmul(self.bias, x @ self.weight.T, self.scale / row_norms(self.weight))

    @torch.no_grad()
    def begin_from(self, x: Tensor) -> Tensor:
        """Sets g and the biases so that over the rows of ``x`` each output has mean 0 and variance 1; gives these.

        Args:
            x: ``(N, in_features)``, of at least two rows.
        """
        direction = x @ self.weight.T / row_norms(self.weight)
        deviation, mean = torch.std_mean(direction, dim=0, correction=0)
        self.scale.copy_(1 / deviation.clamp(min=_SMALLEST_DEVIATION))
        self.bias.copy_(-mean * self.scale)
        made: Tensor = self(x)
        return made

    def extra_repr(self) -> str:
        """What ``print`` shows between the brackets."""
        return f"{super().extra_repr()}, learn_scale={isinstance(self.scale, nn.Parameter)}"
