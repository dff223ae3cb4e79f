"""What a resumed run is about to log again."""

from lightning.pytorch import Callback, LightningModule, Trainer


class RowsAfterCheckpoint(Callback):
    """Tells each logger that has a method ``goes_on_after`` after which round training goes on.

    Only once everything in it was restored: one that turns out not to fit costs no row.
    """

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The rows that were logged after the checkpoint are dropped."""
        for logger in trainer.loggers:
            goes_on_after = getattr(logger, "goes_on_after", None)
            if goes_on_after is not None:
                goes_on_after(trainer.global_step)
