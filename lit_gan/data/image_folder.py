"""Any folder of pictures, decoded once."""

import math
import os
import struct
import zlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.progress import track
from torch import Tensor

from lit_gan.data.arguments import check_whole
from lit_gan.data.base import InMemoryDataModule, Split
from lit_gan.data.dataset import ImageDataset
from lit_gan.data.missing_files import missing_files_error
from lit_gan.data.picture import decode_picture
from lit_gan.data.scaling import LinearScaling
from lit_gan.data.splitting import hashed_order
from lit_gan.errors import UserError

_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm"})
# What Pillow raises on pictures that are cut off, damaged, or made to fill the memory.
_DECODE_ERRORS = (
    OSError, SyntaxError, ValueError, IndexError, EOFError, struct.error, zlib.error,
    Image.DecompressionBombError,
)  # fmt: skip


class ImageFolderDataModule(InMemoryDataModule):
    """The pictures in a folder and all its sub-folders, all brought to one size.

    Each picture is scaled until it just covers the size, and cut to it about its centre. All are decoded
    once, when the data are loaded, and kept as bytes. Where at least two sub-folders lie directly in
    ``root``, and every picture is in one of them, their names in alphabetical order are the classes; else
    there are no labels.

    Which picture is in which split depends on its path below ``root`` only.

    Args:
        root: The folder of the pictures.
        image_size: Height and width of the images, or one number for both.
        grey: Whether to make one channel of the three.
        fractions: The parts of the pictures for training, validation and test; they sum to 1, and each split
            gets one picture at least.
        value_range: What black and white become.
        batch_size: m, rows per rank and minibatch.
        eval_batch_size: Rows per rank and batch in validation and test.
        seed: The seed of the run, for the order of the training rows.

    Raises:
        UserError: An argument is out of its range.

    Example:
        >>> ImageFolderDataModule("holiday/pictures", image_size=64).image_shape
        (3, 64, 64)
        >>> ImageFolderDataModule("holiday/pictures", image_size=(32, 48), grey=True).image_shape
        (1, 32, 48)
    """

    def __init__(
        self,
        root: str | Path,
        *,
        image_size: int | tuple[int, int],
        grey: bool = False,
        fractions: tuple[float, float, float] = (0.8, 0.1, 0.1),
        value_range: tuple[float, float] = (0.0, 1.0),
        batch_size: int = 100,
        eval_batch_size: int = 1000,
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size=batch_size, eval_batch_size=eval_batch_size, seed=seed)
        self.root = Path(root)
        self._size = _check_size(image_size)
        self._fractions = _check_fractions(fractions)
        self._grey = grey
        self._scaling = LinearScaling(255, value_range)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W), as the arguments say."""
        return (1 if self._grey else 3, *self._size)

    @property
    def value_range(self) -> tuple[float, float]:
        """What black and white become."""
        return self._scaling.value_range

    @property
    def num_classes(self) -> int:
        """How many classes the sub-folders make, by a listing of the folder; 0 for none."""
        return len(self.class_names)

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """The names of the sub-folders that are the classes, in the order of the labels; empty for none.

        Raises:
            UserError: There is no picture in the folder.
        """
        parts = [Path(name).parts for name in self._names]
        tops = {part[0] for part in parts if len(part) > 1}
        return tuple(sorted(tops)) if len(tops) > 1 and all(len(part) > 1 for part in parts) else ()

    def load(self) -> Mapping[Split, ImageDataset]:
        """Decodes every picture.

        Returns:
            The three splits.

        Raises:
            UserError: The folder is missing or has fewer than three pictures, or one of them is damaged.
        """
        names = [self._names[row] for row in hashed_order(self._names)]
        if len(names) < 3:
            raise UserError(
                f"root = {self.root.absolute()}: {len(names)} pictures, expected at least 3, one per split."
            )
        images, labels = self._decode(names), self._labels(names)
        num_val, num_test = (max(1, round(part * len(names))) for part in self._fractions[1:])
        num_train = max(1, len(names) - num_val - num_test)
        num_val = min(num_val, len(names) - num_train - 1)
        edges: dict[Split, slice] = {
            "train": slice(0, num_train),
            "val": slice(num_train, num_train + num_val),
            "test": slice(num_train + num_val, None),
        }
        return {
            split: ImageDataset(images[rows], None if labels is None else labels[rows], self._scaling)
            for split, rows in edges.items()
        }

    @cached_property
    def _names(self) -> list[str]:
        """The pictures' paths below root, with forward slashes, sorted."""
        names: list[str] = []
        seen: set[str] = set()
        for folder, subfolders, files in os.walk(self.root, followlinks=True):
            # A link may lead back up; hidden files and folders are the system's own (`._name`,
            # `.thumbnails`).
            real = os.path.realpath(folder)
            subfolders[:] = [] if real in seen else [name for name in subfolders if not name.startswith(".")]
            pictures = [] if real in seen else [name for name in files if not name.startswith(".")]
            seen.add(real)
            paths = (Path(folder, name) for name in pictures)
            names += [path.relative_to(self.root).as_posix() for path in paths if path.suffix.lower() in _SUFFIXES]
        if not names:
            advice = f"give a folder as root that has pictures in it ({', '.join(sorted(_SUFFIXES))})"
            raise missing_files_error("Pictures", [self.root], advice)
        return sorted(names)

    def _decode(self, names: Sequence[str]) -> Tensor:
        images = np.empty((len(names), *self._size, self.image_shape[0]), dtype=np.uint8)

        def decode(row: int) -> None:
            path = self.root / names[row]
            try:
                images[row] = decode_picture(path, self._size, grey=self._grey)
            except _DECODE_ERRORS as error:
                reason = " ".join(f"{type(error).__name__}: {error}".split())
                raise UserError(f"{path}: cannot be decoded ({reason}); mend or remove the picture.") from error

        console = Console(stderr=True)
        # Threads: Pillow decodes outside of Python's lock, and every thread writes rows of its own.
        with ThreadPoolExecutor() as pool:
            done = pool.map(decode, range(len(names)))
            for _ in track(done, "Decoding pictures", len(names), console=console, disable=not console.is_terminal):
                pass
        return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()

    def _labels(self, names: Sequence[str]) -> Tensor | None:
        if not self.class_names:
            return None
        label_of = {name: label for label, name in enumerate(self.class_names)}
        return torch.tensor([label_of[Path(name).parts[0]] for name in names], dtype=torch.int64)


def _check_size(image_size: int | tuple[int, int]) -> tuple[int, int]:
    sides = (image_size, image_size) if isinstance(image_size, int) else tuple(image_size)
    if len(sides) != 2:
        raise UserError(f"image_size = {image_size!r}: expected one number, or height and width.")
    height, width = (check_whole("image_size", side, least=1) for side in sides)
    return height, width


def _check_fractions(fractions: tuple[float, float, float]) -> tuple[float, float, float]:
    message = f"fractions = {fractions!r}: expected three numbers above 0 that sum to 1 (train, val, test)."
    if len(fractions) != 3 or not all(part > 0 for part in fractions):
        raise UserError(message)
    if not math.isclose(sum(fractions), 1, abs_tol=1e-6):
        raise UserError(message)
    return fractions
