"""Metrics that a resumed run is about to log again."""

from lightning.pytorch import Callback, LightningModule, Trainer

from lit_gan.loggers.csv import CSVMetrics


class RowsAfterCheckpoint(Callback):
    """Drops the rows of ``metrics.csv`` that were logged after the checkpoint from which training goes on.

    Only once everything in it was restored: one that turns out not to fit costs no row.
    """

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Drops them."""
        for logger in trainer.loggers:
            if isinstance(logger, CSVMetrics):
                logger.truncate_after(trainer.global_step - 1)  # the row of a round bears its index
