"""Any metric of generated images, beside a training and in a test: FID, KID, precision and recall."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor
from torchmetrics import Metric

from lit_gan.callbacks.sample_evaluation import SampleEvaluation, images_of
from lit_gan.data.base import InMemoryDataModule
from lit_gan.errors import UserError
from lit_gan.evaluation.cost import SHARE, Cadence, work_of, work_per_image
from lit_gan.evaluation.generated import Measurement
from lit_gan.evaluation.image_metrics import ImageMetrics
from lit_gan.evaluation.images import Split
from lit_gan.evaluation.real_states import RealStates
from lit_gan.evaluation.reference import Reference, reference_batches
from lit_gan.evaluation.reference_classifiers import find_classifiers, work_of_classifiers
from lit_gan.gan import GAN
from lit_gan.generative import GenerativeModule


class GenerativeEvaluation(SampleEvaluation):
    """Logs torchmetrics metrics of generated images in validation and test, such as FID, KID, the Inception score.

    Samples and real images come in batches and are never held whole. The samples are a function of the run's seed
    alone, those of a conditional GAN with every class in its share; evaluation changes nothing in training. What a
    metric knows of the real images, its state, is computed once.

    A metric is logged by the name of its class (``FrechetInceptionDistance`` as ``val/frechet_inception_distance``) or
    by its attribute ``name``; where it gives a pair or a mapping, with ``_mean`` and ``_std`` or the key behind. Where
    its attribute ``name`` is empty the keys are the names. It gets floats in [0, 1] where it has ``normalize=True``,
    else bytes; one without a parameter ``real`` gets the samples alone.

    Args:
        metrics: The metrics, with ``update(images, real=...)``. None: nothing is evaluated.
        num_samples: Samples that each of them sees, over all ranks.
        reference: The real images, a whole split; that of published FIDs is ``train``.
        every_n_epochs: Evaluate at the first validation after each so many epochs of a training. Null for as often as
            a tenth of the training's work pays for, which is counted, not timed, so that equal runs evaluate in equal
            rounds; the first validation says how often that is. A run evaluates once more after its last round, where
            the whole of it pays for that. ``validate`` and ``test`` always evaluate.
        cache_dir: A folder where what metrics know of the real images is kept for later runs, by the fingerprint of
            images, metric, weights and code; null for ``runs/baselines`` in the command, and for none in Python. Kept
            are images of a data module of lit_gan.data, and up to 512 MiB for a metric.

    Raises:
        UserError: If a number is out of its range.

    Example:
        >>> from lit_gan.metrics import Memorization, PrecisionRecall
        >>> callbacks = [GenerativeEvaluation([PrecisionRecall(), Memorization()], num_samples=1200)]

        ``GenerativeEvaluation([FrechetInceptionDistance(normalize=True)], num_samples=50_000)`` logs FID as published.

    Reference:
        Heusel et al. 2017, *GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium*.
    """

    option = "evaluation"
    rarer = "--evaluation.every_n_epochs"

    def __init__(
        self,
        metrics: Sequence[Metric] = (),
        num_samples: int = 10_000,
        reference: Reference = "train",
        every_n_epochs: int | None = None,
        cache_dir: str | None = None,
    ) -> None:
        if num_samples < 1:
            raise UserError(f"evaluation.num_samples = {num_samples}: expected at least 1; no metrics for none at all.")
        if every_n_epochs is not None and every_n_epochs < 1:
            raise UserError(f"evaluation.every_n_epochs = {every_n_epochs}: expected at least 1, or null.")
        super().__init__(ImageMetrics(metrics, self.option))
        self.metrics = tuple(metrics)
        self.num_samples = num_samples
        self.reference: Reference = reference
        self.every_n_epochs = every_n_epochs
        self.cache_dir = cache_dir
        self._cadence: Cadence | None = None  # where the work decides, from the first validation on
        self._trained = 0  # images before that
        self._epochs = 0  # that had ended at the last evaluation
        self._left_out = False
        self._logged: set[str] = set()
        #: Whether the next validation is the last one of the training, as ``LastRound`` says.
        self.is_last = False

    @property
    def state_key(self) -> str:
        """Several evaluations of one training each have their own state."""
        return f"GenerativeEvaluation({self.reference}, {', '.join(self.image_metrics.names)})"

    def state_dict(self) -> dict[str, Any]:
        """Where the last evaluation was, and what follows from it for the next one."""
        if not self.metrics:
            return {}
        cadence = None if self._cadence is None else vars(self._cadence)
        return {"epochs": self._epochs, "trained": self._trained, "cadence": cadence}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """A run goes on with the cadence that it began with."""
        self._epochs, self._trained = state_dict["epochs"], state_dict["trained"]
        self._cadence = None if state_dict["cadence"] is None else Cadence(**state_dict["cadence"])

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Each run of the trainer may bring other data."""
        super().setup(trainer, pl_module, stage)
        if self.cache_dir is not None:
            self.image_metrics.identify()
        self._left_out = False
        if stage == TrainerFn.FITTING:  # what a checkpoint knows of a run that goes on is loaded after this
            self._epochs, self._trained, self._cadence = 0, 0, None

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Counts what is trained on, where the next evaluation is due after so much of it."""
        if self.metrics and self.every_n_epochs is None:
            images = images_of(batch, pl_module, trainer)
            if self._cadence is None:
                self._trained += images
            else:
                self._cadence.add_trained(images)

    @property
    def has_evaluated(self) -> bool:
        """Whether there are numbers of these metrics."""
        return bool(self._logged)

    def leaves_out(self, name: str, trainer: Trainer) -> bool:
        """Whether a name is one of these metrics', which the last validation did not evaluate.

        Args:
            name: A logged name, ``val/...``.
            trainer: In whose validation.
        """
        if not self._left_out:
            return False
        begins = tuple(f"val/{each}" for each in self.image_metrics.names if each)
        unknown = "" in self.image_metrics.names and name not in trainer.callback_metrics
        return name in self._logged or name.startswith(begins) or unknown

    def measurements(self, trainer: Trainer, module: GenerativeModule, split: Split) -> list[Measurement]:
        """The metrics, where they are due."""
        if not self.metrics:
            return []
        value_range = self._value_range(trainer, module)
        self._left_out = trainer.state.fn == TrainerFn.FITTING and not self._is_due(trainer, module, value_range)
        if self._left_out:
            return []
        folder, split_of_data = self.cache_dir, self.reference
        kept = None if folder is None else RealStates(Path(folder), trainer, split_of_data, value_range)

        def real() -> Iterator[Tensor]:
            return reference_batches(trainer, module, split_of_data, option=self.option)

        find_classifiers(
            self.metrics, trainer, None if folder is None else Path(folder), f"{self.option}.metrics", module.print
        )
        num, seed, device = self.num_samples, module.seed, module.device
        return [self.image_metrics.begin(num, seed, value_range, device, split_of_data, real, kept)]

    def results(self, measurement: Measurement) -> Mapping[str, Tensor]:
        """What a metric computes in the end is counted once, and paid for by the next evaluation."""
        found: dict[str, Tensor] = {}
        if self._cadence is None or self._cadence.knows_results:
            found |= measurement.results()
        else:
            self._cadence.add_results(work_of(lambda: found.update(measurement.results())))
        self._logged = {f"val/{name}" for name in found}
        return found

    def _value_range(self, trainer: Trainer, module: GenerativeModule) -> tuple[float, float]:
        found = module.value_range or getattr(getattr(trainer, "datamodule", None), "value_range", None)
        if found is None:
            raise UserError(
                "evaluation.metrics: these data declare no range of pixel levels: expected an attribute value_range = "
                "[0.0, 1.0] (what black and white are) of the data module, or output_range of the generator."
            )
        return float(found[0]), float(found[1])

    def _is_due(self, trainer: Trainer, module: GenerativeModule, value_range: tuple[float, float]) -> bool:
        if self.every_n_epochs is not None:
            ended = trainer.current_epoch + int(trainer.is_last_batch)
            due = ended // self.every_n_epochs > self._epochs // self.every_n_epochs
            self._epochs = ended if due else self._epochs
            return due
        if not isinstance(module, GAN):
            return True  # nobody knows what its training costs
        if self._cadence is None:
            self._cadence = self._begun_cadence(trainer, module, value_range)
        # Rank 0's count: one answer for all, also where their last batches differ.
        due = bool(trainer.strategy.broadcast(self._cadence.trained >= self._cadence.next))
        if due:
            self._cadence.begin()
        # Nothing begins anew by that: a run that is to go on after all evaluates when it would have.
        last = self.is_last and not due
        return due or (last and bool(trainer.strategy.broadcast(self._cadence.is_paid_for_by_all)))

    def _begun_cadence(self, trainer: Trainer, module: GenerativeModule, value_range: tuple[float, float]) -> Cadence:
        training = work_of_classifiers(self.metrics, trainer, f"{self.option}.metrics")
        work, samples = work_per_image(module)
        sample, real = self.image_metrics.work_per_image(samples, value_range)
        data: Any = getattr(trainer, "datamodule", None)
        num_real = len(data.dataset(self.reference)) if isinstance(data, InMemoryDataModule) else 0
        cadence = Cadence.of(work, sample, real, self.num_samples, num_real)
        cadence.next += training / cadence.image
        cadence.add_trained(int(trainer.strategy.broadcast(self._trained)))
        module.print(
            f"lit-gan: evaluation.metrics see {self.num_samples:,} samples {cadence.in_words(cadence.trained)}, for at "
            f"most {SHARE:.0%} of the training's work (--evaluation.every_n_epochs N for another cadence, "
            "--evaluation.num_samples N for another number)."
        )
        return cadence
