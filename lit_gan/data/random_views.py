"""What training sees of its images: mirrored or not, and cut out at a place that moves."""

from collections.abc import Callable

import torch
from torch import Tensor

from lit_gan.randomness import stream


class RandomViews:
    """Mirrors each training image with probability 1/2, and cuts it out at a random place, anew in every epoch.

    What becomes of a row is a function of the seed, the epoch and the row: not of the batch that it comes in, nor of
    the number of ranks, and a resumed run sees the same.

    Args:
        size: (H, W) of what is cut out; images of that size are not cut.
        horizontal_flip: Whether to mirror.
        num_rows: How many rows the data set has.
        seed: The seed of the run.

    Example:
        >>> views = RandomViews((1, 2), horizontal_flip=True, num_rows=4, seed=0)
        >>> images = torch.tensor([1, 2, 3]).expand(4, 1, 1, 3)
        >>> views(images, torch.arange(4), epoch=0)[:, 0, 0].tolist()
        [[1, 2], [2, 3], [2, 1], [2, 1]]
    """

    def __init__(self, size: tuple[int, int], *, horizontal_flip: bool, num_rows: int, seed: int) -> None:
        self._size = size
        self._flips = horizontal_flip
        self._num_rows = num_rows
        self._seed = seed
        self._drawn: dict[str, tuple[int, Tensor]] = {}  # by purpose: the epoch of the last draw, and that

    def __call__(self, images: Tensor, rows: Tensor, epoch: int) -> Tensor:
        """The views of some rows.

        Args:
            images: Shape (B, C, at least H, at least W).
            rows: Shape (B,), which they are.
            epoch: Of the training.

        Returns:
            Shape (B, C, H, W), of the same type.
        """
        height, width = self._size
        room = images.shape[2] - height, images.shape[3] - width
        if any(room):
            top, left = (
                (self._draw(f"random crop, {side}", epoch)[rows] * (most + 1)).long()
                for side, most in zip(("top", "left"), room, strict=True)
            )
            windows = images.unfold(2, height, 1).unfold(3, width, 1)
            images = windows[torch.arange(len(rows)), :, top, left]
        if self._flips:
            mirrored = self._draw("horizontal flip", epoch)[rows] < 0.5
            images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
        return images

    def _draw(self, purpose: str, epoch: int) -> Tensor:
        """Uniform on [0, 1), a number for each row."""
        if self._drawn.get(purpose, (None,))[0] != epoch:
            drawn = torch.rand(self._num_rows, generator=stream(self._seed, purpose, epoch), dtype=torch.float64)
            self._drawn[purpose] = (epoch, drawn)
        return self._drawn[purpose][1]


class CentreOf:
    """The middle of images that are held larger than they are seen, converted.

    Args:
        size: (H, W) of the middle.
        convert: From images as they are held to float32 images.

    Example:
        >>> CentreOf((1, 2), torch.Tensor.float)(torch.arange(4).reshape(1, 1, 1, 4))
        tensor([[[[1., 2.]]]])
    """

    def __init__(self, size: tuple[int, int], convert: Callable[[Tensor], Tensor]) -> None:
        self._size = size
        self._convert = convert

    def __call__(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) of whatever size there is."""
        (height, width), (held_height, held_width) = self._size, images.shape[-2:]
        top, left = (held_height - height) // 2, (held_width - width) // 2
        return self._convert(images[..., top : top + height, left : left + width])
