"""The end of a round: whether a run may be left there, and what its ranks agree on."""

import time
from collections.abc import Sequence

import torch
from lightning.pytorch import Trainer

_AGREE_SECONDS = 1.0  # a signal comes with 30 s of grace at the least (Slurm's KillWait)


def round_is_settled(trainer: Trainer) -> bool:
    """Whether nothing but another round follows this one.

    Lightning's loops go on exactly from such a place. From the last round of an epoch, or one that a validation
    follows, they would go on behind the validation, whose numbers would be lost.

    Args:
        trainer: In its hooks at the end of a round.
    """
    if epoch_ends(trainer) or 0 <= trainer.max_steps <= trainer.global_step:
        return False
    return not validation_is_due(trainer)


def validation_is_due(trainer: Trainer) -> bool:
    """Whether a validation follows this round by the intervals that were asked for.

    Args:
        trainer: In its hooks at the end of a round.
    """
    loop, fetcher = trainer.fit_loop.epoch_loop, trainer.fit_loop._data_fetcher  # noqa: SLF001 -- as below
    # Lightning 2.6 tells in no other way what comes next. The class is asked: `LastRound` adds to the loop's answer.
    return fetcher is None or type(loop)._should_check_val_fx(loop, fetcher)  # noqa: SLF001


def ends_within_epoch(trainer: Trainer) -> bool:
    """Whether training ends with this round, by ``max_steps`` and in the middle of an epoch.

    Args:
        trainer: In its hooks at the end of a round.
    """
    return 0 <= trainer.max_steps <= trainer.global_step and not epoch_ends(trainer)


def is_last_round(trainer: Trainer) -> bool:
    """Whether training ends with this round, by ``max_steps`` or ``max_epochs``.

    Args:
        trainer: In its hooks at the start of a round.
    """
    epochs = trainer.max_epochs
    last_epoch = epochs is not None and 0 <= epochs <= trainer.current_epoch + 1
    return trainer.global_step + 1 == trainer.max_steps or (last_epoch and epoch_ends(trainer))


def epoch_ends(trainer: Trainer) -> bool:
    """Whether this is the last round of its epoch.

    Args:
        trainer: In its hooks at the end of a round, or of a validation behind it.
    """
    return trainer.fit_loop.epoch_loop._num_ready_batches_reached()  # noqa: SLF001 -- as below


def training_goes_on(trainer: Trainer) -> bool:
    """Whether another epoch follows.

    Args:
        trainer: In its hooks at the end of an epoch.
    """
    epochs, steps = trainer.max_epochs, trainer.max_steps
    last_epoch = epochs is not None and 0 <= epochs <= trainer.current_epoch + 1
    return not (last_epoch or 0 <= steps <= trainer.global_step or trainer.should_stop)


def log_round(trainer: Trainer) -> None:
    """Writes what the round has logged, which Lightning does after its hooks: a checkpoint is never ahead of the log.

    Args:
        trainer: In its hooks at the end of a round.
    """
    trainer._logger_connector.update_train_step_metrics()  # noqa: SLF001 -- a test holds it in place


class RankAgreement:
    """Flags that each rank raises by itself, read together by all of them, so that all act after the same round.

    One small reduction about every second, and at the least every ``log_every_n_steps`` rounds; on one rank the flags
    themselves, after every round.

    Args:
        seconds: How long a flag may wait.
    """

    def __init__(self, seconds: float = _AGREE_SECONDS) -> None:
        self._seconds = seconds
        self._interval = self._rounds_left = 1
        self._since = time.monotonic()

    def read(self, trainer: Trainer, flags: Sequence[float]) -> list[float] | None:
        """The largest value that each flag has on any rank.

        Args:
            trainer: Whose ranks they are; all of them call this after every round.
            flags: This rank's.

        Returns:
            The agreed flags; ``None`` in the rounds between.
        """
        if trainer.world_size == 1:
            return list(flags)
        self._rounds_left -= 1
        if self._rounds_left:
            return None
        pace = (time.monotonic() - self._since) / self._interval
        mine = torch.tensor([pace, *flags], dtype=torch.float64, device=trainer.strategy.root_device)
        pace, *agreed = trainer.strategy.reduce(mine, reduce_op="max").tolist()
        most: int = max(getattr(trainer, "log_every_n_steps", 1), 1)  # set where a type checker does not see it
        self._interval = self._rounds_left = min(max(int(self._seconds / max(pace, 1e-6)), 1), most)
        self._since = time.monotonic()
        return agreed
