"""The checkpoint that a run goes on from."""

from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor


class RunCheckpoint(ModelCheckpoint):
    """Lightning's ModelCheckpoint whose ``last.ckpt`` is the last one, whatever else is kept.

    Lightning 2.6 writes ``last.ckpt`` only beside one of the best checkpoints (never with ``save_top_k=0``), and at
    the end of training only where none was ever written. Here it is written whenever a checkpoint is due and at the
    end, once per round.

    Args:
        *args: As ModelCheckpoint's.
        **kwargs: As ModelCheckpoint's.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._last_written_after: int | None = None

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Writes the weights that training ended with."""
        if not trainer.fast_dev_run:  # type: ignore[attr-defined]  # set where a type checker does not see it
            self._save_last_checkpoint(trainer, self._monitor_candidates(trainer))

    def _save_topk_checkpoint(self, trainer: Trainer, monitor_candidates: dict[str, Tensor]) -> None:
        super()._save_topk_checkpoint(trainer, monitor_candidates)
        self._save_last_checkpoint(trainer, monitor_candidates)

    def _save_last_checkpoint(self, trainer: Trainer, monitor_candidates: dict[str, Tensor]) -> None:
        if self._last_written_after != trainer.global_step:
            super()._save_last_checkpoint(trainer, monitor_candidates)
            self._last_written_after = trainer.global_step
