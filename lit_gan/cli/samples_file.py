"""Samples in a file: a picture of a grid, or the tensor itself."""

import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import torch
from torch import Tensor

from lit_gan.callbacks.pictures import grid_image, save_picture
from lit_gan.errors import UserError
from lit_gan.runs.atomic_write import replace_atomically
from lit_gan.runs.relative_path import relative_to_cwd

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
TENSORS = (".pt",)
_ROWS_PER_BATCH = 1000  # what GenerativeModule.sample draws at once


@dataclass(frozen=True)
class Grid:
    """How samples are laid out in a picture."""

    columns: int
    labels: Sequence[str] | None = None
    description: str = ""


def check_target(target: Path, suffixes: tuple[str, ...]) -> None:
    """Checks, before anything is drawn, that a file can be what the user wants."""
    if target.suffix.lower() not in suffixes:
        raise UserError(f"--out {target}: expected a file that ends in one of {', '.join(suffixes)}.")
    if not target.absolute().parent.is_dir():
        raise UserError(f"--out {target}: cannot be written: there is no folder {target.parent}.")


def samples_writer(samples: Tensor, grid: Grid | None = None) -> Callable[[Path], None]:
    """What writes samples to the file that it is called with."""
    return lambda target: replace_atomically(target, lambda descriptor: _write(descriptor, target, samples, grid))


def write_named(target: Path, write: Callable[[Path], object]) -> str:
    """Writes the file that the user named; one that is there is replaced, which is told."""
    was_there = target.exists()
    try:
        write(target)
    except (OSError, RuntimeError) as error:
        raise UserError(f"--out {target}: cannot be written: {_reason(error)}.") from error
    return f"{target} (the older file of that name is replaced)" if was_there else str(target)


def write_beside(target: Path, write: Callable[[Path], object]) -> str:
    """Writes a file of which nobody has given the name: beside older ones, never over them."""
    try:
        own = _claimed(target)
        try:
            write(own)
        except BaseException:
            own.unlink(missing_ok=True)
            raise
    except (OSError, RuntimeError) as error:
        raise UserError(
            f"{relative_to_cwd(target.absolute())}: cannot be written: {_reason(error)}; give --out FILE."
        ) from error
    return relative_to_cwd(own.absolute())


def _reason(error: OSError | RuntimeError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or " ".join(str(error).split())


def _claimed(target: Path) -> Path:
    """The first name that no file has, taken at once: another command may be looking for one."""
    for number in count(1):
        own = target if number == 1 else target.with_name(f"{target.stem}-{number}{target.suffix}")
        try:
            own.touch(exist_ok=False)
        except FileExistsError:
            continue
        return own
    raise AssertionError("there are always more numbers")


def _write(descriptor: int, target: Path, samples: Tensor, grid: Grid | None) -> None:
    with os.fdopen(os.dup(descriptor), "wb") as file:
        if target.suffix.lower() in TENSORS:
            torch.save(samples, file)
        else:
            layout = grid or Grid(columns=10)
            picture = grid_image(samples, layout.columns, layout.labels)
            save_picture(picture, file, target.suffix.lower(), layout.description)


class Rows:
    """A loader of nothing but numbers of rows: what `predict` draws samples for."""

    def __init__(self, num: int) -> None:
        self._num = num

    def __len__(self) -> int:
        return math.ceil(self._num / _ROWS_PER_BATCH)

    def __iter__(self) -> Iterator[Tensor]:
        for start in range(0, self._num, _ROWS_PER_BATCH):
            yield torch.arange(start, min(start + _ROWS_PER_BATCH, self._num))
