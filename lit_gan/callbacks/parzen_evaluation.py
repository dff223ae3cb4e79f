"""The paper's evaluation while a GAN trains and when it is tested."""

import re
import tempfile
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor
from torchmetrics import Metric

from lit_gan.callbacks.evaluation_images import EvaluationImages, Split, evaluation_images
from lit_gan.callbacks.evaluation_notice import EvaluationNotice
from lit_gan.callbacks.further_metrics import FurtherMetrics
from lit_gan.callbacks.generated_samples import sample_batches, share_of_rows
from lit_gan.callbacks.parzen_score import ParzenScore, over_folds
from lit_gan.callbacks.reference_images import Reference, batches_of, reference_batches
from lit_gan.callbacks.sample_budget import PAPER_SAMPLES, SampleBudget, budget_of_test, budget_of_validation
from lit_gan.errors import RunError, UserError
from lit_gan.functional.display import to_display_range
from lit_gan.gan import GAN
from lit_gan.generative import GenerativeModule
from lit_gan.metrics.parzen import ParzenNLL
from lit_gan.metrics.parzen_warnings import ParzenWarning
from lit_gan.runs.record import NAN

# Samples that take more wait on disk; a test of CIFAR-10 takes 123 MB.
_BYTES_IN_MEMORY = 256 * 2**20


