"""The simplest features of an image: its pixels."""

import torch.nn.functional as F
from torch import Tensor, nn

from lit_gan.errors import UserError


class Pixels(nn.Module):
    """The pixels themselves, for metrics that take features; those of a thumbnail, where a size is given.

    A thumbnail has layout and colours, and few enough numbers for a Fréchet distance of pictures of any size.

    Args:
        size: The longer side, in pixels, that larger images are brought to: each of its pixels is the mean of those
            that it stands for. None for images as they are.

    Raises:
        UserError: If ``size`` is below 1.

    Example:
        >>> import torch
        >>> Pixels()(torch.zeros(2, 1, 8, 8)).shape, Pixels(size=4)(torch.zeros(2, 3, 64, 32)).shape
        (torch.Size([2, 64]), torch.Size([2, 24]))
    """

    def __init__(self, size: int | None = None) -> None:
        super().__init__()
        if size is not None and size < 1:
            raise UserError(f"Pixels size = {size}: expected at least 1, or null for images as they are.")
        self.size = size

    def forward(self, images: Tensor) -> Tensor:
        """Images ``(N, C, H, W)`` as rows, ``(N, C * H * W)`` where they are not made smaller."""
        longer = max(images.shape[-2:])
        if self.size is not None and longer > self.size:
            height, width = (max(round(side * self.size / longer), 1) for side in images.shape[-2:])
            images = F.adaptive_avg_pool2d(images, (height, width))
        return images.flatten(1)
