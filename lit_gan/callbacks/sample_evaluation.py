"""What the callbacks that measure samples have in common: when they look, one pass over the samples, one log."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

from lit_gan.callbacks.progress import LossProgressBar
from lit_gan.engine.c_library import give_memory_back
from lit_gan.engine.lightning_seam import callbacks_of
from lit_gan.errors import RunError, UserError
from lit_gan.evaluation.generated import Measurement, draw
from lit_gan.evaluation.image_metrics import ImageMetrics
from lit_gan.evaluation.images import Split
from lit_gan.gan import GAN
from lit_gan.generative import GenerativeModule
from lit_gan.runs.record import NAN

_PATIENCE = 2.0  # seconds


class SampleEvaluation(Callback, ABC):
    """Draws samples after validation and test, a batch at a time, and logs what is measured on them.

    A callback of this kind says what its measurements are. The samples are a function of the run's seed alone; nothing
    in training changes by them. A module that cannot sample is left alone.
    """

    option: ClassVar[str]  # the section of the configuration
    rarer: ClassVar[str]  # the option that makes it rarer in a training

    def __init__(self, metrics: ImageMetrics) -> None:
        self.image_metrics = metrics
        self._clock: Callable[[], float] = time.monotonic
        self._said_that_it_takes_long = False

    @abstractmethod
    def measurements(self, trainer: Trainer, module: GenerativeModule, split: Split) -> Sequence[Measurement]:
        """What is measured now, ready for samples; empty where nothing is."""

    def results(self, measurement: Measurement) -> Mapping[str, Tensor]:
        """The numbers of a measurement that has seen its samples."""
        return measurement.results()

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Each run of the trainer may bring other data; no two evaluations may log under one name."""
        self.image_metrics.forget()
        callbacks = callbacks_of(trainer)
        others = [each for each in callbacks if isinstance(each, SampleEvaluation) and each is not self]
        for name in self.image_metrics.names:
            for other in others:
                if name and name in other.image_metrics.names:
                    raise UserError(
                        f"{self.option}.metrics and {other.option}.metrics both log {name}: expected one of them, or a "
                        "metric whose attribute name says another name."
                    )

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Evaluates on the validation data, but not in the trainer's check before training."""
        if not trainer.sanity_checking:
            self._evaluate(trainer, pl_module, "val")

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Evaluates on the test data."""
        self._evaluate(trainer, pl_module, "test")

    def _evaluate(self, trainer: Trainer, module: LightningModule, split: Split) -> None:
        measurements = self.measurements(trainer, module, split) if isinstance(module, GenerativeModule) else ()
        if not measurements or not isinstance(module, GenerativeModule):
            return
        begin, most = self._clock(), max(measurement.num for measurement in measurements)
        bar = trainer.progress_bar_callback
        if isinstance(bar, LossProgressBar):
            bar.show_evaluation(trainer)

        def tick() -> None:
            if not self._said_that_it_takes_long and self._clock() - begin > _PATIENCE:
                self._said_that_it_takes_long = True
                rarer = f", {self.rarer} N for rarer" if trainer.training or trainer.validating else ""
                fewer = f"--{self.option}.num_samples N for fewer"
                module.print(f"lit-gan: evaluating on {most:,} samples ({fewer}{rarer}).")

        _check_finite(trainer, finite=draw(measurements, module, trainer, tick))
        for measurement in measurements:
            results = {f"{split}/{name}": value for name, value in self.results(measurement).items()}
            # Every rank has computed the same: the greatest of equals has their bits, their mean may be rounded.
            module.log_dict(results, reduce_fx="max", sync_dist=True)
        give_memory_back()


def images_of(batch: Any, module: LightningModule, trainer: Trainer) -> int:
    """How many images a round of a GAN trains on, over all ranks; 0 for a module of another kind."""
    return len(module.split_batch(batch)[0]) * trainer.world_size if isinstance(module, GAN) else 0


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
