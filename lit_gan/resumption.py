"""Lightning's training loop, made to go on from the end of an epoch where ``max_steps`` is given, too."""

from lightning.pytorch import Trainer


def resume_between_epochs(trainer: Trainer) -> None:
    """Lets a checkpoint taken at an epoch's end begin the next epoch.

    Lightning 2.6 takes every run with ``max_steps`` for one that stopped within an epoch: it would end the epoch a
    second time, with its hooks and their schedules, and go on with other batches.

    Args:
        trainer: Before it restores its loops.
    """
    trainer.fit_loop.__dict__["_iteration_based_training"] = _counts_epochs


def _counts_epochs() -> bool:
    """Lightning's question is whether epochs count for nothing."""
    return False
