"""Walks through latent space: the images on the way from one latent to another."""

import torch
from torch import Tensor

from lit_gan.generative import GenerativeModule
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
