"""A semi-supervised GAN on images of 2 x 2 in three classes, and its trainings."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from tiny_gan import sgd, trainer
from torch import Tensor

from lit_gan.callbacks import DiscriminatorEMA, RunCheckpoint
from lit_gan.coordination import FixedSteps
from lit_gan.data.base import InMemoryDataModule, Split
from lit_gan.data.dataset import ImageDataset
from lit_gan.data.scaling import LinearScaling
from lit_gan.extensions.few_labels import draw_labelled_rows
from lit_gan.extensions.semi_supervised import SemiSupervisedGAN
from lit_gan.networks import MLPGenerator, NoisyMLPDiscriminator
from lit_gan.randomness import stream

SHAPE = (1, 2, 2)


class Blots(InMemoryDataModule):
    """60 images of three classes, each bright in another place, in float64; labels may be given."""

    image_shape, num_classes, value_range = SHAPE, 3, (0.0, 1.0)

    def __init__(self, labels: Tensor | None = None, num_classes: int = 3) -> None:
        super().__init__(batch_size=6, eval_batch_size=25)
        self.num_classes = num_classes
        self._labels = labels

    def load(self) -> Mapping[Split, ImageDataset]:
        labels = torch.arange(60) % 3
        levels = torch.randint(100, (60, *SHAPE), generator=stream(5, "blots"))
        levels.flatten(1)[torch.arange(60), labels] += 150
        shown = labels if self._labels is None else self._labels
        scaling = LinearScaling(255)

        def rows(labels: Tensor) -> ImageDataset:
            given = labels if self.num_classes else None
            return ImageDataset(levels.to(torch.uint8), given, lambda images: scaling(images).double())

        return {"train": rows(shown), "val": rows(labels), "test": rows(labels)}


def small(cls: type[SemiSupervisedGAN] = SemiSupervisedGAN, noise: float = 0.1, **kwargs: Any) -> SemiSupervisedGAN:
    torch.manual_seed(0)
    generator = MLPGenerator(SHAPE, latent_size=3, hidden=(5,), weight_init=0.5)
    discriminator = NoisyMLPDiscriminator(SHAPE, 3, (8,), noise, noise)
    options = {"optimizer_g": sgd(0.05, 0.5), "optimizer_d": sgd(0.05, 0.5), "num_labels": 6, **kwargs}
    return cls(generator, discriminator, 3, **options)


class FedSemiSupervised(SemiSupervisedGAN):
    """Latents of two ranks: each its own, or one process both."""

    def draw_latents(self, num: int, purpose: str, *position: int) -> Tensor:
        ranks = range(2) if self.trainer.world_size == 1 else [self.global_rank]
        parts = [
            self.latent.sample(num // len(ranks), generator=stream(0, purpose, *position, rank), dtype=self.dtype)
            for rank in ranks
        ]
        return torch.cat(parts)


class Rounds:
    """Six batches of three minibatches, whole or one rank's half of each."""

    def __init__(self, images: Tensor, rank: int | None = None) -> None:
        self.images, self.rank = images, rank

    def __len__(self) -> int:
        return 6

    def __iter__(self) -> Iterator[Tensor]:
        for index in range(6):
            rows = torch.randint(len(self.images), (3, 8), generator=stream(6, "rows", index))
            own = rows if self.rank is None else rows[:, 4 * self.rank : 4 * self.rank + 4]
            yield self.images[own.flatten()]


class Shared(Blots):
    """Batches of a whole round, or one rank's half of each of its minibatches."""

    def train_dataloader(self) -> Any:
        return Rounds(self.images("train"), None if self.trainer.world_size == 1 else self.trainer.global_rank)


def on_both(rank: int | None) -> dict[str, Any]:
    """The weights after six rounds with two steps of D, its average, and what a validation logs; without noise."""
    module = small(FedSemiSupervised, noise=0, coordination=FixedSteps(2))
    options: dict[str, Any] = {} if rank is None else {"strategy": "ddp_gan", "devices": 2}
    fit = trainer(max_epochs=1, callbacks=[DiscriminatorEMA(horizon=0.3)], use_distributed_sampler=False, **options)
    fit.fit(module, datamodule=Shared())
    held_out = {name: value for name, value in fit.callback_metrics.items() if name.startswith("val/")}
    average = {f"average {name}": value for name, value in (module.discriminator_average or {}).items()}
    return {**module.state_dict(), **held_out, **average}


def checkpointed(folder: Path, rounds: int, **kwargs: Any) -> SemiSupervisedGAN:
    """A training of ten rounds an epoch at most, whose last checkpoint is in a folder."""
    keeper = RunCheckpoint(folder, save_top_k=0, save_last=True, enable_version_counter=False, every_n_train_steps=1)
    module = small()
    callbacks = [keeper, DiscriminatorEMA(decay=0.9)]
    fit = trainer(max_steps=rounds, callbacks=callbacks, enable_checkpointing=True)
    fit.fit(module, datamodule=Blots(), **kwargs)
    return module


def scrambled(labels: Tensor, num: int, num_classes: int, label_seed: int) -> Tensor:
    """Other labels for all that are not drawn, under which the same are: any whose class has its share by then."""
    rows = draw_labelled_rows(labels, num, num_classes, label_seed).tolist()
    chosen, counts = set(rows), labels[rows].bincount(minlength=num_classes)
    order = torch.randperm(len(labels), generator=stream(label_seed, "labelled examples")).tolist()
    scrambled, full, rng = labels.clone(), [], torch.Generator().manual_seed(1)
    for row in order:
        if row in chosen:
            counts[labels[row]] -= 1
            full = [label for label in range(num_classes) if not counts[label]]
        else:
            scrambled[row] = full[int(torch.randint(len(full), (), generator=rng))]
    return scrambled
