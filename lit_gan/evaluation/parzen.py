"""The Parzen score as one thing that is measured on samples."""

import re
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from lightning.pytorch import Trainer
from torch import Tensor

from lit_gan.evaluation.generated import share_of_rows
from lit_gan.evaluation.images import EvaluationImages
from lit_gan.evaluation.scores import ParzenScore, over_folds
from lit_gan.metrics.conditional_parzen import ConditionalParzenNLL
from lit_gan.metrics.parzen import ParzenNLL
from lit_gan.metrics.parzen_warnings import CollapseWarning, ParzenWarning

Sigma = float | list[float] | Literal["em"] | None
# Samples that take more wait on disk; a test of CIFAR-10 takes 123 MB.
_BYTES_IN_MEMORY = 256 * 2**20


class ParzenMeasurement:
    """Windows on the samples, under which held-out images are scored, on every fold."""

    def __init__(
        self,
        folds: Sequence[EvaluationImages],
        sigma: Sigma,
        num: int,
        trainer: Trainer,
        warned_of: set[str],
        *,
        diagnosed: bool = False,
    ) -> None:
        self.num = num
        self.score: ParzenScore | None = None
        self._warned_of, self._diagnosed = warned_of, diagnosed
        self._folds = [(images, _fed_with(images, sigma, num, trainer)) for images in folds]
        self._by_class = _fed_by_class(folds[0], sigma, num, trainer) if len(folds) == 1 else None

    def begin(self) -> "ParzenMeasurement":
        """No samples yet; the real images are known for good."""
        for _, metric in self._folds:
            metric.reset()
        if self._by_class is not None:
            self._by_class.reset()
        return self

    def take(self, samples: Tensor, condition: Tensor | None = None) -> None:
        """Takes in a batch of samples, in data space, and the condition of each, where there are any."""
        for images, metric in self._folds:
            metric.update(images.in_units(samples), real=False)
        if self._by_class is not None and condition is not None:
            self._by_class.update(self._folds[0][0].in_units(samples), real=False, condition=condition)

    def results(self) -> dict[str, Tensor]:
        """``parzen_nll``, ``parzen_se``, ``parzen_sigma``; the samples need no room until the next evaluation.

        Of a model that is conditioned on classes also ``parzen_nll_conditional`` and ``parzen_se_conditional``.
        """
        metrics = [metric for _, metric in self._folds]
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            result = over_folds([metric.compute() for metric in metrics])
        self._warn_once(caught)
        self.score = ParzenScore.of(result, self.num, [metric.log_likelihoods for metric in metrics])
        found = {f"parzen_{name}": value for name, value in result.items()}
        if self._by_class is not None:
            by_class = self._by_class.compute()
            found |= {f"parzen_{name}_conditional": by_class[name] for name in ("nll", "se")}
        self.begin()
        return found

    def _warn_once(self, caught: list[warnings.WarningMessage]) -> None:
        """Tells each kind of warning once: a generator that has just begun deserves one at every validation.

        Of a collapse nothing, where it is diagnosed: that waits until it can be known.
        """
        for warning in caught:
            if self._diagnosed and issubclass(warning.category, CollapseWarning):
                continue
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


def _fed_by_class(images: EvaluationImages, sigma: Sigma, num: int, trainer: Trainer) -> ConditionalParzenNLL | None:
    """Windows for each class apart: where samples and images are of the same classes, in memory, of one width."""
    module: Any = trainer.lightning_module
    condition, labels = module.sample_condition(num), images.labels
    of_classes = condition is not None and condition.ndim == 1 and not condition.is_floating_point()
    fits = 4 * num * images.reported.shape[1:].numel() <= _BYTES_IN_MEMORY
    if not of_classes or labels is None or images.value_range is None or not fits or sigma == "em":
        return None
    labels_for_sigma = labels[:0] if images.labels_for_sigma is None else images.labels_for_sigma
    if not set(labels.tolist()) | set(labels_for_sigma.tolist()) <= set(condition.tolist()):
        return None
    metric = ConditionalParzenNLL(sigma, reset_real_features=False, data_range=None)
    metric = metric.to(trainer.strategy.root_device)
    for_sigma, reported = (_part(images.in_units(rows), trainer) for rows in (images.for_sigma, images.reported))
    metric.update(for_sigma, real=True, split="val", condition=_part(labels_for_sigma, trainer))
    metric.update(reported, real=True, condition=_part(labels, trainer))
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
