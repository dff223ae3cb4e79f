"""Gaussian windows around centres in memory, on disk or with other processes: likelihoods, best width."""

import math
from collections.abc import Iterable, Sequence
from functools import cache

import torch
from torch import Tensor

from lit_gan.errors import UserError
from lit_gan.functional.distinct_rows import distinct_rows
from lit_gan.functional.matmul import exact_matmul
from lit_gan.functional.parzen_dense import DenseSums
from lit_gan.functional.parzen_pairs import Exchange, PairSums
from lit_gan.functional.parzen_search import CentreSearch
from lit_gan.functional.vector_codes import coder_for

SHARD = 16384
# All that is dropped from a row's sum together, relative to the sum: an error in nats.
_DROPPED = 2e-10
_EM_TOLERANCE = 1e-7
_EM_STEPS = 100


def _alone(values: Tensor) -> Tensor:
    return values


def mean(values: Tensor) -> float:
    """The mean, correctly rounded: the same bits for every order of the values.

    Example:
        >>> mean(torch.tensor([1e16, 1.0, -1e16], dtype=torch.float64)) * 3
        1.0
    """
    return math.fsum(values.tolist()) / values.numel()


class ParzenWindows:
    """An isotropic Gaussian on each of N centres, ready to be evaluated; its methods choose the algorithm.

    Args:
        shards: The centres, or this process's part of them; it is iterated once per pass over the centres, so
            that only one shard at a time needs to be in memory.
        num_centres: N, over all processes.
        depth: D.
        exchange: Joins tensors over the processes; by default there is one. All processes evaluate the same
            rows.

    Example:
        >>> centres = torch.zeros(1, 2, dtype=torch.float64)
        >>> windows = ParzenWindows.around(centres, low=0.0, high=1.0)
        >>> windows.log_likelihood(centres, sigmas=[1.0])  # -log 2 pi, in two dimensions
        tensor([[-1.8379]], dtype=torch.float64)
    """

    def __init__(
        self, shards: Iterable[CentreSearch], num_centres: int, depth: int, exchange: Exchange = _alone
    ) -> None:
        self._shards, self._num_centres, self._depth, self._exchange = shards, num_centres, depth, exchange

    @classmethod
    def around(
        cls, centres: Tensor, low: float, high: float, distinct: tuple[Tensor, Tensor] | None = None
    ) -> "ParzenWindows":
        """Windows around centres in memory; copies of a centre cost nothing.

        Args:
            centres: ``(N, D)``.
            low: The least value among the centres and the rows to come.
            high: The greatest.
            distinct: The centres' ``distinct_rows``, where they are known already.

        Returns:
            The windows.
        """
        with exact_matmul(centres.device):
            members, counts = distinct_rows(centres) if distinct is None else distinct
            tiles = zip(torch.split(members, SHARD), torch.split(counts, SHARD), strict=True)
            coder = cache(lambda: coder_for(centres, low, high))
            shards = [CentreSearch(centres, tile, count, coder) for tile, count in tiles]
        return cls(shards, *centres.shape)

    def log_likelihood(self, x: Tensor, sigmas: Sequence[float]) -> Tensor:
        """``log p(x)`` under every width.

        Args:
            x: ``(R, D)``.
            sigmas: The widths, S of them.

        Returns:
            ``(R, S)`` float64, within 1e-9 nats of the direct sum in float64.
        """
        with exact_matmul(x.device):
            reach = 2 * max(sigmas) ** 2 * math.log(self._num_centres / _DROPPED)
            near = self._near(x, reach)
            out = near.log(sigmas)
            if bool(near.wide.any()):
                out[near.wide] = self._dense(_chosen(x, near.wide), sigmas).log()
            return out - out.new_tensor([math.log(self._num_centres) + self._log_volume(s) for s in sigmas])

    def nearest(self, x: Tensor) -> Tensor:
        """The squared distance of each row to its nearest centre.

        Args:
            x: ``(R, D)``.

        Returns:
            ``(R,)`` float64.
        """
        with exact_matmul(x.device):
            near = self._near(x, 0.0)
            if bool(near.wide.any()):
                near.nearest[near.wide] = self._dense(_chosen(x, near.wide), ()).nearest
            return near.nearest

    def select_sigma(self, x: Tensor, grid: Sequence[float]) -> float:
        """The width of the grid with the highest mean log-likelihood of ``x``; the first one on a tie.

        The nearest centre alone bounds the mean on both sides, ``L - log N <= mean log p <= L`` with
        ``L = -mean(nearest) / 2 sigma^2 - D log(sigma sqrt(2 pi))``, and neighbours on the paper's grid
        differ by more: usually one width is left, and no likelihood is evaluated at all.

        Args:
            x: ``(R, D)`` validation rows.
            grid: The widths to choose from.

        Returns:
            One of them.
        """
        if len(grid) == 1:
            return grid[0]
        least = mean(self.nearest(x))
        upper = [-least / (2 * s**2) - self._log_volume(s) for s in grid]
        rounding = 1e-9 * (1 + abs(max(upper)))
        floor = max(upper) - math.log(self._num_centres) - rounding
        live = [s for s, bound in zip(grid, upper, strict=True) if bound >= floor]
        if len(live) == 1:
            return live[0]
        means = [mean(column) for column in self.log_likelihood(x, live).unbind(1)]
        return live[means.index(max(means))]

    def fit_sigma(self, x: Tensor) -> float:
        """The continuous width with the highest mean log-likelihood of ``x``, by expectation-maximisation.

        Each step sets ``sigma^2`` to the mean squared distance per dimension, weighted by the windows'
        responsibilities. It starts from the nearest centres alone, which is below the optimum and close to
        it.

        Args:
            x: ``(R, D)`` validation rows.

        Returns:
            The width.

        Raises:
            UserError: If every row is itself a centre: the likelihood then has no maximum.
        """
        position = math.log(self._precision(mean(self.nearest(x))))
        gain = step = self._em_gain(x, position)
        for _ in range(_EM_STEPS):
            if abs(step) <= _EM_TOLERANCE:
                break
            position, before = position + step, gain
            gain = self._em_gain(x, position)
            # Plain steps converge slowly where many centres share a row; the secant through two of them does
            # not.
            slope = (gain - before) / step
            step = -gain / slope if -1 <= slope <= -1e-3 else gain
        return math.sqrt(0.5 / math.exp(position + step))

    def _em_gain(self, x: Tensor, position: float) -> float:
        """By how much one step of EM moves the logarithm of the precision p = 1 / 2 sigma^2."""
        precision = math.exp(position)
        # d/dp of log sum exp(-p d^2) is minus the weighted mean of d^2: a central difference, exact to 1e-8.
        shift = 1e-4 * precision
        sigmas = [(0.5 / p) ** 0.5 for p in (precision - shift, precision + shift)]
        below, above = (
            mean(scores) + self._log_volume(sigma)
            for scores, sigma in zip(self.log_likelihood(x, sigmas).unbind(1), sigmas, strict=True)
        )
        return math.log(self._precision((below - above) / (2 * shift))) - position

    def _precision(self, distance: float) -> float:
        if distance <= 0:
            raise UserError(
                "sigma cannot be fitted: every validation row is also among the centres. Expected data"
                " that the centres were not made from; pass a fixed sigma or other data."
            )
        return 0.5 * self._depth / distance

    def _log_volume(self, sigma: float) -> float:
        return self._depth * (math.log(sigma) + 0.5 * math.log(2 * math.pi))

    def _near(self, x: Tensor, reach: float) -> PairSums:
        near = PairSums(x.shape[0], reach, x.device)
        for shard in self._shards:
            near.add(shard.search(x, reach, near.nearest))
        near.gather(self._exchange)
        return near

    def _dense(self, x: Tensor, sigmas: Sequence[float]) -> DenseSums:
        own = DenseSums(x, sigmas)
        for shard in self._shards:
            shard.add_to(own)
        merged = DenseSums(x, sigmas)
        for nearest, total in zip(self._exchange(own.nearest[None]), self._exchange(own.total[None]), strict=True):
            merged.merge(nearest, total)
        return merged


def _chosen(x: Tensor, rows: Tensor) -> Tensor:
    return x if bool(rows.all()) else x[rows]  # all of them, of a generator that has just begun: no copy