class ParzenEvaluation(Callback):
    """Logs ``parzen_nll``, ``parzen_se`` and ``parzen_sigma`` (nats) in validation and test.

    The protocol of the paper's section 5: sigma is chosen on the first 1,000 validation images (on the first half
    where there are fewer than 2,000); validation reports on the other validation images, test on the test images. Where
    the data have folds (TFD), test chooses and reports on each fold, and gives the mean over folds with its error. Data
    that are no pixel levels (contrast-normalised CIFAR-10) get sigma by EM, and a warning that the number is not
    comparable with those of data in [0, 1].

    The samples are a function of the run's seed alone, drawn and scored in batches; evaluation changes nothing in
    training. A module that cannot sample is left alone.

    Args:
        sigma: A width, a grid of widths, ``em`` for the continuous optimum, or null for the paper's grid.
        num_samples: Generated samples, the centres of the windows; the number is part of the result. 0 switches the
            Parzen score off. Null is the paper's 10,000 in a test; in the validations of a training at most those, ten
            for each held-out image, and so many that they cost about a tenth of the training between two
            validations: the first validation says what it is, and it stays so for the run.
        metrics: Further torchmetrics metrics with ``update(images, real=...)``, say FID or KID, fed the samples and
            real images: floats in [0, 1] where the metric has ``normalize=True``, else uint8.
        metrics_num_samples: Generated samples for ``metrics``; null for as many as the Parzen score has, or would have
            if it were not switched off.
        reference: Real images for ``metrics``: a whole split, ``train`` as is usual for FID, or null for those that the
            Parzen score reports on.

    Raises:
        UserError: If a number is negative or ``sigma`` cannot be used.

    Reference:
        Goodfellow et al. 2014, section 5; Breuleux et al. 2011.
    """

    def __init__(
        self,
        sigma: float | list[float] | Literal["em"] | None = None,
        num_samples: int | None = None,
        metrics: Sequence[Metric] = (),
        metrics_num_samples: int | None = None,
        reference: Reference | None = None,
    ) -> None:
        if num_samples is not None and num_samples < 0:
            raise UserError(f"parzen.num_samples = {num_samples}: expected 0 (off) or more.")
        if metrics_num_samples is not None and metrics_num_samples < 1:
            raise UserError(
                f"parzen.metrics_num_samples = {metrics_num_samples}: expected at least 1, or null for a default."
            )
        ParzenNLL(sigma)  # a width that cannot be used is told at once
        self.sigma = sigma
        self.num_samples = num_samples
        self.metrics = tuple(metrics)
        self.metrics_num_samples = metrics_num_samples
        self.reference: Reference | None = reference
        self.score: ParzenScore | None = None
        self._further = FurtherMetrics(self.metrics)
        self._notice = EvaluationNotice()
        self._warned_of: set[str] = set()
        self._said: set[str] = set()
        self._folds: dict[Split, list[EvaluationImages]] = {}
        self._parzen: dict[Split, list[ParzenNLL]] = {}
        self._trained = 0  # images before the first validation of a training, over all ranks
        self._validated = False

    @property
    def test_images(self) -> list[EvaluationImages]:
        """What the last test was made on, per fold."""
        return self._folds.get("test", [])

    @property
    def _chooses(self) -> bool:
        """Whether a number of samples is left to the data."""
        return self.num_samples is None or (
            self.num_samples == 0 and bool(self.metrics) and self.metrics_num_samples is None
        )

    def state_dict(self) -> dict[str, Any]:
        """What the number of samples follows from, where it is left to the data."""
        return {"trained": self._trained, "validated": self._validated} if self._chooses else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """A run goes on with the number that it began with."""
        self._trained, self._validated = int(state_dict["trained"]), bool(state_dict["validated"])

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Each run of the trainer may bring other data; within one the images do not change."""
        self._folds, self._parzen = {}, {}
        self._further.forget()
        if stage == TrainerFn.FITTING:  # what a checkpoint knows of a run that goes on is loaded after this
            self._trained, self._validated = 0, False

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Counts what is trained on before the first validation."""
        if self._chooses and not self._validated and isinstance(pl_module, GAN):
            self._trained += len(pl_module.split_batch(batch)[0]) * trainer.world_size

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Evaluates on the validation data, but not in the trainer's check before training."""
        if not trainer.sanity_checking:
            self._evaluate(trainer, pl_module, "val")

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Evaluates on the test data."""
        self._evaluate(trainer, pl_module, "test")

    def _evaluate(self, trainer: Trainer, module: LightningModule, split: Split) -> None:
        if not isinstance(module, GenerativeModule) or (self.num_samples == 0 and not self.metrics):
            return
        if split not in self._folds:
            needs_sigma = self.num_samples != 0 and not isinstance(self.sigma, int | float)
            self._folds[split] = evaluation_images(trainer, module, split, needs_sigma=needs_sigma)
        num, num_further = self._numbers(trainer, module, split)
        takers: list[_Taker] = []
        if num:
            takers.append((num, self._begun_windows(trainer, split, num)))
        if num_further:
            takers.append((num_further, self._begun_further(trainer, module, split)))
        self._notice.begin(trainer, module, max(num, num_further))
        _draw(takers, trainer, module, self._num_values(split), self._notice)
        if num:
            self._log_score(module, split, num)
        if num_further:
            _log(module, {f"{split}/{name}": value for name, value in self._further.compute(module.seed).items()})

    def _num_values(self, split: Split) -> int:
        return self._folds[split][0].reported.shape[1:].numel()

    def _numbers(self, trainer: Trainer, module: GenerativeModule, split: Split) -> tuple[int, int]:
        """How many samples the Parzen score and the further metrics have."""
        chosen = self._budget(trainer, split) if self._chooses else SampleBudget(0, "")
        num = chosen.num if self.num_samples is None else self.num_samples
        further = (self.metrics_num_samples or num or chosen.num) if self.metrics else 0
        if self._chooses and split not in self._said and (split == "val" or chosen.num < PAPER_SAMPLES):
            self._said.add(split)
            module.print(f"lit-gan: {_told(chosen, parzen=bool(num))}")
        return num, further

    def _budget(self, trainer: Trainer, split: Split) -> SampleBudget:
        images = self._folds[split][0]
        if split == "test":
            return budget_of_test(self._num_values(split))
        # Rank 0's count: one number for all, also where their last batches differ.
        self._trained = int(trainer.strategy.broadcast(self._trained))
        self._validated = True
        return budget_of_validation(len(images.for_sigma) + len(images.reported), self._trained)

    def _begun_windows(self, trainer: Trainer, split: Split, num: int) -> Callable[[Tensor], None]:
        if split not in self._parzen:
            self._parzen[split] = [self._fed_with(fold, trainer, num) for fold in self._folds[split]]
        folds = list(zip(self._folds[split], self._parzen[split], strict=True))
        for _, metric in folds:
            metric.reset()

        def take(samples: Tensor) -> None:
            for images, metric in folds:
                metric.update(images.in_units(samples), real=False)

        return take

    def _begun_further(self, trainer: Trainer, module: GenerativeModule, split: Split) -> Callable[[Tensor], None]:
        """Where there are folds, on the first."""
        reported = self._folds[split][0].reported
        # One range for real and generated images, or the two could not be compared.
        value_range = module.value_range or (float(reported.min()), float(reported.max()))

        def real() -> Iterable[Tensor]:
            split_of_data = self.reference
            found = (
                batches_of(reported, trainer)
                if split_of_data is None
                else reference_batches(trainer, module, split_of_data)
            )
            return (to_display_range(batch, value_range) for batch in found)

        self._further.begin(module.device, self.reference or f"{split} images that are reported on", real)
        return lambda samples: self._further.update(to_display_range(samples, value_range))

    def _log_score(self, module: GenerativeModule, split: Split, num: int) -> None:
        metrics = self._parzen[split]
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            result = over_folds([metric.compute() for metric in metrics])
        self._warn_once(caught)
        self.score = ParzenScore.of(result, num, [metric.log_likelihoods for metric in metrics])
        for metric in metrics:
            metric.reset()  # the samples need no room until the next evaluation
        _log(module, {f"{split}/parzen_{name}": value for name, value in result.items()})

    def _warn_once(self, caught: list[warnings.WarningMessage]) -> None:
        """Tells each kind of warning once: a generator that has just begun deserves one at every validation."""
        for warning in caught:
            kind = re.sub(r"[\d.]+", "", str(warning.message))
            if kind not in self._warned_of:
                self._warned_of.add(kind)
                warnings.warn(str(warning.message), warning.category, stacklevel=2)

    def _fed_with(self, images: EvaluationImages, trainer: Trainer, num: int) -> ParzenNLL:
        """A metric that holds this rank's share of the real images for good."""
        sigma = self.sigma
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


