"""How an exponential moving average of weights forgets: by rounds, by images, or by a fraction of the training."""

from lightning.pytorch import Callback, Trainer

from lit_gan.engine.batches import num_rows
from lit_gan.engine.lightning_seam import callbacks_of
from lit_gan.errors import UserError
from lit_gan.schedules import Scalar, ends_of, scalar_at, schedules_in

_USUAL_DECAY = 0.999


class MovingAverage(Callback):
    """A callback that averages weights, one step per round; its arguments are those of :class:`GeneratorEMA`."""

    def __init__(
        self, decay: float | None = None, half_life: Scalar | None = None, horizon: float | None = None
    ) -> None:
        given = {"decay": decay, "half_life": half_life, "horizon": horizon}
        named = " and ".join(f"{name} = {value}" for name, value in given.items() if value is not None)
        whose = type(self).__name__
        if " and " in named:
            raise UserError(f"{whose}: {named}: expected one of them; set the others to null.")
        if decay is not None and not 0 <= decay < 1:
            raise UserError(f"{whose}: {named}: expected a number in [0, 1).")
        if half_life is not None and not (min(ends := ends_of(half_life)) >= 0 and 0 < ends[-1] < float("inf")):
            raise UserError(f"{whose}: {named}: expected a number of images above 0.")
        if horizon is not None and not 0 < horizon <= 1:
            raise UserError(f"{whose}: {named}: expected a fraction of the rounds so far, in (0, 1].")
        self.decay = decay if named else _USUAL_DECAY
        self.half_life = half_life
        self.horizon = horizon

    def _check_alone(self, trainer: Trainer, kind: type[Callback]) -> None:
        """A GAN keeps one average of a network: two callbacks would move it twice a round."""
        if (count := sum(isinstance(callback, kind) for callback in callbacks_of(trainer))) > 1:
            raise UserError(
                f"{count} callbacks {kind.__name__}: a GAN keeps one average: expected one; the one that is there is "
                "changed by --trainer.callbacks.decay, half_life or horizon, and --trainer.callbacks replaces it."
            )

    def decay_at(self, trainer: Trainer, batch: object) -> float:
        """How much of the average stays after the round that has ended."""
        rounds = trainer.global_step
        if self.horizon is not None:
            return 1 - 1 / (1 + self.horizon * rounds)
        decay = self.decay
        if self.half_life is not None:
            rows = num_rows(batch) / getattr(trainer.lightning_module, "minibatches_per_round", 1)
            images = rows * trainer.world_size
            for schedule in schedules_in([self]):
                schedule.images_per_round = getattr(trainer.lightning_module, "images_per_round", None) or round(images)
            half_life = scalar_at(self.half_life, rounds)
            decay = 2 ** (-images / half_life) if half_life > 0 else 0.0
        assert decay is not None  # noqa: S101 -- one of the three is there
        return min(decay, (1 + rounds) / (10 + rounds))
