"""What real images score in the place of samples: what each number of a model is to be read beside."""

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from lit_gan.data.base import SPLITS, InMemoryDataModule, Split
from lit_gan.data.dataset import ImageDataset
from lit_gan.errors import UserError
from lit_gan.evaluation.generated import rows_per_batch
from lit_gan.evaluation.image_metrics import ImageMetrics
from lit_gan.evaluation.kept_file import keep_for_others, read_kept
from lit_gan.evaluation.real_states import fingerprint_of_images
from lit_gan.randomness import stream

_RECIPE = 1  # of what is kept: another one where the numbers would be others
_FOLDER = "real"  # in that of the baselines
# Pairs of images, each with the number of its features: MNIST's 50,000 beside 10,000; minutes of one core.
_MOST_WORK = 2.5e12
_HELD_OUT: tuple[Split, ...] = ("test", "val")
# What metrics say beside, of the images that a classifier was tested on, and of the training images by themselves.
_OF_OTHER_IMAGES = ("classifier_accuracy", "memorization_real")


@dataclass(frozen=True)
class Ceiling:
    """What a metric says of real images, and of how many.

    Attributes:
        values: By the names that a model's numbers are logged under.
        num: Real images in the place of samples.
        num_reference: Other real images that they were compared with; 0 where a metric looks at samples alone.
        samples: What a model is measured on: so many samples,
        reference: beside so many real images.
    """

    values: Mapping[str, float]
    num: int
    num_reference: int
    samples: int
    reference: int

    @property
    def in_words(self) -> str:
        """Of how many.

        Example:
            >>> Ceiling({}, 898, 898, 1200, 1200).in_words, Ceiling({}, 597, 0, 1200, 0).in_words
            ('898 beside 898', '597')
        """
        return f"{self.num:,}" if self.num_reference == 0 else f"{self.num:,} beside {self.num_reference:,}"


