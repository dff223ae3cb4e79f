"""The progress bar of a GAN."""

from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import RichProgressBar
from lightning.pytorch.trainer.states import TrainerFn


class LossProgressBar(RichProgressBar):
    """Lightning's rich progress bar with both players' losses, redrawn every tenth round.

    A round of a small network takes a millisecond or two, and so does a redraw; Lightning 2.6 redraws after every one
    on a terminal, whatever its refresh rate.

    Args:
        refresh_rate: Rounds between two redraws; there is one more at the end of an epoch. 0 for no bar at all.
    """

    def __init__(self, refresh_rate: int = 10) -> None:
        super().__init__(refresh_rate=refresh_rate)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Redraws, where it is time to."""
        if self.is_enabled and ((batch_idx + 1) % self.refresh_rate == 0 or trainer.is_last_batch):
            super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)

    def show_evaluation(self, trainer: Trainer) -> None:
        """Says on the bar of the validation, which has come to its end, that samples are being evaluated."""
        shown = self.val_progress_bar_id
        if self.is_enabled and self.progress and shown is not None and trainer.state.fn == TrainerFn.FITTING:
            self.progress.update(shown, description="Evaluating samples", visible=True)
            self.refresh(hard=True)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Takes the bar of the validation away, with its word."""
        shown = self.val_progress_bar_id
        if self.is_enabled and self.progress and shown is not None and trainer.state.fn == TrainerFn.FITTING:
            self.progress.update(shown, visible=False)
        super().on_validation_end(trainer, pl_module)

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        """What stands behind the bar: the losses, without the logger's version, which is the run folder's name."""
        metrics: dict[str, Any] = dict(super().get_metrics(trainer, pl_module))
        metrics.pop("v_num", None)
        return metrics
