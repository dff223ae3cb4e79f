"""The paper's evaluation while a GAN trains and when it is tested."""

import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor
from torchmetrics import Metric

from lit_gan.callbacks.evaluation_images import EvaluationImages, Split, evaluation_images
from lit_gan.callbacks.parzen_score import ParzenScore, over_folds
from lit_gan.errors import RunError, UserError
from lit_gan.functional.display import to_display_range
from lit_gan.generative import GenerativeModule
from lit_gan.metrics.parzen import ParzenNLL
from lit_gan.metrics.parzen_warnings import ParzenWarning
from lit_gan.randomness import stream, stream_seed
from lit_gan.tracking.run_record import NAN

_SAMPLES_PER_BATCH = 1000


class ParzenEvaluation(Callback):
    """Logs ``parzen_nll``, ``parzen_se`` and ``parzen_sigma`` (nats) in validation and test.

    The protocol of the paper's section 5: sigma is chosen on the first 1,000 validation images (on the first half
    where there are fewer than 2,000); validation reports on the other validation images, test on the test images. Where
    the data have folds (TFD), test chooses and reports on each fold, and gives the mean over folds with its error. Data
    that are no pixel levels (contrast-normalised CIFAR-10) get sigma by EM, and a warning that the number is not
    comparable with those of data in [0, 1].

    The samples are a function of the run's seed alone; evaluation changes nothing in training. A module that cannot
    sample is left alone.

    Args:
        sigma: A width, a grid of widths, ``em`` for the continuous optimum, or null for the paper's grid.
        num_samples: Generated samples, the centres of the windows; the number is part of the result. 0 switches the
            evaluation off.
        metrics: Further torchmetrics metrics with ``update(images, real=...)``, say FID or KID, fed the same samples
            and the images that are reported on: floats in [0, 1] where the metric has ``normalize=True``, else uint8.

    Raises:
        UserError: If ``num_samples`` is negative or ``sigma`` cannot be used.

    Reference:
        Goodfellow et al. 2014, section 5; Breuleux et al. 2011.
    """

    def __init__(
        self,
        sigma: float | list[float] | Literal["em"] | None = None,
        num_samples: int = 10_000,
        metrics: Sequence[Metric] = (),
    ) -> None:
        if num_samples < 0:
            raise UserError(f"parzen.num_samples = {num_samples}: expected 0 (off) or more.")
        ParzenNLL(sigma)  # a width that cannot be used is told at once
        self.sigma = sigma
        self.num_samples = num_samples
        self.metrics = tuple(metrics)
        self.score: ParzenScore | None = None
        self._warned_of: set[str] = set()
        self._folds: dict[Split, list[tuple[EvaluationImages, ParzenNLL]]] = {}

    @property
    def test_images(self) -> list[EvaluationImages]:
        """What the last test was made on, per fold."""
        return [images for images, _ in self._folds.get("test", [])]

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Each run of the trainer may bring other data; within one the images do not change."""
        self._folds = {}

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Evaluates on the validation data, but not in the trainer's check before training."""
        if not trainer.sanity_checking:
            self._evaluate(trainer, pl_module, "val")

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Evaluates on the test data."""
        self._evaluate(trainer, pl_module, "test")

    def _evaluate(self, trainer: Trainer, module: LightningModule, split: Split) -> None:
        if not isinstance(module, GenerativeModule) or self.num_samples == 0:
            return
        if split not in self._folds:
            images = evaluation_images(trainer, module, split, needs_sigma=not isinstance(self.sigma, int | float))
            self._folds[split] = [(fold, self._fed_with(fold, trainer)) for fold in images]
        samples = _samples(module, self.num_samples, trainer)
        _check_finite(samples, trainer)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            result = over_folds([_result(metric, images.in_units(samples)) for images, metric in self._folds[split]])
        self._warn_once(caught)
        self.score = ParzenScore.of(
            result, self.num_samples, [metric.log_likelihoods for _, metric in self._folds[split]]
        )
        _log(module, {f"{split}/parzen_{name}": value for name, value in result.items()})
        for metric in self.metrics:
            _log(module, _further(metric, self._folds[split][0][0], samples, split, trainer, module))

    def _warn_once(self, caught: list[warnings.WarningMessage]) -> None:
        """Tells each kind of warning once: a generator that has just begun deserves one at every validation."""
        for warning in caught:
            kind = re.sub(r"[\d.]+", "", str(warning.message))
            if kind not in self._warned_of:
                self._warned_of.add(kind)
                warnings.warn(str(warning.message), warning.category, stacklevel=2)

    def _fed_with(self, images: EvaluationImages, trainer: Trainer) -> ParzenNLL:
        """A metric that holds this rank's share of the real images for good."""
        sigma = self.sigma
        if images.value_range is None:
            sigma = "em" if sigma is None else sigma
            warnings.warn(
                "these data are no pixel levels in [0, 1]: their Parzen log-likelihood (sigma by EM unless given) is "
                "not comparable with published numbers, nor with those of other data.",
                ParzenWarning,
                stacklevel=2,
            )
        # No data_range: a generator whose output is not bounded has a density, too, and is no error in mid-training.
        metric = ParzenNLL(sigma, reset_real_features=False, data_range=None).to(trainer.strategy.root_device)
        metric.update(_part(images.in_units(images.for_sigma), trainer), real=True, split="val")
        metric.update(_part(images.in_units(images.reported), trainer), real=True)
        return metric


