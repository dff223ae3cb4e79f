"""The paper's evaluation while a GAN trains and when it is tested."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor
from torchmetrics import Metric

from lit_gan.callbacks.diagnosis import Diagnosis
from lit_gan.callbacks.sample_evaluation import SampleEvaluation, images_of
from lit_gan.engine.lightning_seam import callbacks_of
from lit_gan.errors import UserError
from lit_gan.evaluation.generated import Measurement
from lit_gan.evaluation.image_metrics import ImageMetrics
from lit_gan.evaluation.images import EvaluationImages, Split, evaluation_images
from lit_gan.evaluation.near_duplicates import NearDuplicateMeasurement
from lit_gan.evaluation.parzen import ParzenMeasurement
from lit_gan.evaluation.reference import Reference, batches_of, reference_batches
from lit_gan.evaluation.reference_classifiers import find_classifiers
from lit_gan.evaluation.sample_budget import (
    PAPER_SAMPLES,
    PER_TRAINED_IMAGE,
    SampleBudget,
    budget_of_test,
    budget_of_validation,
)
from lit_gan.evaluation.scores import ParzenScore
from lit_gan.generative import GenerativeModule
from lit_gan.metrics.parzen import ParzenNLL


class ParzenEvaluation(SampleEvaluation):
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
        metrics: Metrics with ``update(images, real=...)`` on the same images and samples, at each validation; see
            :class:`GenerativeEvaluation`, which chooses its own.
        metrics_num_samples: Generated samples for ``metrics``; null for as many as the Parzen score has, or would have
            if it were not switched off.
        reference: Real images for ``metrics``: a whole split, ``train`` as is usual for FID, or null for those that the
            Parzen score reports on.

    Raises:
        UserError: If a number is negative or ``sigma`` cannot be used.

    Example:
        >>> callbacks = [ParzenEvaluation(num_samples=1000)]  # a tenth of the paper's, and of its time

    Reference:
        Goodfellow et al. 2014, section 5; Breuleux et al. 2011.
    """

    option = "parzen"
    rarer = "--trainer.check_val_every_n_epoch"

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
        super().__init__(ImageMetrics(metrics, self.option))
        self.sigma = sigma
        self.num_samples = num_samples
        self.metrics = tuple(metrics)
        self.metrics_num_samples = metrics_num_samples
        self.reference: Reference | None = reference
        self.score: ParzenScore | None = None
        self.scored_after = 0  # rounds
        self._warned_of: set[str] = set()
        self._said: set[str] = set()
        self._folds: dict[Split, list[EvaluationImages]] = {}
        self._windows: dict[Split, ParzenMeasurement] = {}
        self._near: dict[Split, NearDuplicateMeasurement] = {}
        self._trained = 0  # images before the first validation of a training, over all ranks
        self._validated = False
        self._each = PER_TRAINED_IMAGE

    def images(self, split: Split) -> list[EvaluationImages]:
        """What the last validation or test was made on, per fold.

        Args:
            split: ``val`` or ``test``.
        """
        return self._folds.get(split, [])

    @property
    def _chooses(self) -> bool:
        """Whether a number of samples is left to the data."""
        return self.num_samples is None or (
            self.num_samples == 0 and bool(self.metrics) and self.metrics_num_samples is None
        )

    def state_dict(self) -> dict[str, Any]:
        """What the number of samples follows from, where it is left to the data."""
        state = {"trained": self._trained, "validated": self._validated, "each": self._each}
        return state if self._chooses else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """A run goes on with the number that it began with."""
        self._trained, self._validated = int(state_dict["trained"]), bool(state_dict["validated"])
        self._each = float(state_dict.get("each", 1.0))  # what it was in 0.1

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Each run of the trainer may bring other data; within one the images do not change."""
        super().setup(trainer, pl_module, stage)
        self._folds, self._windows, self._near = {}, {}, {}
        if stage == TrainerFn.FITTING:  # what a checkpoint knows of a run that goes on is loaded after this
            self._trained, self._validated, self._each = 0, False, PER_TRAINED_IMAGE

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Counts what is trained on before the first validation."""
        if self._chooses and not self._validated:
            self._trained += images_of(batch, pl_module, trainer)

    def measurements(self, trainer: Trainer, module: GenerativeModule, split: Split) -> list[Measurement]:
        """The windows, and the further metrics."""
        if self.num_samples == 0 and not self.metrics:
            return []
        if split not in self._folds:
            needs_sigma = self.num_samples != 0 and not isinstance(self.sigma, int | float)
            self._folds[split] = evaluation_images(trainer, module, split, needs_sigma=needs_sigma)
        num, num_further = self._numbers(trainer, module, split)
        found: list[Measurement] = []
        if num:
            if split not in self._windows:
                folds = self._folds[split]
                diagnosed = trainer.state.fn == TrainerFn.FITTING and any(
                    isinstance(each, Diagnosis) for each in callbacks_of(trainer)
                )
                self._windows[split] = ParzenMeasurement(
                    folds, self.sigma, num, trainer, self._warned_of, diagnosed=diagnosed
                )
                self._near[split] = NearDuplicateMeasurement(folds[0], num, trainer)
            found += [self._windows[split].begin(), self._near[split].begin()]
        return [*found, self._begun_further(trainer, module, split, num_further)] if num_further else found

    def _evaluate(self, trainer: Trainer, module: LightningModule, split: Split) -> None:
        super()._evaluate(trainer, module, split)
        if split in self._windows:
            self.score, self.scored_after = self._windows[split].score, trainer.global_step

    def _numbers(self, trainer: Trainer, module: GenerativeModule, split: Split) -> tuple[int, int]:
        """How many samples the Parzen score and the further metrics have."""
        chosen = self._budget(trainer, split) if self._chooses else SampleBudget(0, "")
        num = chosen.num if self.num_samples is None else self.num_samples
        further = (self.metrics_num_samples or num or chosen.num) if self.metrics else 0
        if self._chooses and split not in self._said and (split == "val" or chosen.num < PAPER_SAMPLES):
            self._said.add(split)
            module.print(f"lit-gan: {_sample_count_message(chosen, parzen=bool(num))}")
        return num, further

    def _budget(self, trainer: Trainer, split: Split) -> SampleBudget:
        images = self._folds[split][0]
        if split == "test":
            return budget_of_test(images.reported.shape[1:].numel())
        # Rank 0's count: one number for all, also where their last batches differ.
        self._trained = int(trainer.strategy.broadcast(self._trained))
        self._validated = True
        return budget_of_validation(len(images.for_sigma) + len(images.reported), self._trained, self._each)

    def _begun_further(self, trainer: Trainer, module: GenerativeModule, split: Split, num: int) -> ImageMetrics:
        """Where there are folds, on the first."""
        reported = self._folds[split][0].reported
        # One range for real and generated images, or the two could not be compared.
        value_range = module.value_range or (float(reported.min()), float(reported.max()))

        def real() -> Iterable[Tensor]:
            if self.reference is None:
                return batches_of(reported, trainer)
            return reference_batches(trainer, module, self.reference, option=self.option)

        find_classifiers(self.metrics, trainer, None, f"{self.option}.metrics", module.print)
        name = self.reference or f"{split} images that are reported on"
        return self.image_metrics.begin(num, module.seed, value_range, module.device, name, real)


def _sample_count_message(chosen: SampleBudget, *, parzen: bool) -> str:
    """A number that was left to the data, in one line with the way to another one."""
    if parzen:
        ways = "--parzen.num_samples N for another number, 0 for none"
        return f"the Parzen score draws {chosen.num:,} samples ({chosen.reason}; {ways})."
    ways = "--parzen.metrics_num_samples N for another number"
    return f"parzen.metrics see {chosen.num:,} samples ({chosen.reason}; {ways})."
