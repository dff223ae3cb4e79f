"""The ways to compute a Parzen log-likelihood that the benchmark compares; each takes all widths at once."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial.distance import cdist
from scipy.special import logsumexp
from sklearn.neighbors import KernelDensity
from torch import Tensor

from lit_gan.functional.parzen_dense import DenseSums

# (rows, D), (centres, D), S widths -> (rows, S) in nats.
Evaluate = Callable[[Tensor, Tensor, Sequence[float]], Tensor]


@dataclass(frozen=True)
class Competitor:
    """A way to compute the log-likelihood.

    Attributes:
        name: As the table shows it.
        evaluate: The way.
        rows: On how many rows it is timed; its time on all of them is extrapolated. None: on all.
    """

    name: str
    evaluate: Evaluate
    rows: int | None


def log_volume(centres: Tensor, sigma: float) -> float:
    """``log N + D log(sigma sqrt(2 pi))``."""
    return math.log(centres.shape[0]) + centres.shape[1] * (math.log(sigma) + 0.5 * math.log(2 * math.pi))


def numpy_2014(x: Tensor, centres: Tensor, sigmas: Sequence[float]) -> Tensor:
    """The algorithm of the authors' parzen_ll.py: differences of every pair, for every sigma, in float32."""
    rows, mu = x.numpy(), centres.numpy()
    columns = []
    for sigma in sigmas:
        parts = []
        for start in range(0, rows.shape[0], 10):
            a = (rows[start : start + 10, None, :] - mu[None]) / np.float32(sigma)
            e = -0.5 * (a**2).sum(2)
            top = e.max(1)
            parts.append(top + np.log(np.exp(e - top[:, None]).sum(1)) - log_volume(centres, sigma))
        columns.append(np.concatenate(parts))
    return torch.from_numpy(np.stack(columns, 1)).double()


class KernelDensities:
    """scikit-learn's estimator; the tree is built once and not timed, which is generous.

    Args:
        whole: Whether to put all centres into one leaf, which is brute force. The default trees are wrong by
            hundreds of nats at these dimensions.
    """

    def __init__(self, *, whole: bool) -> None:
        self._whole = whole
        self._centres: Tensor | None = None
        self._model = KernelDensity()

    def __call__(self, x: Tensor, centres: Tensor, sigmas: Sequence[float]) -> Tensor:
        """The log-likelihoods."""
        if centres is not self._centres:
            leaf = {"leaf_size": centres.shape[0]} if self._whole else {}
            self._centres, self._model = centres, KernelDensity(**leaf).fit(centres.numpy())
        columns = []
        for sigma in sigmas:
            self._model.bandwidth_ = sigma
            columns.append(self._model.score_samples(x.numpy()))
        return torch.from_numpy(np.stack(columns, 1))


def scipy_cdist(x: Tensor, centres: Tensor, sigmas: Sequence[float]) -> Tensor:
    """SciPy's distances and logsumexp, in float64; distances once for all widths."""
    d = cdist(x.numpy(), centres.numpy(), "sqeuclidean")
    columns = [logsumexp(-d / (2 * s**2), axis=1) - log_volume(centres, s) for s in sigmas]
    return torch.from_numpy(np.stack(columns, 1))


def torch_cdist(x: Tensor, centres: Tensor, sigmas: Sequence[float]) -> Tensor:
    """``torch.cdist`` and ``logsumexp``; distances once for all widths."""
    d = torch.cdist(x, centres).square()
    columns = [torch.logsumexp(d / (-2 * s**2), 1).double() - log_volume(centres, s) for s in sigmas]
    return torch.stack(columns, 1)


def naive_gemm(x: Tensor, centres: Tensor, sigmas: Sequence[float]) -> Tensor:
    """``|x|^2 + |m|^2 - 2 x.m`` as it is usually written; distances once for all widths."""
    d = x.square().sum(1, keepdim=True) + centres.square().sum(1) - 2 * x @ centres.T
    columns = [torch.logsumexp(d / (-2 * s**2), 1).double() - log_volume(centres, s) for s in sigmas]
    return torch.stack(columns, 1)


def dense_float32(x: Tensor, centres: Tensor, sigmas: Sequence[float]) -> Tensor:
    """lit-gan's sums over all pairs, in float32."""
    sums = DenseSums(x, sigmas, torch.float32)
    sums.add(centres, torch.ones(centres.shape[0], dtype=torch.int64))
    return sums.log() - torch.tensor([log_volume(centres, s) for s in sigmas], dtype=torch.float64)


def reference(x: Tensor, centres: Tensor, sigma: float) -> Tensor:
    """The formula, in float64 from the differences: what errors are measured against."""
    x, centres = x.double(), centres.double()
    sums = [torch.logsumexp((row - centres).square().sum(1) / (-2 * sigma**2), 0) for row in x]
    return torch.stack(sums) - log_volume(centres, sigma)


COMPETITORS = (
    Competitor("lit-gan dense, float32", dense_float32, None),
    Competitor("naive GEMM + logsumexp", naive_gemm, 1000),
    Competitor("torch.cdist + logsumexp", torch_cdist, 1000),
    Competitor("scipy cdist + logsumexp", scipy_cdist, 20),
    Competitor("scikit-learn KernelDensity", KernelDensities(whole=False), 10),
    Competitor("scikit-learn, one leaf", KernelDensities(whole=True), 10),
    Competitor("2014 algorithm in numpy", numpy_2014, 10),
)
