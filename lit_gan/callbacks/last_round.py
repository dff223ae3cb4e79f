"""The round that training ends with."""

import functools
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from lit_gan.callbacks.round_end import ends_within_epoch, is_last_round


class LastRound(Callback):
    """Logs the round that training ends with, and validates after it where ``max_steps`` ends it within an epoch.

    Whatever the intervals say: a run of 40 rounds has a row of its losses, and one of 300 rounds a score. Only the very
    last round is meant, by ``max_steps`` or ``max_epochs``: one that a run was stopped after leaves no row that the
    undisturbed run has not.
    """

    def __init__(self) -> None:
        self._interval: int | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Adds the last validation to those that are due: Lightning 2.6 asks this method of its loop alone."""
        loop = trainer.fit_loop.epoch_loop
        loop.__dict__["_should_check_val_fx"] = functools.partial(_validation_follows, trainer)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Has this round logged, if it is the last one."""
        interval: int = trainer.log_every_n_steps  # type: ignore[attr-defined]  # set where a type checker does not see
        if interval > 0 and is_last_round(trainer):
            self._interval = interval
            trainer.log_every_n_steps = 1  # type: ignore[attr-defined]  # as above

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leaves the trainer as it was."""
        self._give_back(trainer)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """As after training."""
        self._give_back(trainer)

    def _give_back(self, trainer: Trainer) -> None:
        trainer.fit_loop.epoch_loop.__dict__.pop("_should_check_val_fx", None)
        if self._interval is not None:
            trainer.log_every_n_steps = self._interval  # type: ignore[attr-defined]  # as above
            self._interval = None


def _validation_follows(trainer: Trainer, fetcher: Any) -> bool:
    loop = trainer.fit_loop.epoch_loop
    due = type(loop)._should_check_val_fx(loop, fetcher)  # noqa: SLF001 -- see on_train_start
    return due or (trainer.enable_validation and ends_within_epoch(trainer))
