"""Samples in a file: a picture of a grid, or the tensor itself."""

import math
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor
from torchvision.utils import save_image

from lit_gan.callbacks.pictures import grid_image
from lit_gan.errors import UserError

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
TENSORS = (".pt",)
_ROWS_PER_BATCH = 1000  # what GenerativeModule.sample draws at once


def check_target(target: Path, suffixes: tuple[str, ...]) -> None:
    """Checks, before anything is drawn, that a file can be what the user wants.

    Args:
        target: The file.
        suffixes: What its name may end in.

    Raises:
        UserError: If its name ends otherwise, or there is no folder for it.
    """
    if target.suffix.lower() not in suffixes:
        raise UserError(f"--out {target}: expected a file that ends in one of {', '.join(suffixes)}.")
    if not target.absolute().parent.is_dir():
        raise UserError(f"--out {target}: cannot be written: there is no folder {target.parent}.")


def write_samples(target: Path, samples: Tensor, columns: int = 10) -> None:
    """Writes samples.

    Args:
        target: A picture, or ``.pt`` for the tensor.
        samples: ``(N, C, H, W)`` in [0, 1].
        columns: Pictures per row of the grid.

    Raises:
        UserError: If the file cannot be written.
    """
    try:
        if target.suffix.lower() in TENSORS:
            torch.save(samples, target)
        else:
            save_image(grid_image(samples, columns), target)
    except (OSError, RuntimeError) as error:
        raise UserError(f"--out {target}: cannot be written: {error}.") from error


class Rows:
    """A loader of nothing but numbers of rows: what `predict` draws samples for.

    Args:
        num: How many rows there are in all.
    """

    def __init__(self, num: int) -> None:
        self._num = num

    def __len__(self) -> int:
        return math.ceil(self._num / _ROWS_PER_BATCH)

    def __iter__(self) -> Iterator[Tensor]:
        for start in range(0, self._num, _ROWS_PER_BATCH):
            yield torch.arange(start, min(start + _ROWS_PER_BATCH, self._num))
