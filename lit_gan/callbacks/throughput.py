"""How fast a module of players trains."""

import time
from collections.abc import Callable
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from lit_gan.engine.batches import num_rows
from lit_gan.engine.lightning_seam import log_number, row_is_written


class Throughput(Callback):
    """Logs ``perf/images_per_second`` and ``perf/rounds_per_second`` since the last row of rounds that was written.

    Images are the training examples that all ranks together have taken in: k minibatches a round. The time of
    validations does not count; that of checkpoints, grids and loggers does. These are the only numbers of a run that
    are not the same when it is repeated. A module without ``players`` is left alone.

    Args:
        clock: Seconds, from any start on.

    Example:
        >>> callbacks = [Throughput()]  # of a plain Trainer: lit-gan fit and Run have one
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since = self._paused_at = 0.0
        self._images = self._rounds = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The first interval begins."""
        self._begin()

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The clock stops."""
        self._paused_at = self._clock()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The clock goes on."""
        self._since += self._clock() - self._paused_at

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Counts the round, and logs where it is time to."""
        if not hasattr(pl_module, "players"):
            return
        split_batch = getattr(pl_module, "split_batch", None)
        rows = num_rows(batch) if split_batch is None else len(split_batch(batch)[0])
        self._images += rows * trainer.world_size
        self._rounds += 1
        seconds = self._clock() - self._since
        if seconds > 0 and row_is_written(trainer, trainer.global_step):
            for name, count in {"images": self._images, "rounds": self._rounds}.items():
                log_number(pl_module, f"perf/{name}_per_second", torch.tensor(count / seconds))
            self._begin()

    def _begin(self) -> None:
        self._since, self._images, self._rounds = self._clock(), 0, 0