_Taker = tuple[int, Callable[[Tensor], None]]  # of how many samples, and what takes them in


def _told(chosen: SampleBudget, *, parzen: bool) -> str:
    """A number that was left to the data, in one line with the way to another one."""
    if parzen:
        ways = "--parzen.num_samples N for another number, 0 for none"
        return f"the Parzen score draws {chosen.num:,} samples ({chosen.reason}; {ways})."
    ways = "--parzen.metrics_num_samples N for another number"
    return f"parzen.metrics see {chosen.num:,} samples ({chosen.reason}; {ways})."


def _draw(
    takers: Sequence[_Taker], trainer: Trainer, module: GenerativeModule, num_values: int, notice: EvaluationNotice
) -> None:
    """Hands the samples on, a batch at a time; those of two that want as many are drawn once."""
    finite = True
    for num in sorted({wanted for wanted, _ in takers}):
        for batch in sample_batches(module, num, num_values, trainer):
            finite = finite and bool(batch.isfinite().all())
            for take in [take for wanted, take in takers if wanted == num and finite]:
                take(batch)
            notice.tick()
    _check_finite(trainer, finite=finite)


def _scratch_dir(num_bytes: int, trainer: Trainer) -> Path | None:
    """Where many samples wait: beside the run's own files, for the system's place for temporary ones may be memory."""
    if num_bytes <= _BYTES_IN_MEMORY:
        return None
    folder = Path(trainer.default_root_dir)
    return folder if folder.is_dir() else Path(tempfile.gettempdir())


def _check_finite(trainer: Trainer, *, finite: bool) -> None:
    """By all ranks together: one that stopped alone would leave the others waiting for it in what follows."""
    if trainer.strategy.reduce_boolean_decision(finite):
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
    return rows[share_of_rows(len(rows), trainer)]
