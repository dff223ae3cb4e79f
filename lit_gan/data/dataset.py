"""A split of a data set, held in memory as tensors."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

Batch = Tensor | tuple[Tensor, Tensor]
"""What a loader yields: images (B, C, H, W) float32, with their labels (B,) int64 where there are any."""


@dataclass(frozen=True, eq=False)
class ImageDataset:
    """Images, their labels, and how a gathered batch becomes float32.

    The images stay as small as the file has them (bytes, mostly). A batch is one gather and one conversion of
    the whole batch; there is no Python per image and no worker process.

    Args:
        images: Shape (N, C, H, W), of the type that ``convert`` takes.
        labels: Shape (N,), int64, or None.
        convert: Images (B, C, H, W) to float32 images of the same shape, row by row independent.

    Example:
        >>> import torch
        >>> dataset = ImageDataset(torch.arange(3).reshape(3, 1, 1, 1), None, lambda images: images / 2)
        >>> dataset.batch(torch.tensor([2, 0])).flatten()
        tensor([1., 0.])
    """

    images: Tensor
    labels: Tensor | None
    convert: Callable[[Tensor], Tensor]

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, rows: Tensor) -> Batch:
        """The examples at ``rows``.

        Args:
            rows: Shape (B,), int64, each in 0..N-1.

        Returns:
            Images (B, C, H, W) float32, and labels (B,) int64 where there are labels.
        """
        images = self.convert(self.images.index_select(0, rows))
        return images if self.labels is None else (images, self.labels.index_select(0, rows))

    def head(self, num: int | None = None) -> Tensor:
        """The first ``num`` images (None: all), in order.

        Args:
            num: How many at most.

        Returns:
            Shape (min(num, N), C, H, W), float32.
        """
        return self.convert(self.images[:num])
