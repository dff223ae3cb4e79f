"""Walks through latent space: the images on the way from one latent to another, and round trips as films."""

from collections.abc import Iterator

import torch
from torch import Tensor

from lit_gan.generative import GenerativeModule
from lit_gan.latents import Latent
from lit_gan.randomness import stream


def walks(module: GenerativeModule, rows: int, steps: int, condition: Tensor | None) -> Tensor:
    """The images of walks between latents that are a function of the run's seed alone.

    Args:
        module: Whose generator.
        rows: How many walks.
        steps: Images in each, both ends included.
        condition: One for each walk, or ``None``.

    Returns:
        A tensor ``(rows * steps, C, H, W)`` in [0, 1], row after row.
    """
    ends = module.latent.sample(2 * rows, generator=stream(module.seed, "interpolation"))
    fractions = torch.linspace(0, 1, steps, dtype=ends.dtype)
    found = [module.latent.between(start, end, fractions) for start, end in ends.view(rows, 2, -1)]
    each = None if condition is None else condition.repeat_interleave(steps, dim=0)
    return module.decode(torch.cat(found), each)


def round_trips(
    module: GenerativeModule, latent: Latent, stops: Tensor, steps: int, condition: Tensor | None
) -> Iterator[Tensor]:
    """The images of walks that go from stop to stop and back to the first, all at the same pace.

    Args:
        module: Whose generator.
        latent: How it goes from one latent to another.
        stops: ``(N, number of stops, latent_size)``.
        steps: Images from each stop to the next.
        condition: One for each walk, or ``None``.

    Yields:
        For each moment a tensor ``(N, C, H, W)`` in [0, 1].
    """
    fractions = torch.arange(steps, dtype=stops.dtype) / steps
    for leg in range(stops.shape[1]):
        ends = zip(stops[:, leg], stops[:, (leg + 1) % stops.shape[1]], strict=True)
        ways = torch.stack([latent.between(start, end, fractions) for start, end in ends])
        yield from (module.decode(ways[:, step], condition) for step in range(steps))
