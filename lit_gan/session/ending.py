"""Why a training ended, when it was not broken off."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import EarlyStopping, Timer

from lit_gan.engine.lightning_seam import callbacks_of


@dataclass(frozen=True)
class Ending:
    """What a command that came to its end has done.

    Args:
        before: How many rounds there had been when it began.
        rounds: How many there are now.
        reason: What ended it.
        as_planned: Whether that was a limit of the configuration: how long to train.
    """

    before: int
    rounds: int
    reason: str
    as_planned: bool

    @classmethod
    def of(cls, trainer: Trainer, before: int) -> "Ending":
        """The ending of a trainer that came back by itself."""
        rounds = trainer.global_step
        stopper = _who_stopped(trainer)
        if stopper is not None:
            return cls(before, rounds, stopper, as_planned=False)
        return cls(before, rounds, _limit(trainer), as_planned=True)


def _who_stopped(trainer: Trainer) -> str | None:
    """Whoever has set ``should_stop``; it is told where that round was the last one that was planned, too."""
    if not trainer.should_stop:
        return None
    for callback in callbacks_of(trainer):
        if isinstance(callback, EarlyStopping) and callback.stopping_reason_message:
            said = " ".join(callback.stopping_reason_message.removesuffix(" Signaling Trainer to stop.").split())
            return f"{type(callback).__name__}: {said.rstrip('.')}"
    return "a callback has set trainer.should_stop"


def _limit(trainer: Trainer) -> str:
    if trainer.fast_dev_run:  # type: ignore[attr-defined]  # Lightning sets it from elsewhere
        return "fast_dev_run"
    if trainer.limit_train_batches == 0 or trainer.num_training_batches == 0:
        return "no training batches"
    if 0 <= trainer.max_steps <= trainer.global_step:
        return f"max_steps={trainer.max_steps}"
    return f"max_epochs={trainer.max_epochs}"


def time_limit(max_time: Any, callbacks: list[Callback]) -> tuple[timedelta | None, list[Callback]]:
    """The shortest time that is asked for, and the callbacks without those that would ask for it again.

    Lightning's `Timer` ends the epoch with the round, from where no run goes on exactly, and its clock goes on with the
    run: one that was continued would end at once.
    """
    timers = [callback for callback in callbacks if isinstance(callback, Timer)]
    limits = [timer.time_remaining() for timer in (*timers, Timer(max_time))]
    seconds = min((limit for limit in limits if limit is not None), default=None)
    kept = [each for each in callbacks if not isinstance(each, Timer) or each.time_remaining() is None]
    return None if seconds is None else timedelta(seconds=seconds), kept
