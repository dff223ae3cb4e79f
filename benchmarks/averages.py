"""The Parzen score of other averages of G, and of its own weights, beside that of the run's one average.

``lit-gan fit --config mnist ... --trainer.callbacks+=benchmarks.averages.ScoredAverage --trainer.callbacks.decay 0``: a
training keeps one average, which is what its G is worth to users; which average that should be is asked here. No update
changes by it, and a run that is stopped goes on with each of them.
"""

from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from lit_gan.callbacks.moving_average import MovingAverage
from lit_gan.callbacks.parzen_evaluation import ParzenEvaluation
from lit_gan.engine.batch_norm import batch_norms
from lit_gan.engine.lightning_seam import callbacks_of
from lit_gan.errors import UserError
from lit_gan.evaluation.generated import draw
from lit_gan.evaluation.images import evaluation_images
from lit_gan.evaluation.parzen import ParzenMeasurement
from lit_gan.functional.torch_seam import move_towards
from lit_gan.gan import GAN
from lit_gan.networks.parameter_names import plain_parameters


class ScoredAverage(MovingAverage):
    """Logs ``val/parzen_nll_decay_D`` (or half_life, horizon) of an average of its own; of G's weights by a decay of 0.

    The samples, held-out images and widths are those of the run's own ``val/parzen_nll``. For a GAN without batch
    normalisation in G, whose statistics would belong to one average.
    """

    def __init__(
        self, decay: float | None = None, half_life: float | None = None, horizon: float | None = None
    ) -> None:
        super().__init__(decay, half_life, horizon)
        told = {"decay": self.decay, "half_life": half_life, "horizon": horizon}
        self.name = "_".join(f"{name}_{value:g}" for name, value in told.items() if value is not None)
        self.average: dict[str, Tensor] | None = None
        self._windows: ParzenMeasurement | None = None

    @property
    def state_key(self) -> str:
        """Several of them are in one training."""
        return f"ScoredAverage.{self.name}"

    def state_dict(self) -> dict[str, Any]:
        """The average."""
        return {"average": self.average}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on with it."""
        self.average = state_dict["average"]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Starts at the weights that G begins with, or goes on with the checkpoint's."""
        if self.average is None:
            self.average = {name: value.clone() for name, value in _weights(pl_module).items()}

    @torch.no_grad()
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        """Moves the average towards the weights after this round."""
        average, weights = self.average or {}, _weights(pl_module)
        move_towards(list(average.values()), list(weights.values()), 1 - self.decay_at(trainer, batch))

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Scores it in place of the run's."""
        if trainer.sanity_checking or self.average is None:
            return
        gan = _gan(pl_module)
        (run,) = [each for each in callbacks_of(trainer) if isinstance(each, ParzenEvaluation)]
        if not run.num_samples:
            raise UserError(f"parzen.num_samples = {run.num_samples}: expected how many, so that all have as many.")
        if self._windows is None:
            folds = evaluation_images(trainer, gan, "val", needs_sigma=True)
            self._windows = ParzenMeasurement(folds, run.sigma, run.num_samples, trainer, set())
        kept, gan.generator_average = gan.generator_average, self.average
        try:
            draw([self._windows.begin()], gan, trainer, lambda: None)
        finally:
            gan.generator_average = kept
        results = self._windows.results()
        gan.log_dict({f"val/{name}_{self.name}": value for name, value in results.items()}, reduce_fx="max")


def _weights(module: LightningModule) -> dict[str, Tensor]:
    return {name: value.detach() for name, value in plain_parameters(_gan(module).generator).items()}


def _gan(module: LightningModule) -> GAN:
    if not isinstance(module, GAN) or batch_norms(module.generator):
        raise UserError("ScoredAverage: expected a lit_gan.GAN without batch normalisation in G.")
    return module
