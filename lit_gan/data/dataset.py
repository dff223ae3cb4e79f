"""A split of a data set, held in memory as tensors."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

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
        convert: Images as they are held (B, C, H, W) to float32 images as the networks see them, row by row
            independent.
        vary: What training does to images as they are held: takes them (B, C, H, W), their rows and the epoch, and
            returns what ``convert`` takes. None for nothing.
        found_again: Gives the images to a process that is handed this data set, where they are mapped from a file: the
            data set is pickled without them. None where they are in memory.

    Example:
        >>> import torch
        >>> dataset = ImageDataset(torch.arange(3).reshape(3, 1, 1, 1), None, lambda images: images / 2)
        >>> dataset.batch(torch.tensor([2, 0])).flatten()
        tensor([1., 0.])
    """

    images: Tensor
    labels: Tensor | None
    convert: Callable[[Tensor], Tensor]
    vary: Callable[[Tensor, Tensor, int], Tensor] | None = None
    found_again: Callable[[], Tensor] | None = None

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, rows: Tensor, epoch: int | None = None) -> Batch:
        """The examples at ``rows``.

        Args:
            rows: Shape (B,), int64, each in 0..N-1.
            epoch: That of the training, for what varies from one to the next; None for the images as they are.

        Returns:
            Images (B, C, H, W) float32, and labels (B,) int64 where there are labels.
        """
        held = self.images.index_select(0, rows)
        if self.vary is not None and epoch is not None:
            held = self.vary(held, rows, epoch)
        images = self.convert(held)
        return images if self.labels is None else (images, self.labels.index_select(0, rows))

    def head(self, num: int | None = None) -> Tensor:
        """The first ``num`` images (None: all), in order.

        Args:
            num: How many at most.

        Returns:
            Shape (min(num, N), C, H, W), float32.
        """
        return self.convert(self.images[:num])

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "images": self.images if self.found_again is None else None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        found_again = state["found_again"]
        self.__dict__.update(state if found_again is None else {**state, "images": found_again()})
