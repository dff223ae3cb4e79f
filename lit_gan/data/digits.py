"""The handwritten digits that scikit-learn ships: real images without a download."""

from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lit_gan.data.base import InMemoryDataModule, Split
from lit_gan.data.dataset import ImageDataset
from lit_gan.data.scaling import LinearScaling
from lit_gan.data.splitting import hashed_order

_MAX_LEVEL = 16  # the digits' pixels are counts of a 4x4 block of bits
_NUM_TRAIN, _NUM_VALIDATION = 1200, 300  # of 1,797; the other 297 are for the test


class DigitsDataModule(InMemoryDataModule):
    """1,797 handwritten digits of 8x8 pixels, 1,200 for training, 300 for validation, 297 for the test.

    The split is a property of the data set, not of the run: it is the same for every seed.

    Args:
        value_range: What black and white become.
        batch_size: m, rows per rank and minibatch.
        eval_batch_size: Rows per rank and batch in validation and test.
        seed: The seed of the run, for the order of the training rows.

    Raises:
        UserError: An argument is out of its range.

    Example:
        >>> data = DigitsDataModule(batch_size=64)
        >>> images, labels = next(iter(data.train_dataloader()))
        >>> images.shape, labels.shape, data.num_classes
        (torch.Size([64, 1, 8, 8]), torch.Size([64]), 10)

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI (the test part, as in
    ``sklearn.datasets.load_digits``).
    """

    image_shape = (1, 8, 8)
    num_classes = 10
    class_names = tuple("0123456789")

    def __init__(
        self,
        *,
        value_range: tuple[float, float] = (0.0, 1.0),
        batch_size: int = 100,
        eval_batch_size: int = 1000,
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size=batch_size, eval_batch_size=eval_batch_size, seed=seed)
        self._scaling = LinearScaling(_MAX_LEVEL, value_range)

    @property
    def value_range(self) -> tuple[float, float]:
        """What black and white become."""
        return self._scaling.value_range

    def load(self) -> Mapping[Split, ImageDataset]:
        """Reads the digits out of scikit-learn.

        Returns:
            The three splits.
        """
        images, labels = _digits()
        order = torch.tensor(hashed_order([str(row) for row in range(len(images))]))
        images, labels = images[order], labels[order]  # copies
        edge = _NUM_TRAIN + _NUM_VALIDATION
        return {
            "train": ImageDataset(images[:_NUM_TRAIN], labels[:_NUM_TRAIN], self._scaling),
            "val": ImageDataset(images[_NUM_TRAIN:edge], labels[_NUM_TRAIN:edge], self._scaling),
            "test": ImageDataset(images[edge:], labels[edge:], self._scaling),
        }


@cache
def _digits() -> tuple[Tensor, Tensor]:
    """Images ``(N, 1, 8, 8)`` and labels in scikit-learn's order; read once, for they are a text of 1,797 lines."""
    rows = torch.from_numpy(_table())
    return rows[:, :-1].to(torch.uint8).reshape(-1, *DigitsDataModule.image_shape), rows[:, -1].to(torch.int64)


def _table() -> Any:
    """Levels and label of each digit, out of scikit-learn's file: it takes most of a second to import."""
    package = find_spec("sklearn")
    for folder in (package.submodule_search_locations or ()) if package else ():
        file = Path(folder, "datasets", "data", "digits.csv.gz")
        if file.is_file():
            return np.loadtxt(file, delimiter=",")
    from sklearn.datasets import load_digits  # noqa: PLC0415 -- where it is laid out in another way

    digits = load_digits()
    return np.column_stack([digits.data, digits.target])
