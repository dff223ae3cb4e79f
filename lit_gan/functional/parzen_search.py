"""Chooses how the centres near some rows are found: along few axes where that pays, else among codes of all values."""

from collections.abc import Callable
from functools import cached_property

import torch
from torch import Tensor

from lit_gan.functional.matmul import int8_speedup
from lit_gan.functional.parzen_dense import DenseSums
from lit_gan.functional.parzen_projected import ProjectedCentres
from lit_gan.functional.parzen_screened import Pairs, ScreenedCentres
from lit_gan.functional.projection import ProjectionCoder, principal_axes
from lit_gan.functional.vector_codes import Coder

# The part of the centres' variance that the axes may leave, and how many axes there may be: a sixth of all. More of
# them take longer than the pairs that they rule out; the optimum is flat.
_REST = 0.075
_LEAST_SHARE = 6
_MOST_AXES = 256
_SAMPLE_ROWS = 1024
# An int8 product is kept where one along the axes takes more than two thirds of its time.
_INT8_MARGIN = 1.5
_LEAST_PAIRS = 2**22  # below, the axes take longer to find than they save
_PROBE_ROWS = 64
_GREATEST = 1e15  # so that squares, and sums of them, fit into float32


class CentreSearch:
    """Centres, and the ways to find those near a row; all ways find the same ones.

    Args:
        rows: ``(N, D)``, among them the centres; no copy is made.
        members: ``(M,)`` which rows are centres.
        counts: ``(M,)`` how often each of them occurs.
        coder: Gives the code of all values, if it is needed.
    """

    def __init__(self, rows: Tensor, members: Tensor, counts: Tensor, coder: Callable[[], Coder]) -> None:
        self._rows, self._members, self.counts, self._coder = rows, members, counts, coder

    def add_to(self, sums: DenseSums) -> None:
        """Adds all centres to sums over every pair."""
        sums.add(self._rows, self.counts, self._members)

    @cached_property
    def coded(self) -> ScreenedCentres:
        """The centres in full depth."""
        return ScreenedCentres(self._rows, self._members, self.counts, self._coder())

    @cached_property
    def projected(self) -> ProjectedCentres | None:
        """The centres along few axes; None where many are needed, or other products are faster."""
        rows, depth = self._rows, self._rows.shape[1]
        if rows.dtype != torch.float32 or rows.device.type != "cpu" or not rows.is_contiguous():
            return None
        most = int(depth / max(_LEAST_SHARE, _INT8_MARGIN * int8_speedup(depth)))
        axes = principal_axes(rows[self._members[:_SAMPLE_ROWS]], min(most, _MOST_AXES), _REST)
        if axes is None:
            return None
        projected = ProjectedCentres(rows, self._members, self.counts, ProjectionCoder(axes))
        return projected if projected.longest < _GREATEST else None

    def search(self, x: Tensor, reach: float, nearest: Tensor) -> Pairs:
        """All pairs of a row and a centre whose squared distance is within ``reach`` of the row's least one.

        Args:
            x: ``(R, D)``.
            reach: In squared distance.
            nearest: ``(R,)`` a least squared distance that is already known, or inf.

        Returns:
            The pairs; further ones may be among them.
        """
        projected = self.projected if x.shape[0] * self.counts.numel() >= _LEAST_PAIRS else None
        if projected is None or not _pays(projected, x, reach, nearest):
            return self.coded.search(x, reach, nearest)
        found = projected.search(x, reach, nearest)
        left = found.wide.nonzero()[:, 0]
        if not left.numel():
            return found
        more = self.coded.search(x[left], reach, nearest[left])
        return Pairs(
            torch.cat([found.rows, left[more.rows]]),
            torch.cat([found.distances, more.distances]),
            torch.cat([found.counts, more.counts]),
            found.wide.index_copy(0, left, more.wide),
        )


def _pays(projected: ProjectedCentres, x: Tensor, reach: float, nearest: Tensor) -> bool:
    """Whether most of a few rows are done along the axes; not so where most centres are as near as the nearest."""
    if not float(torch.linalg.vector_norm(x, torch.inf)) < _GREATEST:
        return False
    probe = torch.arange(_PROBE_ROWS, device=x.device) * x.shape[0] // _PROBE_ROWS
    found = projected.search(x[probe], reach, nearest[probe])
    return 2 * int(found.wide.sum()) <= _PROBE_ROWS
