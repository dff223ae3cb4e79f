"""The training example that is nearest to a sample: whether a generator repeats what it has seen."""

from collections.abc import Iterator
from typing import Any

import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor

from lit_gan.data.base import InMemoryDataModule
from lit_gan.generative import GenerativeModule

_ROWS = 1000  # examples compared at once


def nearest_examples(samples: Tensor, batches: Iterator[Tensor]) -> Tensor:
    """The nearest training example of each sample by Euclidean distance between pixels; of equals the first.

    By differences in float64, so that no rounding chooses.

    Args:
        samples: ``(N, C, H, W)`` in data space.
        batches: All training examples, ``(n, C, H, W)`` each.

    Returns:
        A tensor of the samples' shape.

    Example:
        >>> train = torch.tensor([0.0, 1.0, 5.0])[:, None, None, None]
        >>> nearest_examples(torch.tensor([3.2, 0.4])[:, None, None, None], iter([train[:2], train[2:]])).flatten()
        tensor([5., 0.])
    """
    rows = samples.detach().cpu().flatten(1).double()
    found, least = torch.empty_like(samples.detach().cpu()), torch.full((len(rows),), torch.inf, dtype=torch.float64)
    for batch in batches:
        others = batch.detach().cpu()
        apart = torch.cdist(rows, others.flatten(1).double(), compute_mode="donot_use_mm_for_euclid_dist")
        nearest, place = apart.min(dim=1)
        better = nearest < least
        found[better] = others[place[better]].to(found.dtype)
        least = torch.minimum(least, nearest)
    return found


def training_batches(module: GenerativeModule, data: LightningDataModule) -> Iterator[Tensor]:
    """All training examples, a batch at a time: in their order where the data are in memory."""
    if isinstance(data, InMemoryDataModule):
        dataset = data.dataset("train")
        for start in range(0, len(dataset), _ROWS):
            yield dataset.convert(dataset.images[start : start + _ROWS])
        return
    data.prepare_data()
    data.setup("fit")
    taken: Any = module
    for batch in data.train_dataloader():
        yield taken.split_batch(batch)[0]
