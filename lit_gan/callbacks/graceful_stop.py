"""Stopping a run between two rounds, with its checkpoint written, when somebody asks for it."""

import time
from datetime import timedelta
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, Checkpoint

from lit_gan.callbacks.rank_agreement import RankAgreement
from lit_gan.callbacks.run_checkpoint import RunCheckpoint
from lit_gan.callbacks.stop_signals import StopSignals, stop_of
from lit_gan.engine.lightning_seam import broadcast_sigterm, round_is_settled, training_goes_on
from lit_gan.errors import RunStopped


class StopBetweenRounds(Callback):
    """Ends training after a round that all ranks agree on, when a signal, Ctrl-C, the tracker or the clock asks for it.

    :class:`lit_gan.errors.RunStopped` is raised on every rank: neither ``should_stop``, which would run a validation
    and end the epoch, nor a checkpoint in a signal handler, which may stand between D's update and G's. Lightning's own
    handlers of SIGTERM and SIGUSR1, and its broadcast in every round, are replaced while training runs.

    Args:
        signals: What asks; one that somebody listens with already, or a new one.
        max_time: How long one command trains, at most the Trainer's ``max_time`` in a run folder. Lightning's own ends
            the epoch, and its clock goes on with the run.

    Raises:
        RunStopped: Out of ``Trainer.fit``, on every rank.

    Example:
        >>> callbacks = [StopBetweenRounds(max_time=timedelta(hours=4))]
    """

    def __init__(self, signals: StopSignals | None = None, max_time: timedelta | None = None) -> None:
        self.signals = signals or StopSignals()
        self._has_taken = False
        self._agreement = RankAgreement()
        self._flag = 0.0
        self._max_time = max_time
        self._max_time_of_run: timedelta | None = None
        self._time_is_over = False
        self._began_at = time.monotonic()

    def serve(self, signals: StopSignals, max_time: timedelta | None) -> None:
        """Stops a run for what asks that one.

        Args:
            signals: The run's, in place of its own.
            max_time: The run's; it ends by its own where that is shorter.
        """
        self.signals, self._max_time_of_run = signals, max_time

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Takes the signals; after Lightning has."""
        self._agreement, self._flag = RankAgreement(), 0.0
        self._time_is_over, self._began_at = False, time.monotonic()
        self._has_taken |= not self.signals.is_listening
        self.signals.listen()
        broadcast_sigterm(trainer, switched_on=False)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Leaves after this round, if the ranks have agreed to and nothing but another round would follow."""
        flag, time_is_over = self._agreement.read(trainer, [self.signals.flag, self._is_over()]) or (0.0, False)
        self._flag = max(self._flag, flag)
        self._time_is_over |= bool(time_is_over)
        if self._is_requested and round_is_settled(trainer):
            self._leave(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leaves after this epoch and its validation; not after the last one, which ends the run anyway."""
        if self._is_requested and training_goes_on(trainer):
            self._leave(trainer)

    @property
    def _is_requested(self) -> bool:
        return bool(self._flag) or self._time_is_over

    def _is_over(self) -> bool:
        passed = time.monotonic() - self._began_at
        limits = (self._max_time, self._max_time_of_run)
        return any(limit is not None and passed >= limit.total_seconds() for limit in limits)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Gives the signals back, unless somebody else listens with them."""
        self._give_back(trainer)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """As after training: Lightning tears no callback down then, and this one ends most trainings so."""
        self._give_back(trainer)

    def _give_back(self, trainer: Trainer) -> None:
        broadcast_sigterm(trainer, switched_on=True)
        if self._has_taken:
            self._has_taken = False
            self.signals.restore()
            self.signals.flag = 0  # heeded: the next training with this callback was not asked to stop

    def _leave(self, trainer: Trainer) -> None:
        for checkpoint in trainer.checkpoint_callbacks:
            if isinstance(checkpoint, RunCheckpoint):
                checkpoint.save_now(trainer)
        raise stop_of(self._flag) if self._flag else RunStopped("max_time")


class GracefulStop(StopBetweenRounds, Checkpoint):
    """Stops as :class:`StopBetweenRounds` does, with ``last.ckpt`` written by the ``RunCheckpoint`` beside it.

    A ``Checkpoint`` to Lightning, which calls these after all others: what they do in the round is done.

    Example:
        >>> from lit_gan.callbacks import RunCheckpoint
        >>> callbacks = [RunCheckpoint(every_n_train_steps=1000), GracefulStop(max_time=timedelta(hours=4))]
    """
