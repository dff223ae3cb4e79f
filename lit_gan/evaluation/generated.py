"""The samples of an evaluation, a batch at a time and never held whole: the same ones for any number of ranks."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

import torch
from lightning.pytorch import Trainer
from torch import Tensor

from lit_gan.generative import GenerativeModule
from lit_gan.randomness import stream

_BLOCK = 1000  # samples that one stream of random numbers gives
# Of all images of a batch together: a thousand of CIFAR-10. What G holds on its way there is some ten times as much.
_VALUES_PER_BATCH = 3_200_000


class Measurement(Protocol):
    """What takes samples in, a batch at a time, and has numbers in the end; it has begun when it is handed out."""

    @property
    def num(self) -> int:
        """How many samples it wants, over all ranks."""

    def take(self, samples: Tensor, condition: Tensor | None = None) -> None:
        """Takes in a batch ``(n, C, H, W)`` in data space, and the condition of each, where there are any."""

    def results(self) -> Mapping[str, Tensor]:
        """The numbers by name, the same on every rank."""


def rows_per_batch(num_values: int) -> int:
    """How many images of so many values are worked on at a time.

    Example:
        >>> rows_per_batch(28 * 28), rows_per_batch(3 * 32 * 32), rows_per_batch(3 * 128 * 128)
        (1000, 1000, 65)
    """
    return max(1, min(_BLOCK, _VALUES_PER_BATCH // max(num_values, 1)))


def share_of_rows(num: int, trainer: Trainer) -> slice:
    """This rank's part of a list; those of all ranks, one after the other, are the list in its order."""
    rank, world_size = trainer.global_rank, trainer.world_size
    return slice(num * rank // world_size, num * (rank + 1) // world_size)


def draw(
    measurements: Sequence[Measurement], module: GenerativeModule, trainer: Trainer, tick: Callable[[], None]
) -> bool:
    """Hands each measurement its samples, a batch at a time; those that want as many share them."""
    num_values = module.sample_data(1, rng=0).numel()
    finite = True
    for num in sorted({measurement.num for measurement in measurements}):
        for batch, condition in sample_batches(module, num, num_values, share_of_rows(num, trainer)):
            finite = finite and bool(batch.isfinite().all())
            for measurement in [each for each in measurements if each.num == num and finite]:
                measurement.take(batch, condition)
            tick()
    return finite


@torch.no_grad()
def sample_batches(
    module: GenerativeModule, num: int, num_values: int, own: slice
) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Samples of the evaluations, which are a function of the run's seed alone, with their conditions.

    Args:
        module: Which draws them.
        num: How many there are in all.
        num_values: How many values each of them has.
        own: Those that are wanted.
    """
    rows = rows_per_batch(num_values)
    for block, start in enumerate(range(0, num, _BLOCK)):
        size = min(_BLOCK, num - start)
        condition = module.sample_condition(size)
        for begin in range(0, size, rows):
            part = slice(begin, min(begin + rows, size))
            first, last = (min(max(edge - start, part.start), part.stop) for edge in (own.start, own.stop))
            if first < last:
                # Whole parts, also for some rows of one: a sample's roundings change with the shape of its batch.
                conditions = None if condition is None else condition[part]
                drawn = _part_of_block(module, block, size, part, conditions)
                own_rows = slice(first - part.start, last - part.start)
                yield drawn[own_rows], None if conditions is None else conditions[own_rows]


def _part_of_block(module: GenerativeModule, block: int, size: int, part: slice, condition: Tensor | None) -> Tensor:
    """A whole block has one stream, its parts one each."""
    num = part.stop - part.start
    place = (block,) if num == size else (block, part.start)
    return module.sample_data(num, rng=stream(module.seed, "parzen", *place), condition=condition)
