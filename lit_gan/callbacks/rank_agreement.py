"""What the ranks of a training agree on after a round."""

import time
from collections.abc import Sequence

import torch
from lightning.pytorch import Trainer

from lit_gan.engine.lightning_seam import log_interval_of

_AGREE_SECONDS = 1.0  # a signal comes with 30 s of grace at the least (Slurm's KillWait)


class RankAgreement:
    """Flags that each rank raises by itself, read together by all of them, so that all act after the same round.

    One small reduction about every second, and at the least every ``log_every_n_steps`` rounds; on one rank the flags
    themselves, after every round.
    """

    def __init__(self, seconds: float = _AGREE_SECONDS) -> None:
        self._seconds = seconds
        self._interval = self._rounds_left = 1
        self._since = time.monotonic()

    def read(self, trainer: Trainer, flags: Sequence[float]) -> list[float] | None:
        """The largest value that each flag has on any rank."""
        if trainer.world_size == 1:
            return list(flags)
        self._rounds_left -= 1
        if self._rounds_left:
            return None
        pace = (time.monotonic() - self._since) / self._interval
        mine = torch.tensor([pace, *flags], dtype=torch.float64, device=trainer.strategy.root_device)
        pace, *agreed = trainer.strategy.reduce(mine, reduce_op="max").tolist()
        most: int = max(log_interval_of(trainer), 1)
        self._interval = self._rounds_left = min(max(int(self._seconds / max(pace, 1e-6)), 1), most)
        self._since = time.monotonic()
        return agreed
