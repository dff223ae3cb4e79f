"""Dropout of single elements, told by the share that it keeps."""

import torch
from torch import Tensor, nn

from lit_gan.networks.arguments import keep_probability


class Dropout(nn.Dropout):
    """Keeps each element with probability ``keep`` and scales it by 1/keep, in training only.

    Example:
        >>> Dropout(keep=0.5)(torch.ones(1000)).unique()
        tensor([0., 2.])
    """

    def __init__(self, keep: float, name: str = "keep") -> None:
        self.keep = keep_probability(name, keep)
        super().__init__(p=1 - self.keep)

    def forward(self, x: Tensor) -> Tensor:
        """Drop elements of ``x``, of any shape."""
        if not self.training or self.p == 0:
            return x
        if x.device.type != "cpu":
            return super().forward(x)
        # On the CPU torch's dropout draws Bernoulli variables by a slower path: a seventh of a whole step of the
        # paper's MNIST discriminator. The mask is made in float32, so that the share is right in any dtype.
        mask = torch.rand(x.shape, device=x.device).lt_(self.keep).mul_(1 / self.keep)
        return x * mask.to(x.dtype)

    def extra_repr(self) -> str:
        """What ``print`` shows between the brackets."""
        return f"keep={self.keep}"
