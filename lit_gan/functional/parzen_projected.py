"""Finds the few centres that carry a Parzen sum along few axes: three sieves, each finer and dearer than the last.

Distances of projections bound the true ones from below, so that most pairs are seen to be far by a product of a tenth
of the depth. Those that are left, some 15 of 10,000 for images, are multiplied in full depth, in float32 and each for
itself; and what its rounding bound leaves, about 2, is measured in float64 as everywhere.
"""

import torch
from torch import Tensor

from lit_gan.functional.matmul import prepare_sampled_matmul, sampled_matmul
from lit_gan.functional.parzen_screened import GUARD, MAX_PAIRS, ScreenedCentres, Tile
from lit_gan.functional.projection import ProjectionCoder

_MANY = 64  # pairs in full depth, each for itself: a fifth of the product of all


class ProjectedCentres(ScreenedCentres):
    """Centres that are ready to be searched along few axes.

    Args:
        rows: ``(N, D)`` float32, contiguous, among them the centres; no copy is made.
        members: ``(M,)`` which rows are centres.
        counts: ``(M,)`` how often each of them occurs.
        coder: The projection.
    """

    def __init__(self, rows: Tensor, members: Tensor, counts: Tensor, coder: ProjectionCoder) -> None:
        super().__init__(rows, members, counts, coder)
        self._lengths, self._columns = coder.lengths, members[self._source]
        self._centre_lengths = coder.lengths(self._code)
        self.longest = float(self._centre_lengths.max())
        self._underflow = rows.shape[1] * torch.finfo(torch.float32).tiny * 8
        self.num_axes = coder.axes.shape[1]
        prepare_sampled_matmul()

    def _too_many(self, sizes: Tensor) -> Tensor:
        """Where all rows have many: a few that do cost less here than in another search."""
        return (sizes > MAX_PAIRS) & (sizes.double().mean() > _MANY)

    def _upper(self, tile: Tile) -> Tensor:
        """By the centre whose projection is nearest, which is nearly the nearest one."""
        rows, block = torch.arange(tile.x.shape[0], device=tile.x.device), tile.bounds.argmin(1)
        first = self._coded(tile, rows, block).argmin(1)
        distances, error = self._distances(tile, rows, block + first * self._blocks)
        return torch.minimum(distances + error, tile.nearest)

    def _kept(self, tile: Tile, upper: Tensor, rows: Tensor, block: Tensor, wide: Tensor) -> tuple[Tensor, Tensor]:
        limit = (self._limit(tile, upper) + 2 * tile.error)[rows, None]
        found, places = self._places(block, self._coded(tile, rows, block) <= limit)
        rows = rows[found]
        wide |= self._too_many(torch.bincount(rows, minlength=wide.numel()))
        listed = ~wide[rows]
        rows, found, places = rows[listed], found[listed], places[listed]
        distances, error = self._distances(tile, rows, places)
        upper = upper.scatter_reduce(0, rows, distances + error, "amin")
        near = distances - error <= ((upper + tile.reach) * GUARD)[rows]
        return found[near], places[near]

    def _distances(self, tile: Tile, rows: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        """Squared distances of pairs in full depth, and the classical bound on their error in float32, doubled."""
        left, right = self._lengths(tile.code)[rows], self._centre_lengths[places]
        products = sampled_matmul(tile.x.float(), self._rows, rows, self._columns[places])
        error = (tile.x.shape[1] + 8) * torch.finfo(torch.float32).eps * (left + right).square() + self._underflow
        return left.square_().add_(right.square_()).sub_(products, alpha=2), error
