"""A generator small enough to be inverted by hand, and the trainings of its inference network."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from tiny_gan import sgd, trainer
from torch import Tensor, nn

from lit_gan.callbacks import RunCheckpoint
from lit_gan.extensions.inference import InferenceNetwork
from lit_gan.latents import Latent, Normal
from lit_gan.randomness import stream


class Scale(nn.Module):
    """G(z) = 2 z, on images of one pixel for each coordinate."""

    latent_size = 2

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(2.0))

    def forward(self, z: Tensor) -> Tensor:
        return (self.scale * z)[:, None, None, :]


class Linear(nn.Module):
    """E(x) = w x."""

    def __init__(self, w: float = 0.1) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor(w))

    def forward(self, x: Tensor) -> Tensor:
        return self.w * x.flatten(1)


class Pairs(nn.Module):
    """D(x, z) = a x_0 + b z_0, as a logit, of the first coordinates."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Parameter(torch.tensor(0.3)), nn.Parameter(torch.tensor(-0.2))

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        return self.a * x.flatten(1)[:, :1] + self.b * z[:, :1]


def joint(**kwargs: Any) -> Any:
    """The game of pairs, in which G learns, too."""
    return small(**{"discriminator": Pairs(), "optimizer_d": sgd(0.1), "optimizer_g": sgd(0.1), **kwargs})


def small(latent: Latent | None = None, cls: type[InferenceNetwork] = InferenceNetwork, **kwargs: Any) -> Any:
    return cls(Linear(), Scale(), latent or Normal(2), **{"optimizer_e": sgd(0.1, 0.5), **kwargs})


class Images:
    """Real images, or one rank's share of them; it goes on in the middle of an epoch."""

    def __init__(self, rank: int | None = None, rounds: int = 6) -> None:
        self.rank, self.rounds, self.done = rank, rounds, 0

    def __len__(self) -> int:
        return self.rounds

    def __iter__(self) -> Iterator[Tensor]:
        first, self.done = self.done, 0
        rows = slice(None) if self.rank is None else slice(4 * self.rank, 4 * self.rank + 4)
        for index in range(first, self.rounds):
            self.done = index + 1
            yield torch.randn(8, 1, 1, 2, generator=stream(3, "images", index), dtype=torch.float64)[rows]
        self.done = 0

    def state_dict(self) -> dict[str, int]:
        return {"done": self.done}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.done = state["done"]


class FedInference(InferenceNetwork):
    """Latents of two ranks: each its own, or one process both."""

    def draw_latents(self, num: int, purpose: str, *position: int) -> Tensor:
        ranks = range(2) if self.trainer.world_size == 1 else [self.global_rank]
        parts = [
            self.latent.sample(num // len(ranks), generator=stream(0, purpose, *position, rank), dtype=torch.float64)
            for rank in ranks
        ]
        return torch.cat(parts)


def on_both(rank: int | None) -> dict[str, Any]:
    """The weights after six rounds of whole batches, or of this rank's half of each; and what a validation logs."""
    of_pairs = joint(cls=FedInference, image_weight=0.5)
    _train(of_pairs, rank)
    module = small(cls=FedInference, image_weight=0.5)
    fit = _train(module, rank)
    held_out = {name: value for name, value in fit.callback_metrics.items() if name.startswith("val/")}
    return {"weight": module.encoder.w.detach(), **of_pairs.state_dict(), **held_out}


def _train(module: InferenceNetwork, rank: int | None) -> Any:
    options: dict[str, Any] = {} if rank is None else {"strategy": "ddp_gan", "devices": 2}
    fit = trainer(max_epochs=1, use_distributed_sampler=False, **options)
    fit.fit(module, Images(rank), _Dealt(rank))
    return fit


class _Dealt(Images):
    """Held-out images, of which each rank sees every second one."""

    def __iter__(self) -> Iterator[Tensor]:
        images = torch.rand(8, 1, 1, 2, generator=stream(3, "held out"), dtype=torch.float64)
        yield images if self.rank is None else images[self.rank :: 2]

    def __len__(self) -> int:
        return 1


def checkpointed(folder: Path, rounds: int, build: Callable[..., Any] = small, **kwargs: Any) -> Any:
    """A training whose last checkpoint is in a folder."""
    keeper = RunCheckpoint(folder, save_top_k=0, save_last=True, enable_version_counter=False, every_n_train_steps=1)
    module = build(image_weight=0.5)
    trainer(max_steps=rounds, callbacks=[keeper], enable_checkpointing=True).fit(module, Images(), **kwargs)
    return module
