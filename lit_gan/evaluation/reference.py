"""The real images that metrics compare the samples with, a batch at a time."""

from collections.abc import Iterator
from typing import Any, Literal

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import CombinedLoader
from lightning.pytorch.utilities.seed import isolate_rng
from torch import Tensor

from lit_gan.data.base import InMemoryDataModule
from lit_gan.errors import UserError
from lit_gan.evaluation.generated import rows_per_batch, share_of_rows
from lit_gan.sharding import share_of

Reference = Literal["train", "val", "test"]

# The stage that a data module of the reader's own sets a split up for, and the commands that have done so already.
_STAGES: dict[Reference, tuple[str, tuple[TrainerFn, ...]]] = {
    "train": ("fit", (TrainerFn.FITTING,)),
    "val": ("validate", (TrainerFn.FITTING, TrainerFn.VALIDATING)),
    "test": ("test", (TrainerFn.TESTING,)),
}


def batches_of(images: Tensor, trainer: Trainer) -> Iterator[Tensor]:
    """This rank's part of images, in their order."""
    own = images[share_of_rows(len(images), trainer)]
    size = rows_per_batch(images.shape[1:].numel())
    for start in range(0, len(own), size):
        yield own[start : start + size]


def reference_batches(
    trainer: Trainer, module: LightningModule, split: Reference, *, option: str = "evaluation"
) -> Iterator[Tensor]:
    """This rank's part of a whole split of the data."""
    data: Any = getattr(trainer, "datamodule", None)
    if data is None:
        raise UserError(
            f"{option}.reference = {split}: expected data from a LightningDataModule, got bare loaders: wrap them "
            "in one, or give the metrics to parzen.metrics with parzen.reference = null: then they compare with the "
            "images that are evaluated on."
        )
    if isinstance(data, InMemoryDataModule):
        rows = data.dataset(split)
        own, size = share_of_rows(len(rows), trainer), rows_per_batch(rows.images[0].numel())
        for start in range(own.start, own.stop, size):
            yield rows.convert(rows.images[start : min(start + size, own.stop)])
        return
    yield from _from_loaders(trainer, module, data, split)


def _from_loaders(trainer: Trainer, module: Any, data: Any, split: Reference) -> Iterator[Tensor]:
    stage, ready = _STAGES[split]
    with isolate_rng():  # the order and the augmentation of a training loader draw from global generators
        if trainer.state.fn not in ready:
            data.setup(stage)
        for loader in CombinedLoader(getattr(data, f"{split}_dataloader")(), "sequential").flattened:
            share, seen = share_of(loader, trainer.global_rank, trainer.world_size), 0
            for batch in loader:
                images: Tensor = module.split_batch(batch)[0]
                own = share_of_rows(len(images), trainer)
                if share.world_size > 1:  # dealt out already, with repeats at the end
                    own = slice(len(share.places(seen, len(images))))
                seen += len(images)
                yield images[own].to(torch.get_default_dtype())
