"""An inpainting GAN on images of 4 x 4, and its trainings."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from inference_cases import Images
from tiny_gan import sgd, trainer
from torch import Tensor

from lit_gan.callbacks import RunCheckpoint
from lit_gan.coordination import FixedSteps
from lit_gan.extensions.inpainting import InpaintingGAN
from lit_gan.networks import MaxoutDiscriminator, MLPGenerator
from lit_gan.penalties import R1
from lit_gan.randomness import stream

SHAPE = (1, 4, 4)


def small(cls: type[InpaintingGAN] = InpaintingGAN, **kwargs: Any) -> InpaintingGAN:
    torch.manual_seed(0)
    generator = MLPGenerator(SHAPE, latent_size=3, hidden=(8,), condition_size=32, weight_init=0.5)
    discriminator = MaxoutDiscriminator(
        SHAPE, hidden=(6,), condition_size=16, weight_init=0.5, input_keep=1, hidden_keep=1
    )
    return cls(generator, discriminator, **{"optimizer_g": sgd(0.1, 0.5), "optimizer_d": sgd(0.1, 0.5), **kwargs})


class Squares(Images):
    """Images in [0, 1], two minibatches a round, or one rank's share of them."""

    def __iter__(self) -> Iterator[Tensor]:
        first, self.done = self.done, 0
        rows = slice(None) if self.rank is None else slice(4 * self.rank, 4 * self.rank + 4)
        for index in range(first, self.rounds):
            self.done = index + 1
            minibatches = torch.rand(2, 8, *SHAPE, generator=stream(3, "squares", index), dtype=torch.float64)
            yield minibatches[:, rows].flatten(0, 1)
        self.done = 0


class HeldOut(Squares):
    """Held-out images in batches of so many, or those of one rank, which sees every second one."""

    def __init__(self, rank: int | None = None, batch_size: int = 6) -> None:
        super().__init__(rank)
        self.batch_size = batch_size

    def __len__(self) -> int:
        return len(self._batches())

    def __iter__(self) -> Iterator[Tensor]:
        return iter(self._batches())

    def _batches(self) -> list[Tensor]:
        images = torch.rand(12, *SHAPE, generator=stream(3, "held out"), dtype=torch.float64)
        return list((images if self.rank is None else images[self.rank :: 2]).split(self.batch_size))


class FedInpainting(InpaintingGAN):
    """Latents and masks of two ranks: each its own, or one process both."""

    def draw_latents(self, num: int, purpose: str, *position: int) -> Tensor:
        parts = [
            self.latent.sample(num // len(self._ranks), generator=stream(0, purpose, *position, rank), dtype=self.dtype)
            for rank in self._ranks
        ]
        return torch.cat(parts)

    def _drawn_masks(self, x: Tensor) -> Tensor:
        if self._passing is not None:
            return super()._drawn_masks(x)
        k, ranks = self.minibatches_per_round, self._ranks
        each = len(x) // k // len(ranks)
        drawn = [
            self.masks.draw(k * each, 4, 4, stream(0, "masks", self.global_step, rank)).unflatten(0, (k, each))
            for rank in ranks
        ]
        return torch.cat(drawn, dim=1).flatten(0, 1)

    @property
    def _ranks(self) -> list[int]:
        return [0, 1] if self.trainer.world_size == 1 else [self.global_rank]


def on_both(rank: int | None) -> dict[str, Any]:
    """The weights after six rounds of whole batches, or of this rank's half of each; and what a validation logs."""
    module = small(FedInpainting, coordination=FixedSteps(2), penalties=[R1(0.1)])
    options: dict[str, Any] = {} if rank is None else {"strategy": "ddp_gan", "devices": 2}
    fit = trainer(max_epochs=1, use_distributed_sampler=False, **options)
    fit.fit(module, Squares(rank), HeldOut(rank))
    held_out = {name: value for name, value in fit.callback_metrics.items() if name.startswith("val/")}
    return {**module.state_dict(), **held_out}


def checkpointed(folder: Path, rounds: int, **kwargs: Any) -> InpaintingGAN:
    """A training whose last checkpoint is in a folder."""
    keeper = RunCheckpoint(folder, save_top_k=0, save_last=True, enable_version_counter=False, every_n_train_steps=1)
    module = small(coordination=FixedSteps(2), diversity_weight=0.1)
    trainer(max_steps=rounds, callbacks=[keeper], enable_checkpointing=True).fit(module, Squares(), **kwargs)
    return module
