"""Which rounds are logged: reading numbers off the device costs as much as a small network's round."""

from lightning.pytorch import Trainer


def round_is_logged(trainer: Trainer, number: int) -> bool:
    """Whether a round's numbers are wanted: where a logger writes, at the end of an epoch, and in the last round.

    Args:
        trainer: In that round.
        number: The round's number, from 1 on.
    """
    return trainer.is_last_batch or number == trainer.max_steps or row_is_written(trainer, number)


def row_is_written(trainer: Trainer, number: int) -> bool:
    """Whether the loggers write a row for a round.

    Args:
        trainer: In that round.
        number: The round's number, from 1 on.
    """
    interval: int = getattr(trainer, "log_every_n_steps", 1)  # set where a type checker does not see it
    return interval > 0 and number % interval == 0
