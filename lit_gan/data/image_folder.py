"""Any folder or zip archive of pictures, decoded once and kept."""

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch
from lightning.pytorch.utilities import rank_zero_only, rank_zero_warn
from numpy.typing import NDArray
from torch import Tensor

from lit_gan.data.arguments import check_ascending, check_whole
from lit_gan.data.base import InMemoryDataModule, Split
from lit_gan.data.dataset import ImageDataset
from lit_gan.data.decoding import Decoder
from lit_gan.data.levels import DeepLevels, check_levels
from lit_gan.data.picture import decoder
from lit_gan.data.picture_archive import PictureArchive, is_archive
from lit_gan.data.picture_cache import PictureCache, default_folder, in_memory
from lit_gan.data.picture_folder import PictureFolder
from lit_gan.data.picture_source import PictureSource
from lit_gan.data.random_views import CentreOf, RandomViews
from lit_gan.data.scaling import LinearScaling
from lit_gan.data.splitting import hashed_order
from lit_gan.errors import UserError


class ImageFolderDataModule(InMemoryDataModule):
    """The pictures in a folder and all its sub-folders, or in a zip archive, all brought to one size.

    Each picture is scaled until it just covers the size, and cut to it about its centre. Where at least two sub-folders
    lie directly in ``root``, and every picture is in one of them, their names in alphabetical order are the classes;
    else there are no labels.

    Which picture is in which split depends on its path below ``root`` only.

    All are decoded when the data are loaded for the first time, and kept as bytes in a file, which is mapped into
    memory then and at every later start: no more of it is in memory than there is room for. A change in the name, the
    size or the time of any of them, or in what they are decoded with, has all decoded anew.

    Pictures of eight bits are taken as they are. Sixteen bits are taken for the full range where some picture of the
    folder uses the highest of them; any other grey levels (12 bits in 16, 32 bits, floats) need ``levels``.

    Args:
        root: The folder of the pictures, or a zip archive of them.
        image_size: Height and width of the images, or one number for both.
        grey: Whether to make one channel of the three.
        fractions: The parts of the pictures for training, validation and test; they sum to 1, and each split
            gets one picture at least.
        value_range: What black and white become.
        levels: The levels of the files that are black and white, for grey pictures of more than eight bits:
            ``(0, 4095)`` for 12 bits. A picture with a level outside is an error.
        horizontal_flip: Whether to mirror each training image with probability 1/2, anew in every epoch.
        random_crop: How many pixels higher and wider than ``image_size`` the pictures are held. A training image is cut
            out of them at a random place, anew in every epoch, any other image about the centre.
        cache: Whether to keep the decoded pictures, or the folder to keep them in. By default that is
            ``$LIT_GAN_CACHE/pictures``, or ``lit-gan/pictures`` in the user's cache folder (``$XDG_CACHE_HOME``, else
            ``~/.cache``). False holds them in memory, and decodes them at every start.
        batch_size: m, rows per rank and minibatch.
        eval_batch_size: Rows per rank and batch in validation and test.
        seed: The seed of the run, for the order of the training rows, for flips and crops.

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
        horizontal_flip: bool = False,
        random_crop: int = 0,
        cache: bool | str | Path = True,
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
        self._flips = horizontal_flip
        self._room = check_whole("random_crop", random_crop, least=0)
        self._cache = _check_cache(cache)

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
        return tuple(map(_printable, self._source.class_names))

    def load(self) -> Mapping[Split, ImageDataset]:
        """Decodes every picture, or finds them decoded.

        Returns:
            The three splits.

        Raises:
            UserError: The folder is missing or has fewer than three pictures, or one of them is damaged, or has
                levels that leave black and white in doubt.

        Warns:
            UserWarning: Files were left out that look like pictures and cannot be read; or the decoded pictures could
                not be kept, or were damaged.
        """
        names = [self._source.names[row] for row in hashed_order(self._source.names)]
        if len(names) < 3:
            raise UserError(
                f"root = {self.root.absolute()}: {len(names)} pictures, expected at least 3, one per split."
            )
        if left_out := self._source.left_out_in_words():
            rank_zero_warn(left_out, stacklevel=2)
        cache = self._cache_of(names)
        images, is_mapped = self._in_memory(names) if cache is None else self._kept(cache, names)
        labels = self._labels(names)

        def split(rows: slice) -> ImageDataset:
            part = images[rows]
            views = RandomViews(self._size, horizontal_flip=self._flips, num_rows=len(part), seed=self.seed)
            return ImageDataset(
                part,
                None if labels is None else labels[rows],
                CentreOf(self._size, self._scaling) if self._room else self._scaling,
                vary=views if self._flips or self._room else None,
                found_again=partial(_part_of, cache, rows) if cache is not None and is_mapped else None,
            )

        return {name: split(rows) for name, rows in self._edges(len(names)).items()}

    @cached_property
    def _source(self) -> PictureSource:
        return self._searched()

    def _searched(self) -> PictureSource:
        return PictureArchive(self.root) if is_archive(self.root) else PictureFolder(self.root)

    @property
    def _held_shape(self) -> tuple[int, int, int]:
        return self.image_shape[0], self._size[0] + self._room, self._size[1] + self._room

    def _edges(self, num: int) -> dict[Split, slice]:
        num_val, num_test = (max(1, round(part * num)) for part in self._fractions[1:])
        num_train = max(1, num - num_val - num_test)
        num_val = min(num_val, num - num_train - 1)
        return {
            "train": slice(0, num_train),
            "val": slice(num_train, num_train + num_val),
            "test": slice(num_train + num_val, num),
        }

    def _cache_of(self, names: Sequence[str]) -> PictureCache | None:
        folder = _folder(self._cache)
        if folder is None:
            return None
        way = repr((decoder(), self._held_shape, self._levels))
        return PictureCache(folder, self.root, way, self._source.fingerprint(), (len(names), *self._held_shape))

    def _kept(self, cache: PictureCache, names: Sequence[str]) -> tuple[Tensor, bool]:
        return cache.rows(partial(self._decode, names), lambda: self._searched().fingerprint() == cache.content)

    def _in_memory(self, names: Sequence[str]) -> tuple[Tensor, bool]:
        return in_memory(self._decode(names, alone=False), (len(names), *self._held_shape)), False

    def _decode(self, names: Sequence[str], alone: bool) -> Iterator[NDArray[np.uint8]]:
        decoding = Decoder(self._source, self._held_shape, self._levels)
        yield from decoding.rows(names, show_progress=alone or getattr(rank_zero_only, "rank", 0) == 0)
        self._check_levels(decoding.seen)

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
        label_of = {name: label for label, name in enumerate(self._source.class_names)}
        return torch.tensor([label_of[name.partition("/")[0]] for name in names], dtype=torch.int64)


def _part_of(cache: PictureCache, rows: slice) -> Tensor:
    return cache.mapped()[rows]


def _printable(name: str) -> str:
    """What is no UTF-8 in the name of a folder, shown as numbers."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _check_cache(cache: bool | str | Path) -> bool | str | Path:
    if not isinstance(cache, bool) and not str(cache):
        raise UserError("cache = '': expected true, false, or the folder to keep decoded pictures in.")
    return cache


def _folder(cache: bool | str | Path) -> Path | None:
    if cache is False:
        return None
    try:
        return default_folder() if cache is True else Path(cache).expanduser()
    except RuntimeError:
        rank_zero_warn(
            "This user has no home to keep decoded pictures in: they are held in memory, and decoded at every start; "
            "name a folder by --data.init_args.cache, or set it to false.",
            stacklevel=2,
        )
        return None


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
