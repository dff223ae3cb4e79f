"""Normal noise on the activations of a network, from a pool: a draw is one slice of it."""

from functools import lru_cache

import torch
from torch import Tensor, nn

from lit_gan.networks.arguments import non_negative
from lit_gan.randomness import stream

_POOL = 1 << 22  # 16 MB; several times what any forward pass of the recipe takes


class GaussianNoise(nn.Module):
    r"""Adds :math:`N(0, \sigma^2)` to each element, in training only.

    On the CPU the noise is a slice of a fixed pool of four million normal numbers, at a random place: a tenth of what
    fresh ones cost. The place is drawn from torch's global generator, which a round sets by seed, round and rank.

    Args:
        std: :math:`\sigma`, at least 0.
        name: What the argument is called where a network takes it.

    Raises:
        UserError: If ``std`` is negative or not finite.

    Example:
        >>> GaussianNoise(0.3).eval()(torch.ones(2)).tolist()
        [1.0, 1.0]
    """

    def __init__(self, std: float, name: str = "std") -> None:
        super().__init__()
        self.std = non_negative(name, std)

    def forward(self, x: Tensor) -> Tensor:
        """``x``, of any shape, and noise."""
        if not self.training or self.std == 0:
            return x
        if x.device.type != "cpu" or 2 * x.numel() > _POOL:
            return x + self.std * torch.randn_like(x)
        first = int(torch.randint(_POOL - x.numel() + 1, ()))
        noise = _pool()[first : first + x.numel()].view(x.shape)
        return torch.add(x, noise.to(x.dtype), alpha=self.std)

    def extra_repr(self) -> str:
        """What ``print`` shows between the brackets."""
        return f"std={self.std}"


@lru_cache(maxsize=1)
def _pool() -> Tensor:
    with torch.inference_mode(False):  # it will meet gradients later
        return torch.randn(_POOL, generator=stream(0, "pool of normal numbers"), dtype=torch.float32)