def _check_finite(samples: Tensor, trainer: Trainer) -> None:
    """By all ranks together: one that stopped alone would leave the others waiting for it in what follows."""
    if trainer.strategy.reduce_boolean_decision(bool(samples.isfinite().all())):
        return
    if trainer.state.fn != TrainerFn.FITTING:
        raise UserError(
            "the samples are not finite (NaN or inf): expected a checkpoint from before the training diverged."
        )
    raise RunError(
        f"{NAN}: the samples are not finite after round {trainer.global_step}: training has diverged. Try "
        "lower learning rates, clip_g and clip_d, or another seed."
    )


def _log(module: GenerativeModule, result: Mapping[str, Tensor]) -> None:
    """Logs what every rank has computed alike: the greatest of equals has their bits, their mean may be rounded."""
    module.log_dict(dict(result), reduce_fx="max", sync_dist=True)


def _part(rows: Tensor, trainer: Trainer) -> Tensor:
    """This rank's part; those of all ranks, one after the other, are the rows in their order."""
    return rows[_bounds(len(rows), trainer)]


def _bounds(num: int, trainer: Trainer) -> slice:
    rank, world_size = trainer.global_rank, trainer.world_size
    return slice(num * rank // world_size, num * (rank + 1) // world_size)


def _samples(module: GenerativeModule, num: int, trainer: Trainer) -> Tensor:
    """This rank's part of ``num`` samples in data space; together the same samples for any number of ranks."""
    own = _bounds(num, trainer)
    pieces = []
    for index, start in enumerate(range(0, num, _SAMPLES_PER_BATCH)):
        size = min(_SAMPLES_PER_BATCH, num - start)
        first, last = max(own.start - start, 0), min(own.stop - start, size)
        if first < last:
            # Whole batches, also for a part of one: a sample's roundings change with the shape of its batch.
            pieces.append(module.sample_data(size, rng=stream(module.seed, "parzen", index))[first:last])
    return torch.cat(pieces) if pieces else torch.empty(0, 1, device=module.device)


def _result(metric: ParzenNLL, samples: Tensor) -> dict[str, Tensor]:
    metric.reset()
    metric.update(samples, real=False)
    result: dict[str, Tensor] = metric.compute()
    return result


def _further(
    metric: Metric, images: EvaluationImages, samples: Tensor, split: Split, trainer: Trainer, module: GenerativeModule
) -> dict[str, Tensor]:
    """Another generative metric on the same samples; where there are folds, on the first."""
    metric = metric.to(module.device)
    metric.reset()
    # One range for real and generated images, or the two could not be compared.
    value_range = module.value_range or (float(images.reported.min()), float(images.reported.max()))
    for batch, real in ((_part(images.reported, trainer), True), (samples, False)):
        for start in range(0, len(batch), _SAMPLES_PER_BATCH):
            piece = batch[start : start + _SAMPLES_PER_BATCH].to(module.device)
            metric.update(_as_wanted(metric, to_display_range(piece, value_range)), real=real)
    # KID draws subsets from the global generator: here from a stream of its own, which is then put back.
    with torch.random.fork_rng():
        torch.manual_seed(stream_seed(module.seed, "metric", type(metric).__name__))
        result = metric.compute()
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(metric).__name__).lower()
    return {f"{split}/{name}{suffix}": value for suffix, value in _named(result)}


def _as_wanted(metric: Metric, images: Tensor) -> Tensor:
    """Floats in [0, 1] for ``normalize=True``, else bytes; three channels for torchmetrics' own Inception network."""
    if images.shape[1] == 1 and not getattr(metric, "used_custom_model", False):
        images = images.expand(-1, 3, -1, -1)
    return images if getattr(metric, "normalize", False) else images.mul(255).round_().to(torch.uint8)


def _named(result: Any) -> list[tuple[str, Tensor]]:
    if isinstance(result, Mapping):
        return [(f"_{name}", value) for name, value in result.items()]
    if isinstance(result, tuple):  # (mean, standard deviation), as KID and the Inception score give
        return list(zip(("_mean", "_std"), result, strict=False))
    return [("", result)]
