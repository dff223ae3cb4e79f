"""Torch's layers, drawn by the package's initialisers and held by its max-norm constraint; and stacks of them."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from lit_gan.errors import UserError
from lit_gan.networks.activations import activation
from lit_gan.networks.arguments import finite, norm_limit, per_layer
from lit_gan.networks.constraints import MaxNormConstrained
from lit_gan.networks.dropout import Dropout
from lit_gan.networks.initialization import WeightInit, as_weight_init


class DenseLayer(MaxNormConstrained, nn.Linear):
    """``x W^T + b`` with the package's initialisers and constraint.

    Args:
        in_features: Columns of the input.
        out_features: Columns of the output.
        weight_init: How ``W`` is drawn; a float r means U(-r, r).
        bias_init: What ``b`` is filled with; ``None`` for a layer without.
        max_norm: The largest L2 norm of a row of ``W``, above 0, or None.

    Raises:
        UserError: If an argument is out of its range.

    Example:
        >>> DenseLayer(3, 2, weight_init=0.05, bias_init=-2.0).bias.tolist()
        [-2.0, -2.0]
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        weight_init: float | WeightInit,
        bias_init: float | None = 0.0,
        max_norm: float | None = None,
    ) -> None:
        # Before torch's constructor, which ends by calling reset_parameters.
        self.weight_init = as_weight_init("weight_init", weight_init)
        self.bias_init = None if bias_init is None else finite("bias_init", bias_init)
        self.max_norm = norm_limit("max_norm", max_norm)
        super().__init__(in_features, out_features, bias=bias_init is not None)

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        self.weight_init(self.weight)
        if self.bias_init is not None:
            self.bias.fill_(self.bias_init)


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation of the columns of ``(N, num_features)``: scale 1, and a shift that is the layer's bias.

    Args:
        num_features: Columns.
        bias_init: What the shift is filled with.

    Raises:
        UserError: If ``bias_init`` is not finite; in training, for a batch of one row, which has no variance.
    """

    def __init__(self, num_features: int, bias_init: float = 0.0) -> None:
        self.bias_init = finite("bias_init", bias_init)
        super().__init__(num_features)

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Set scale, shift and statistics anew."""
        super().reset_parameters()
        self.bias.fill_(self.bias_init)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``(N, num_features)``."""
        if self.training and x.shape[0] == 1:
            raise UserError(
                "batch_norm = True needs minibatches of at least 2 rows in training, and got 1: raise batch_size, or "
                "lower micro_batches."
            )
        return super().forward(x)


class ConvLayer(MaxNormConstrained, nn.Conv2d):
    """A convolution of stride 1 with the package's initialisers and constraint, one bias per channel.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Height and width of the kernel.
        padding: Zeros added on each side.
        weight_init: How the kernels are drawn; a float r means U(-r, r).
        bias_init: What the bias is filled with.
        max_norm: The largest L2 norm of a kernel over all input channels, above 0, or None.

    Raises:
        UserError: If an argument is out of its range.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        padding: int,
        weight_init: float | WeightInit,
        bias_init: float = 0.0,
        max_norm: float | None = None,
    ) -> None:
        self.weight_init = as_weight_init("weight_init", weight_init)
        self.bias_init = finite("bias_init", bias_init)
        self.max_norm = norm_limit("max_norm", max_norm)
        super().__init__(in_channels, out_channels, kernel_size, padding=padding)

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        self.weight_init(self.weight)
        assert self.bias is not None  # noqa: S101 -- torch's type allows none
        self.bias.fill_(self.bias_init)


class TransposedConvLayer(MaxNormConstrained, nn.ConvTranspose2d):
    """A transposed convolution without bias, with the package's initialisers and constraint.

    A unit is an output channel: its incoming weights are the kernels of all input channels.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Height and width of the kernel.
        stride: Step of the kernel in the output.
        padding: Rows and columns cut off on each side of the output.
        weight_init: How the kernels are drawn; a float r means U(-r, r).
        max_norm: The largest L2 norm of the weights that come into an output channel, above 0, or None.

    Raises:
        UserError: If an argument is out of its range.
    """

    unit_dim = 1

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int,
        padding: int,
        weight_init: float | WeightInit,
        max_norm: float | None = None,
    ) -> None:
        self.weight_init = as_weight_init("weight_init", weight_init)
        self.max_norm = norm_limit("max_norm", max_norm)
        super().__init__(in_channels, out_channels, kernel_size, stride=stride, padding=padding, bias=False)

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        self.weight_init(self.weight.transpose(0, self.unit_dim))


class DenseStack(nn.Sequential):
    """Hidden layers, one on the other: for each a dense layer, its activation function and dropout.

    ``activations`` and ``dropout_keep`` are one for all, or one per layer; with ``batch_norm`` each dense layer is
    normalised before its activation, and its bias is the shift of that.

    Example:
        >>> stack = DenseStack(5, (4, 3), "relu", (0.05, 0.05), (0.0, 0.0))
        >>> stack(torch.zeros(2, 5)).shape, stack.out_features
        (torch.Size([2, 3]), 3)
    """

    def __init__(
        self,
        in_features: int,
        widths: Sequence[int],
        activations: str | Sequence[str] | Callable[[], nn.Module],
        weight_init: Sequence[float | WeightInit],
        bias_init: Sequence[float],
        dropout_keep: float | Sequence[float] = 1.0,
        max_norm: float | None = None,
        batch_norm: bool = False,
    ) -> None:
        which = "the hidden layers"
        names: tuple[str | Callable[[], nn.Module], ...] = per_layer("activations", activations, len(widths), which)
        keeps = per_layer("dropout_keep", dropout_keep, len(widths), which)
        layers: list[nn.Module] = []
        self.out_features = in_features
        for width, name, weights, bias, keep in zip(widths, names, weight_init, bias_init, keeps, strict=True):
            layers += [
                DenseLayer(self.out_features, width, weights, None if batch_norm else bias, max_norm),
                *([BatchNorm(width, bias)] if batch_norm else []),
                activation("activations", name) if isinstance(name, str) else name(),
                Dropout(keep, "dropout_keep"),
            ]
            self.out_features = width
        super().__init__(*layers)


def initial_values(
    weight_init: float | WeightInit | Sequence[float | WeightInit],
    bias_init: float | Sequence[float],
    layers: int,
    which: str,
) -> tuple[tuple[float | WeightInit, ...], tuple[float, ...]]:
    """How the weights and the biases of each layer begin, by the arguments ``weight_init`` and ``bias_init``."""
    weights: tuple[float | WeightInit, ...] = per_layer("weight_init", weight_init, layers, which)
    return weights, per_layer("bias_init", bias_init, layers, which)
