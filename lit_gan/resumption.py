"""What Lightning needs to write checkpoints of a GAN, and to go on from them exactly."""

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from lit_gan.errors import UserError


def resume_between_epochs(trainer: Trainer) -> None:
    """Lets a checkpoint taken at an epoch's end begin the next epoch.

    Lightning 2.6 takes every run with ``max_steps`` for one that stopped within an epoch: it would end the epoch a
    second time, with its hooks and their schedules, and go on with other batches.

    Args:
        trainer: Before it restores its loops.
    """
    trainer.fit_loop.__dict__["_iteration_based_training"] = _counts_epochs


def check_checkpoints(trainer: Trainer) -> None:
    """Refuses a checkpoint callback that would never write one, and ranks that would not write it together.

    Lightning 2.6 does not read ``train_time_interval`` under manual optimisation, and says nothing; and it asks each
    rank's own clock whether a ``val_check_interval`` of time has passed.

    Args:
        trainer: Its callbacks and its validation are looked at.

    Raises:
        UserError: If a ``ModelCheckpoint`` has a ``train_time_interval``, or several ranks validate by time.
    """
    if trainer.world_size > 1 and getattr(trainer, "_val_check_time_interval", None) is not None:
        raise UserError(
            f"val_check_interval by time on {trainer.world_size} devices: each would ask its own clock, and wait for "
            "the others for ever: expected a number of rounds, or a share of an epoch."
        )
    for callback in trainer.checkpoint_callbacks:
        plain = type(callback).on_train_batch_end is ModelCheckpoint.on_train_batch_end
        if plain and getattr(callback, "_train_time_interval", None) is not None:
            raise UserError(
                f"{type(callback).__name__}(train_time_interval=...) writes nothing under manual optimisation in "
                "Lightning 2.6: expected lit_gan.callbacks.RunCheckpoint with the same arguments."
            )


def _counts_epochs() -> bool:
    """Lightning's question is whether epochs count for nothing."""
    return False
