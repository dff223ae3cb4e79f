"""The progress bar of a GAN."""

from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import RichProgressBar


class LossProgressBar(RichProgressBar):
    """Lightning's rich progress bar with both players' losses, redrawn every tenth round.

    A round of a small network takes a millisecond or two, and so does a redraw.

    Args:
        refresh_rate: Rounds between two redraws.
    """

    def __init__(self, refresh_rate: int = 10) -> None:
        super().__init__(refresh_rate=refresh_rate)

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        """What stands behind the bar: the losses, without the logger's version, which is the run folder's name."""
        metrics: dict[str, Any] = dict(super().get_metrics(trainer, pl_module))
        metrics.pop("v_num", None)
        return metrics
