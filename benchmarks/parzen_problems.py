"""Data for the Parzen benchmark: real MNIST where it is at hand, and varied digits of scikit-learn."""

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

_SHAPES = {784: (1, 28), 2304: (1, 48), 3072: (3, 32)}


@dataclass(frozen=True)
class Problem:
    """The full protocol on one data set: choose sigma on ``val``, score ``test``."""

    name: str
    val: Tensor
    test: Tensor
    centres: Tensor


def mnist(root: Path, num_val: int, num_test: int, num_centres: int) -> Problem:
    """Real MNIST, the training images themselves as centres: 241.19 +- 2.13 nats at sigma .1668 in full size.

    Args:
        root: The folder that torchvision calls root, with ``MNIST/raw/*-ubyte.gz`` below it.
        num_val: From the last 10,000 training images.
        num_test: From the test images.
        num_centres: From the first training images.

    Returns:
        The problem.
    """
    train, test = (_read_idx(root / "MNIST" / "raw" / f"{n}-images-idx3-ubyte.gz") for n in ("train", "t10k"))
    val = train[50_000 : 50_000 + num_val]
    return Problem("MNIST, D = 784", val, test[:num_test], train[:num_centres])


def _read_idx(file: Path) -> Tensor:
    pixels = np.frombuffer(gzip.decompress(file.read_bytes()), np.uint8, offset=16)
    return torch.from_numpy(pixels.reshape(-1, 784).copy()).float() / 255


def digits(depth: int, num_val: int, num_test: int, num_centres: int) -> Problem:
    """Digits of scikit-learn, each turned, shifted and scaled at random to images of ``depth`` values.

    Args:
        depth: 784, 2304 or 3072 (in three colours).
        num_val: Number of validation rows.
        num_test: Number of test rows.
        num_centres: Number of centres.

    Returns:
        The problem; always the same.
    """
    generator = torch.Generator().manual_seed(depth)
    originals = torch.from_numpy(load_digits().images).float()[:, None] / 16
    channels, side = _SHAPES[depth]
    parts = []
    for start in range(0, num_val + num_test + num_centres, 1000):
        num = min(1000, num_val + num_test + num_centres - start)
        chosen = originals[torch.randint(0, originals.shape[0], (num,), generator=generator)]
        angle = 0.3 * torch.randn(num, generator=generator)
        scale = 1 + 0.1 * torch.randn(num, generator=generator)
        shift = 0.1 * torch.randn(num, 2, 1, generator=generator)
        turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], 1).view(num, 2, 2)
        grid = affine_grid(torch.cat([turn * scale[:, None, None], shift], 2), [num, 1, side, side], False)
        images = grid_sample(chosen, grid, align_corners=False)
        colours = torch.rand(num, channels, 1, 1, generator=generator) if channels > 1 else torch.ones(num, 1, 1, 1)
        noisy = images * colours + 0.02 * torch.rand(num, channels, side, side, generator=generator)
        parts.append(noisy.clamp(0, 1).flatten(1))
    val, test, centres = torch.split(torch.cat(parts), [num_val, num_test, num_centres])
    return Problem(f"digits, D = {depth}", val, test, centres)
