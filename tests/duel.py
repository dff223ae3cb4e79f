"""A module of the reader's own: one generator and two discriminators, each with a loss of its own."""

from typing import Any

import torch
from tiny_gan import sgd
from torch import Tensor, nn

from lit_gan import RoundModule
from lit_gan.schedules import Schedule


class Vocoder(RoundModule):
    """A generator heard by two critics: one of the samples, one of their pairwise means."""

    def __init__(
        self,
        sgd_of: Any = sgd,
        schedules: tuple[Schedule, ...] = (),
        clip: float | None = None,
        dropout: float = 0.25,
    ) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.generator = nn.Sequential(nn.Linear(2, 8), nn.Dropout(dropout), nn.Linear(8, 4))
        self.fine, self.coarse = nn.Linear(4, 1), nn.Linear(2, 1)
        self.add_player("generator", self.generator, sgd_of(0.1, 0.5), schedules, clip)
        self.add_player("fine", self.fine, sgd_of(0.05, 0.5))
        self.add_player("coarse", self.coarse, sgd_of(0.02, 0.5))
        self.heard: list[list[str]] = []

    def training_step(self, batch: Any, batch_idx: int) -> None:
        z, x = batch
        with self.round():
            y = self.generator(z).detach()
            for name in ("fine", "coarse"):
                with self.turn(name):
                    loss = ((self._hear(name, x) - 1) ** 2).mean() + (self._hear(name, y) ** 2).mean()
                    self.manual_backward(loss)
                self.log(f"train/loss_{name}", loss.detach())
            with self.turn("generator"):
                made = self.generator(z)
                self.manual_backward(sum(((self._hear(name, made) - 1) ** 2).mean() for name in ("fine", "coarse")))

    def _hear(self, name: str, x: Tensor) -> Tensor:
        return self.fine(x) if name == "fine" else self.coarse(x.unflatten(1, (2, 2)).mean(2))
