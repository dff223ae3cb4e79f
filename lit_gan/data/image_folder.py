"""Any folder of pictures, decoded once."""

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from lightning.pytorch.utilities import rank_zero_warn
from rich.console import Console
from rich.progress import track
from torch import Tensor

from lit_gan.data.arguments import check_ascending, check_whole
from lit_gan.data.base import InMemoryDataModule, Split
from lit_gan.data.dataset import ImageDataset
from lit_gan.data.levels import DeepLevels, check_levels
from lit_gan.data.picture import read_picture
from lit_gan.data.picture_folder import PictureFolder
from lit_gan.data.scaling import LinearScaling
from lit_gan.data.splitting import hashed_order
from lit_gan.errors import UserError


class ImageFolderDataModule(InMemoryDataModule):
    """The pictures in a folder and all its sub-folders, all brought to one size.

    Each picture is scaled until it just covers the size, and cut to it about its centre. All are decoded
    once, when the data are loaded, and kept as bytes. Where at least two sub-folders lie directly in
    ``root``, and every picture is in one of them, their names in alphabetical order are the classes; else
    there are no labels.

    Which picture is in which split depends on its path below ``root`` only.

    Pictures of eight bits are taken as they are. Sixteen bits are taken for the full range where some picture of the
    folder uses the highest of them; any other grey levels (12 bits in 16, 32 bits, floats) need ``levels``.

    Args:
        root: The folder of the pictures.
        image_size: Height and width of the images, or one number for both.
        grey: Whether to make one channel of the three.
        fractions: The parts of the pictures for training, validation and test; they sum to 1, and each split
            gets one picture at least.
        value_range: What black and white become.
        levels: The levels of the files that are black and white, for grey pictures of more than eight bits:
            ``(0, 4095)`` for 12 bits. A picture with a level outside is an error.
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
        levels: tuple[float, float] | None = None,
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
        self._levels = None if levels is None else check_ascending("levels", levels, example="(0, 4095)")

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
        parts = [Path(name).parts for name in self._folder.names]
        tops = {part[0] for part in parts if len(part) > 1}
        return tuple(sorted(tops)) if len(tops) > 1 and all(len(part) > 1 for part in parts) else ()

    def load(self) -> Mapping[Split, ImageDataset]:
        """Decodes every picture.

        Returns:
            The three splits.

        Raises:
            UserError: The folder is missing or has fewer than three pictures, or one of them is damaged, or has
                levels that leave black and white in doubt.

        Warns:
            UserWarning: Files were left out that look like pictures and cannot be read.
        """
        names = [self._folder.names[row] for row in hashed_order(self._folder.names)]
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
    def _folder(self) -> PictureFolder:
        return PictureFolder(self.root)

    def _decode(self, names: Sequence[str]) -> Tensor:
        left_out = self._folder.left_out_in_words()
        if left_out:
            rank_zero_warn(left_out, stacklevel=2)
        images = np.empty((len(names), *self._size, self.image_shape[0]), dtype=np.uint8)

        def decode(row: int) -> DeepLevels | None:
            path = self.root / names[row]
            if not path.is_file():  # a pipe would be waited for
                raise UserError(f"{path}: no file that can be read; mend or remove it.")
            try:
                images[row], seen = read_picture(path, self._size, grey=self._grey, levels=self._levels)
            except UserError:
                raise
            except Exception as error:  # on a damaged or a forged picture Pillow's readers raise anything at all
                reason = " ".join(f"{type(error).__name__}: {error}".split())
                raise UserError(f"{path}: cannot be decoded ({reason}); mend or remove the picture.") from error
            return seen

        console = Console(stderr=True)
        # Threads: Pillow decodes outside of Python's lock, and every thread writes rows of its own.
        with ThreadPoolExecutor() as pool:
            done = pool.map(decode, range(len(names)))
            bar = track(done, "Decoding pictures", len(names), console=console, disable=not console.is_terminal)
            self._check_levels([seen for seen in bar if seen is not None])
        return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()

    def _check_levels(self, seen: Sequence[DeepLevels]) -> None:
        if self._levels is not None and not seen:
            black, white = self._levels
            raise UserError(
                f"levels = [{black:g}, {white:g}]: no picture under {self.root} has more than 8 bits, and those of 8 "
                "bits need none: leave levels out."
            )
        check_levels(seen, self._levels)

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
