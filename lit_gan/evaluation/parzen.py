"""The Parzen score as one thing that is measured on samples."""

import re
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from lightning.pytorch import Trainer
from torch import Tensor

from lit_gan.evaluation.generated import share_of_rows
from lit_gan.evaluation.images import EvaluationImages
from lit_gan.evaluation.scores import ParzenScore, over_folds
from lit_gan.metrics.parzen import ParzenNLL
from lit_gan.metrics.parzen_warnings import ParzenWarning

Sigma = float | list[float] | Literal["em"] | None
# Samples that take more wait on disk; a test of CIFAR-10 takes 123 MB.
_BYTES_IN_MEMORY = 256 * 2**20


class ParzenMeasurement:
    """Windows on the samples, under which held-out images are scored, on every fold."""

    def __init__(
        self, folds: Sequence[EvaluationImages], sigma: Sigma, num: int, trainer: Trainer, warned_of: set[str]
    ) -> None:
        self.num = num
        self.score: ParzenScore | None = None
        self._warned_of = warned_of
        self._folds = [(images, _fed_with(images, sigma, num, trainer)) for images in folds]

    def begin(self) -> "ParzenMeasurement":
        """No samples yet; the real images are known for good."""
        for _, metric in self._folds:
            metric.reset()
        return self

    def take(self, samples: Tensor) -> None:
        """Takes in a batch of samples, in data space."""
        for images, metric in self._folds:
            metric.update(images.in_units(samples), real=False)

    def results(self) -> dict[str, Tensor]:
        """``parzen_nll``, ``parzen_se``, ``parzen_sigma``; the samples need no room until the next evaluation."""
        metrics = [metric for _, metric in self._folds]
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            result = over_folds([metric.compute() for metric in metrics])
        self._warn_once(caught)
        self.score = ParzenScore.of(result, self.num, [metric.log_likelihoods for metric in metrics])
        self.begin()
        return {f"parzen_{name}": value for name, value in result.items()}

    def _warn_once(self, caught: list[warnings.WarningMessage]) -> None:
        """Tells each kind of warning once: a generator that has just begun deserves one at every validation."""
        for warning in caught:
            kind = re.sub(r"[\d.]+", "", str(warning.message))
            if kind not in self._warned_of:
                self._warned_of.add(kind)
                warnings.warn(str(warning.message), warning.category, stacklevel=2)


def _fed_with(images: EvaluationImages, sigma: Sigma, num: int, trainer: Trainer) -> ParzenNLL:
    """A metric that holds this rank's share of the real images for good."""
    if images.value_range is None:
        sigma = "em" if sigma is None else sigma
        warnings.warn(images.no_pixel_levels, ParzenWarning, stacklevel=2)
    # No data_range: a generator whose output is not bounded has a density, too, and is no error in mid-training.
    scratch_dir = _scratch_dir(4 * num * images.reported.shape[1:].numel(), trainer)
    metric = ParzenNLL(sigma, reset_real_features=False, data_range=None, scratch_dir=scratch_dir)
    metric = metric.to(trainer.strategy.root_device)
    metric.update(_part(images.in_units(images.for_sigma), trainer), real=True, split="val")
    metric.update(_part(images.in_units(images.reported), trainer), real=True)
    return metric


def _scratch_dir(num_bytes: int, trainer: Trainer) -> Path | None:
    """Where many samples wait: beside the run's own files, for the system's place for temporary ones may be memory."""
    if num_bytes <= _BYTES_IN_MEMORY:
        return None
    folder = Path(trainer.default_root_dir)
    return folder if folder.is_dir() else Path(tempfile.gettempdir())


def _part(rows: Tensor, trainer: Trainer) -> Tensor:
    """This rank's part; those of all ranks, one after the other, are the rows in their order."""
    return rows[share_of_rows(len(rows), trainer)]
