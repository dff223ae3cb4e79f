"""Notices a module whose rounds count more than once: Lightning counts each optimiser's steps."""

from lightning.pytorch import LightningModule
from lightning.pytorch.utilities import rank_zero_warn


class StepCountWarning(UserWarning):
    """What is counted in steps is not what it seems: ``max_steps``, checkpoints, schedules, the loggers' axis."""


class StepCount:
    """Watches ``trainer.global_step`` from batch to batch, and tells once of one that moved it by more than one."""

    def __init__(self) -> None:
        self._before: int | None = None
        self._warned = False

    def begin_batch(self, module: LightningModule) -> None:
        """A batch begins."""
        self._before = module.global_step

    def end_batch(self, module: LightningModule) -> None:
        """A batch has ended; the first one of all has none before it."""
        if self._warned or self._before is None:
            return
        steps = module.global_step - self._before
        if steps > 1:
            self._warned = True
            rank_zero_warn(
                f"{type(module).__name__}.training_step makes {steps} optimiser steps a batch, and Lightning counts "
                f"each: max_steps, checkpoints, schedules and the loggers' axis run {steps} times too fast. Let one "
                "optimiser count, and step each other one, say the discriminator's, by `optimizer = "
                "self.optimizers()[1].optimizer` and `self.trainer.strategy.optimizer_step(optimizer, lambda: None)`.",
                category=StepCountWarning,
            )
