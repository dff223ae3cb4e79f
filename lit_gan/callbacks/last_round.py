"""The round that training ends with."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from lit_gan.callbacks.generative_evaluation import GenerativeEvaluation
from lit_gan.engine.lightning_seam import (
    callbacks_of,
    is_last_round,
    log_interval_of,
    set_log_interval,
    validate_after_the_last_round,
)


class LastRound(Callback):
    """Logs the round that training ends with, and validates and evaluates after it, also within an epoch.

    Whatever the intervals say: a run of 40 rounds has a row of its losses, and one of 300 rounds a score. Only the very
    last round is meant, by ``max_steps`` or ``max_epochs``: one that a run was stopped after leaves no row that the
    undisturbed run has not.
    """

    def __init__(self) -> None:
        self._interval: int | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Adds the last validation to those that are due."""
        validate_after_the_last_round(trainer)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Has this round logged, if it is the last one."""
        if not is_last_round(trainer):
            return
        for evaluation in _evaluations(trainer):
            evaluation.is_last = True
        interval = log_interval_of(trainer)
        if interval > 0:
            self._interval = interval
            set_log_interval(trainer, 1)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leaves the trainer as it was."""
        self._give_back(trainer)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """As after training."""
        self._give_back(trainer)

    def _give_back(self, trainer: Trainer) -> None:
        validate_after_the_last_round(trainer, switched_on=False)
        for evaluation in _evaluations(trainer):
            evaluation.is_last = False
        if self._interval is not None:
            set_log_interval(trainer, self._interval)
            self._interval = None


def _evaluations(trainer: Trainer) -> list[GenerativeEvaluation]:
    return [each for each in callbacks_of(trainer) if isinstance(each, GenerativeEvaluation)]