class RealImages:
    """The images of a data set in both roles: in the place of a model's samples, and beside them.

    As many as a model has samples, beside as many as it is compared with, where there are so many: held-out images, and
    then, where the reference is held out, training images. Where there are fewer, two disjoint parts of all images
    whose numbers have the same ratio, up to 3 to 1: halves, of a model with as many samples as images beside. Most
    numbers depend on the ratio: of halves a perfect generator covers 1 - (1/2)^k, with a quarter as many samples much
    less. A metric whose reference has to be the whole of the training images (``whole_reference``) is shown what
    held-out images there are, and so is one that looks at samples alone.

    The parts are smaller, in the same ratio, where comparing all pairs would take longer than some minutes of one core.

    Args:
        data: Whose images.
        num: Samples of a model.
        reference: What these are compared with.
        equal: Whether no more images are compared with than there are samples, whatever the split has.
        device: Where it is computed.
        folder: Where results are kept for later, by the fingerprint of images, metric, weights and code; nowhere if
            ``None``.

    Example:
        >>> from lit_gan.data import DigitsDataModule
        >>> from lit_gan.metrics import PrecisionRecall
        >>> metrics = ImageMetrics([PrecisionRecall()], "evaluation")
        >>> found = RealImages(DigitsDataModule(), 1200, "train").measured_by(metrics, 0)
        >>> found.in_words, round(found.values["coverage"], 2)
        ('898 beside 898', 0.97)
    """

    def __init__(
        self,
        data: InMemoryDataModule,
        num: int,
        reference: Split,
        *,
        equal: bool = False,
        device: torch.device | None = None,
        folder: Path | None = None,
    ) -> None:
        self._data, self._num, self._reference, self._equal = data, num, reference, equal
        self._device, self._folder = device or torch.device("cpu"), folder

    def kept(self, images: ImageMetrics, place: int) -> Ceiling | None:
        """What was found before; a damaged file is nothing.

        Args:
            images: The metrics.
            place: Which of them.
        """
        file, found = self._file(images, place), None
        with suppress(UserError, TypeError):
            found = None if file is None else read_kept(file)
            return None if found is None else Ceiling(**found)
        return None

    def measured_by(self, images: ImageMetrics, place: int) -> Ceiling:
        """What a metric says of them: what was found before, or what is found now, and kept.

        Args:
            images: The metrics.
            place: Which of them.

        Raises:
            UserError: If it cannot take the images, or these are too few for it.
        """
        known = self.kept(images, place)
        if known is not None:
            return known
        file, alone = self._file(images, place), images.alone(place)
        found = self._measured(alone, self._roles(alone))
        if file is not None:
            keep_for_others(file, asdict(found))
        return found

    def _file(self, images: ImageMetrics, place: int) -> Path | None:
        identity = images.identity(place)
        if self._folder is None or identity is None:
            return None
        settings = tuple(self._data.value_range), self._num, self._compared, self._reference
        digest = hashlib.blake2b(repr((_RECIPE, self._content, identity, settings)).encode(), digest_size=8)
        return self._folder / _FOLDER / f"{identity.partition('-')[0]}-{digest.hexdigest()}.pt"

    @property
    def _compared(self) -> int:
        """Reference images of a model, and here where there is room and time."""
        num = len(self._data.dataset(self._reference))
        return min(num, self._num) if self._equal else num

    @cached_property
    def _content(self) -> tuple[str, ...]:
        return tuple(fingerprint_of_images(self._data, split, labels=True) for split in SPLITS)

    def _roles(self, images: ImageMetrics) -> "_Roles":
        (metric,) = images.metrics
        rows = {split: _shuffled(self._data, split) for split in SPLITS}
        if not images.takes_real(metric):
            return _Roles(_first(self._num, rows, _HELD_OUT), {}, self._num, 0)
        of_a_model, compared = len(rows[self._reference]), self._compared
        others = tuple(split for split in (*_HELD_OUT, "train") if split != self._reference)
        scale = self._affordable(images, compared)
        halves = sum(len(rows[split]) for split in others) < int(scale * self._num)
        if halves and not getattr(metric, "whole_reference", False):
            scale = min(scale, sum(map(len, rows.values())) / (self._num + compared))
            num, mixed = int(scale * self._num), _mixed(rows)
            both = num + int(scale * compared)
            num = min(max(num, both // 4), both - both // 4)
            return _Roles(mixed(0, num), mixed(num, both), self._num, of_a_model)
        placed = _first(int(scale * self._num), rows, others)
        return _Roles(placed, _first(int(scale * compared), rows, (self._reference,)), self._num, of_a_model)

    def _affordable(self, images: ImageMetrics, compared: int) -> float:
        """By what both numbers of images are to be multiplied."""
        (metric,) = images.metrics
        if not getattr(metric, "compares_pairs", False):
            return 1.0
        depth = images.num_features(torch.zeros(1, *self._data.image_shape))
        work = float(depth) * (compared**2 + compared * self._num + self._num**2)
        return min(1.0, math.sqrt(_MOST_WORK / work))

    def _measured(self, images: ImageMetrics, roles: "_Roles") -> Ceiling:
        def beside() -> Iterator[Tensor]:
            return (batch for batch, _ in _batches(self._data, roles.beside))

        images.begin(roles.samples, 0, self._data.value_range, self._device, self._reference, beside)
        for batch, labels in _batches(self._data, roles.placed):
            images.take(batch.to(self._device), labels)
        values = {name: float(value) for name, value in images.results().items() if name not in _OF_OTHER_IMAGES}
        num, num_beside = (sum(map(len, rows.values())) for rows in (roles.placed, roles.beside))
        return Ceiling(values, num, num_beside, roles.samples, roles.reference)


@dataclass(frozen=True)
class _Roles:
    """Rows of each split in the place of samples and beside them, and how many a model has of each."""

    placed: Mapping[Split, Tensor]
    beside: Mapping[Split, Tensor]
    samples: int
    reference: int


def _shuffled(data: InMemoryDataModule, split: Split) -> Tensor:
    """Rows of a split: files may have them class by class."""
    return torch.randperm(len(data.dataset(split)), generator=stream(0, "real images in the place of samples", split))


def _first(num: int, rows: Mapping[Split, Tensor], splits: Sequence[Split]) -> dict[Split, Tensor]:
    """So many rows out of splits, of which those that come first are used up first."""
    found = {}
    for split in splits:
        found[split] = rows[split][:num]
        num -= len(found[split])
    return found


def _mixed(rows: Mapping[Split, Tensor]) -> Callable[[int, int], dict[Split, Tensor]]:
    """Parts of all rows of all splits in one order."""
    splits = list(rows)
    of_split = torch.cat([torch.full_like(rows[split], number) for number, split in enumerate(splits)])
    every = torch.cat(list(rows.values()))
    order = torch.randperm(len(every), generator=stream(0, "real images in two parts"))

    def part(begin: int, end: int) -> dict[Split, Tensor]:
        chosen = order[begin:end]
        return {split: every[chosen[of_split[chosen] == number]] for number, split in enumerate(splits)}

    return part


def _batches(data: InMemoryDataModule, rows: Mapping[Split, Tensor]) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Images in data space and their labels, a batch at a time."""
    size = rows_per_batch(torch.Size(data.image_shape).numel())
    for split, chosen in rows.items():
        dataset: ImageDataset = data.dataset(split)
        for part in torch.split(chosen, size):
            batch = dataset.batch(part)
            yield (batch, None) if isinstance(batch, Tensor) else batch
