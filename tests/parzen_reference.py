"""The Parzen log-likelihood as its formula reads: float64, direct differences, no shortcut."""

import math

import torch
from torch import Tensor


def reference_log_likelihood(x: Tensor, centres: Tensor, sigma: float) -> Tensor:
    x, centres = x.flatten(1).double(), centres.flatten(1).double()
    sums = [torch.logsumexp((row - centres).square().sum(1) / (-2 * sigma**2), 0) for row in x]
    volume = x.shape[1] * (math.log(sigma) + 0.5 * math.log(2 * math.pi))
    return torch.stack(sums) - math.log(centres.shape[0]) - volume


def image_like(num: int, depth: int = 64, seed: int = 0, rank: int = 6) -> Tensor:
    """Rows in [0, 1] near a manifold of low dimension, the same manifold for every seed."""
    basis = torch.rand(rank, depth, generator=torch.Generator().manual_seed(99))
    generator = torch.Generator().manual_seed(seed)
    rows = torch.rand(num, rank, generator=generator) @ basis / rank * 2
    return (rows + 0.02 * torch.randn(num, depth, generator=generator)).clamp(0, 1)
