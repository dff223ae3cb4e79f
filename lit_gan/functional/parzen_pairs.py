"""Parzen sums over listed pairs, with the same bits for every order, batch and shard that they came in."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from lit_gan.functional.parzen_screened import MAX_PAIRS, Pairs

# Concatenates a tensor over all processes along its first dimension, in the order of their ranks.
Exchange = Callable[[Tensor], Tensor]


class PairSums:
    """Collects pairs of rows and near centres, and sums their exponentials.

    A row's sum is a function of the *set* of its distances and their counts: equal distances are joined, and
    terms are added in ascending order, one after the other. So neither batches, shards nor processes show in
    the result.

    Args:
        num_rows: R.
        reach: How far above a row's least squared distance a pair may lie to be counted.
        device: Where the pairs are.
    """

    def __init__(self, num_rows: int, reach: float, device: torch.device) -> None:
        self._reach = reach
        self._rows = torch.empty(0, dtype=torch.int64, device=device)
        self._distances = torch.empty(0, dtype=torch.float64, device=device)
        self._counts = torch.empty(0, dtype=torch.int64, device=device)
        self.nearest = torch.full((num_rows,), math.inf, dtype=torch.float64, device=device)
        self.wide = torch.zeros(num_rows, dtype=torch.bool, device=device)

    def add(self, pairs: Pairs) -> None:
        """Takes in pairs, and forgets those that are no longer near."""
        self._rows = torch.cat([self._rows, pairs.rows])
        self._distances = torch.cat([self._distances, pairs.distances])
        self._counts = torch.cat([self._counts, pairs.counts])
        self.wide |= pairs.wide
        self._prune()

    def gather(self, exchange: Exchange) -> None:
        """Joins the pairs of all processes, which hold different centres and the same rows."""
        wide = exchange(self.wide.nonzero()[:, 0])
        self.wide[wide] = True
        self._rows = exchange(self._rows)
        self._distances = exchange(self._distances)
        self._counts = exchange(self._counts)
        self._prune()

    def _prune(self) -> None:
        self.nearest.scatter_reduce_(0, self._rows, self._distances, "amin")
        keep = self._distances <= self.nearest[self._rows] + self._reach
        size = torch.bincount(self._rows[keep], minlength=self.wide.numel())
        self.wide |= size > MAX_PAIRS
        keep &= ~self.wide[self._rows]
        self._rows, self._distances, self._counts = (
            self._rows[keep],
            self._distances[keep],
            self._counts[keep],
        )

    def log(self, sigmas: Sequence[float]) -> Tensor:
        """The logarithms of the sums.

        Args:
            sigmas: The widths, S of them.

        Returns:
            ``(R, S)`` float64: ``log sum_j counts_j exp(-|x_i - m_j|^2 / 2 sigma_k^2)``; wide rows are to be
            replaced.
        """
        rates = torch.tensor([0.5 / s**2 for s in sigmas], dtype=torch.float64, device=self.nearest.device)
        rows, distances, counts = self._joined()
        # exp and not exp2: torch's exp2 has other bits in the tail of a vector than in its body.
        terms = counts[:, None] * torch.exp((self.nearest[rows] - distances)[:, None] * rates)
        sizes = torch.bincount(rows, minlength=self.nearest.numel())
        place = torch.arange(rows.numel(), device=rows.device) - (sizes.cumsum(0) - sizes)[rows]
        turns = torch.bincount(place).tolist()
        order = place.argsort(stable=True)
        total = torch.zeros(self.nearest.numel(), len(sigmas), dtype=torch.float64, device=rows.device)
        for turn_rows, turn_terms in zip(
            torch.split(rows[order], turns), torch.split(terms[order], turns), strict=True
        ):
            total[turn_rows] += turn_terms
        return total.log() - self.nearest[:, None] * rates

    def _joined(self) -> tuple[Tensor, Tensor, Tensor]:
        """The pairs by row and ascending distance; equal distances of a row are one, their counts added."""
        order = self._distances.argsort(stable=True)
        order = order[self._rows[order].argsort(stable=True)]
        rows, distances, counts = self._rows[order], self._distances[order], self._counts[order]
        first = torch.ones(rows.numel(), dtype=torch.bool, device=rows.device)
        first[1:] = (rows[1:] != rows[:-1]) | (distances[1:] != distances[:-1])
        joined = torch.zeros(int(first.sum()), dtype=torch.int64, device=rows.device)
        joined.index_add_(0, first.cumsum(0) - 1, counts)
        return rows[first], distances[first], joined.double()
