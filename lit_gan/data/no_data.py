"""No data at all, for what learns from a generator alone: epochs of rounds, and nothing in their batches."""

from collections.abc import Mapping

import torch

from lit_gan.data.arguments import check_whole
from lit_gan.data.base import InMemoryDataModule, Split
from lit_gan.data.dataset import ImageDataset


class NoData(InMemoryDataModule):
    """As many rows as are asked for, with nothing in them: batches ``(batch_size, 0)``.

    An :class:`lit_gan.InferenceNetwork` draws a pair (z, G(z)) for each row.

    Args:
        image_shape: ``(C, H, W)`` of the generator's images, for networks that ask the data.
        num_train: Rows of an epoch, over all ranks.
        num_held_out: Rows of a validation, and of a test.
        batch_size: m, rows per rank and minibatch.
        eval_batch_size: Rows per rank and batch in validation and test.
        seed: The seed of the run.

    Raises:
        UserError: A number is out of its range.

    Example:
        >>> next(iter(NoData((1, 8, 8), batch_size=20).train_dataloader())).shape
        torch.Size([20, 0])
    """

    num_classes = 0
    value_range = None  # type: ignore[assignment]  # nobody says one

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        num_train: int = 10_000,
        num_held_out: int = 1000,
        batch_size: int = 100,
        eval_batch_size: int = 1000,
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size=batch_size, eval_batch_size=eval_batch_size, seed=seed)
        self._image_shape = tuple(check_whole("image_shape", side, least=1) for side in image_shape)
        self._rows = {
            "train": check_whole("num_train", num_train, least=1),
            "val": check_whole("num_held_out", num_held_out, least=1),
        }

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """As given."""
        channels, height, width = self._image_shape
        return channels, height, width

    def load(self) -> Mapping[Split, ImageDataset]:
        """Rows of nothing."""
        train, held_out = (
            ImageDataset(torch.empty(num, 0), None, lambda images: images) for num in self._rows.values()
        )
        return {"train": train, "val": held_out, "test": held_out}

    def _check(self, split: Split, dataset: ImageDataset) -> None:
        """There is nothing to be checked."""
