"""The simplest features of an image: its pixels."""

from torch import Tensor, nn


class Pixels(nn.Module):
    """The pixels themselves, for metrics that take features.

    Example:
        >>> import torch
        >>> Pixels()(torch.zeros(2, 1, 8, 8)).shape
        torch.Size([2, 64])
    """

    def forward(self, images: Tensor) -> Tensor:
        """Images ``(N, C, H, W)`` as rows ``(N, C * H * W)``."""
        return images.flatten(1)
