"""What the terminal says while an evaluation takes its time and the bar of the training stands still."""

import time
from collections.abc import Callable

from lightning.pytorch import LightningModule, Trainer

from lit_gan.callbacks.progress import LossProgressBar

_PATIENCE = 2.0  # seconds


class EvaluationNotice:
    """A word on the bar, and once a line where an evaluation takes longer than a moment.

    Args:
        clock: Seconds, from any start on.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begin = 0.0
        self._said = False
        self._say: Callable[[], None] = lambda: None

    def begin(self, trainer: Trainer, module: LightningModule, num: int) -> None:
        """An evaluation begins.

        Args:
            trainer: Whose bar shows it.
            module: Prints on the first rank, beside a bar.
            num: How many samples are drawn.
        """
        self._begin = self._clock()
        bar = trainer.progress_bar_callback
        if isinstance(bar, LossProgressBar):
            bar.show_evaluation(trainer)
        fewer = "--parzen.num_samples N for fewer"
        rarer = ", --trainer.check_val_every_n_epoch N for rarer" if trainer.training or trainer.validating else ""
        self._say = lambda: module.print(f"lit-gan: evaluating on {num:,} samples ({fewer}{rarer}).")

    def tick(self) -> None:
        """Says the line where it is time to; no evaluation says it again."""
        if not self._said and self._clock() - self._begin > _PATIENCE:
            self._said = True
            self._say()
