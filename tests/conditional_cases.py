"""A conditional GAN under vectors, on images of 2 x 2, and its trainings; its G has a mixture whose centres learn."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from inference_cases import Images
from tiny_gan import sgd, trainer
from torch import Tensor

from lit_gan.callbacks import RunCheckpoint
from lit_gan.coordination import FixedSteps
from lit_gan.extensions.conditional import ConditionalGAN
from lit_gan.latents import Normal
from lit_gan.networks import MaxoutDiscriminator, MixtureMLPGenerator
from lit_gan.randomness import stream

SHAPE = (1, 2, 2)


def small(cls: type[ConditionalGAN] = ConditionalGAN) -> ConditionalGAN:
    torch.manual_seed(0)
    generator = MixtureMLPGenerator(SHAPE, 3, 4, hidden=(6,), condition_size=3, weight_init=0.5)
    discriminator = MaxoutDiscriminator(
        SHAPE, hidden=(5,), condition_size=3, weight_init=0.5, input_keep=1, hidden_keep=1
    )
    players = {"optimizer_g": sgd(0.1, 0.5), "optimizer_d": sgd(0.1, 0.5)}
    return cls(generator, discriminator, latent=Normal(), coordination=FixedSteps(2), **players)


class Pairs(Images):
    """Images and vectors, two minibatches a round, or one rank's share of them."""

    def __iter__(self) -> Iterator[list[Tensor]]:
        first, self.done = self.done, 0
        rows = slice(None) if self.rank is None else slice(4 * self.rank, 4 * self.rank + 4)
        for index in range(first, self.rounds):
            self.done = index + 1
            draw = stream(3, "pairs", index)
            sizes = SHAPE, (3,)
            yield [
                torch.rand(2, 8, *size, generator=draw, dtype=torch.float64)[:, rows].flatten(0, 1) for size in sizes
            ]
        self.done = 0


class FedConditional(ConditionalGAN):
    """Latents of two ranks: each its own, or one process both."""

    def draw_latents(self, num: int, purpose: str, *position: int) -> Tensor:
        ranks = range(2) if self.trainer.world_size == 1 else [self.global_rank]
        parts = [
            self.latent.sample(num // len(ranks), generator=stream(0, purpose, *position, rank), dtype=self.dtype)
            for rank in ranks
        ]
        return torch.cat(parts)


def on_both(rank: int | None) -> dict[str, Any]:
    """The weights after six rounds of whole batches, or of this rank's half of each, and the conditions kept."""
    module = small(FedConditional)
    options: dict[str, Any] = {} if rank is None else {"strategy": "ddp_gan", "devices": 2}
    trainer(max_epochs=1, use_distributed_sampler=False, **options).fit(module, Pairs(rank))
    return dict(module.state_dict())


def checkpointed(folder: Path, rounds: int, **kwargs: Any) -> ConditionalGAN:
    """A training whose last checkpoint is in a folder."""
    keeper = RunCheckpoint(folder, save_top_k=0, save_last=True, enable_version_counter=False, every_n_train_steps=1)
    module = small()
    trainer(max_steps=rounds, callbacks=[keeper], enable_checkpointing=True).fit(module, Pairs(), **kwargs)
    return module
