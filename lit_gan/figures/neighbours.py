"""The training example that is nearest to a sample: whether a generator repeats what it has seen."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor

from lit_gan.data.base import InMemoryDataModule
from lit_gan.functional.nearest import nearest_of_parts
from lit_gan.generative import GenerativeModule

_ROWS = 1000  # examples compared at once


class ClosestPairs(NamedTuple):
    """Samples beside the training example that is nearest to each, the most suspicious first.

    Attributes:
        samples: ``(N, C, H, W)``.
        nearest: Of the same shape.
        distances: Euclidean, ``(N,)`` in float64.
        ratios: To the distance of that example to the next other one, ``(N,)``: at most 1 is what
            :class:`lit_gan.metrics.Memorization` counts as a copy. Infinite where the example is there twice.
        copies: Of how many of all samples that is said.
        num: How many these are.
    """

    samples: Tensor
    nearest: Tensor
    distances: Tensor
    ratios: Tensor
    copies: int
    num: int


def closest_pairs(samples: Tensor, batches: Callable[[], Iterator[Tensor]], most: int) -> ClosestPairs:
    """The samples that look the most like copies of training examples.

    A sample is one where its nearest training example has no other training example that is nearer. Exact, and in
    bounded memory: the examples are passed over twice, a batch at a time.

    Args:
        samples: ``(N, C, H, W)``, in the range of the examples.
        batches: Passes over all training examples, ``(n, C, H, W)`` each.
        most: How many pairs.

    Example:
        >>> train = torch.tensor([0.0, 1.0, 10.0])[:, None, None, None]
        >>> found = closest_pairs(torch.tensor([5.0, 0.25])[:, None, None, None], lambda: iter([train]), most=2)
        >>> found.nearest.flatten().tolist(), found.distances.tolist(), found.ratios.tolist(), found.copies
        ([0.0, 1.0], [0.25, 4.0], [0.25, 4.0], 1)
    """
    samples = samples.detach().cpu()
    apart, nearest = nearest_of_parts(samples, batches())
    radii, _ = nearest_of_parts(nearest, batches(), k=2)  # the first of the two is the example itself
    distances, radius = apart[:, 0].sqrt(), radii[:, 1].sqrt()
    ratios = torch.where(distances == 0, 0.0, distances / radius)
    order = ratios.argsort(stable=True)[:most]
    copies = int((apart[:, 0] <= radii[:, 1]).sum())
    return ClosestPairs(samples[order], nearest[order], distances[order], ratios[order], copies, len(samples))


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
