"""The simplest features of an image: its pixels."""

import torch.nn.functional as F
from torch import Tensor, nn

from lit_gan.errors import UserError


class Pixels(nn.Module):
    """The pixels themselves, for metrics that take features; those of a thumbnail, where that is asked for.

    A thumbnail has layout and colours, and few enough numbers for a Fréchet distance of pictures of any size.

    Args:
        thumbnail: The longer side, in pixels, that larger images are brought to: each of its pixels is the mean of
            those that it stands for. None for images as they are.

    Raises:
        UserError: If ``thumbnail`` is below 1.

    Example:
        >>> import torch
        >>> Pixels()(torch.zeros(2, 1, 8, 8)).shape, Pixels(thumbnail=4)(torch.zeros(2, 3, 64, 32)).shape
        (torch.Size([2, 64]), torch.Size([2, 24]))
    """

    def __init__(self, thumbnail: int | None = None) -> None:
        super().__init__()
        if thumbnail is not None and thumbnail < 1:
            raise UserError(f"Pixels thumbnail = {thumbnail}: expected at least 1, or null for images as they are.")
        self.thumbnail = thumbnail

    def forward(self, images: Tensor) -> Tensor:
        """Images ``(N, C, H, W)`` as rows, ``(N, C * H * W)`` where they are not made smaller."""
        longer = max(images.shape[-2:])
        if self.thumbnail is not None and longer > self.thumbnail:
            height, width = (max(round(side * self.thumbnail / longer), 1) for side in images.shape[-2:])
            images = F.adaptive_avg_pool2d(images, (height, width))
        return images.flatten(1)
