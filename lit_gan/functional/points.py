"""Distances among many points, exact where it matters: by differences, wherever a product's rounding could decide."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

_ROWS = 256
_EXACT_VALUES = 2**22  # of a batch of differences: 32 MB


@dataclass(frozen=True)
class Points:
    """Rows in float64, and what products of them need.

    Args:
        rows: ``(N, F)``.
        norms: Their squared norms, ``(N,)``.
    """

    rows: Tensor
    norms: Tensor

    @classmethod
    def of(cls, points: Tensor) -> "Points":
        """Points ``(N, ...)``."""
        rows = points.flatten(1).double().contiguous()
        return cls(rows, rows.square().sum(1))

    def parts(self) -> Iterator[slice]:
        """The rows a few at a time, so many as are compared with all others at once."""
        for start in range(0, len(self.rows), _ROWS):
            yield slice(start, start + _ROWS)

    def products(self, part: slice, others: "Points") -> tuple[Tensor, Tensor]:
        """Squared distances by a product of matrices, and what rounding may have done to each."""
        norms = self.norms[part, None] + others.norms[None]
        apart = torch.addmm(norms, self.rows[part], others.rows.T, alpha=-2)
        return apart, norms * (8 * (self.rows.shape[1] + 8) * torch.finfo(torch.float64).eps)

    def put_differences(self, apart: Tensor, doubtful: Tensor, part: slice, others: "Points") -> None:
        """The squared distances of some pairs by their differences: the same bits wherever a pair stands.

        Who finds all pairs doubtful that lie within twice the slack of the k-th product needs no others put aside: they
        lie beyond the k least differences.
        """
        size = max(_EXACT_VALUES // max(self.rows.shape[1], 1), 1)
        for pairs in torch.split(doubtful.nonzero(), size):
            here, there = pairs.unbind(1)
            differences = self.rows[part.start + here] - others.rows[there]
            apart[here, there] = differences.square_().sum(1)

    def radii(self, k: int) -> Tensor:
        """The squared distance of each point to its k-th nearest other one, by differences."""
        radii = []
        for part in self.parts():
            apart, slack = self.products(part, self)
            itself = torch.arange(len(apart), device=apart.device)
            apart[itself, part.start + itself] = torch.inf
            doubtful = apart <= apart.kthvalue(k, dim=1, keepdim=True).values + 2 * slack.amax(1, keepdim=True)
            self.put_differences(apart, doubtful, part, self)
            radii.append(apart.kthvalue(k, dim=1).values)
        return torch.cat(radii)

    def nearest_to(self, others: "Points") -> tuple[Tensor, Tensor]:
        """The nearest of these points to each of some others, or to each of themselves the nearest other one.

        Args:
            others: ``(M, F)``; these points themselves (the same object) are not compared each with itself.

        Returns:
            The squared distances, ``(M,)``, and the pairs of places (of the other, of the nearest), ``(P, 2)``: one for
            each other point, and more where several are exactly as near.
        """
        nearest, pairs = [others.norms[:0]], [torch.empty(0, 2, dtype=torch.int64, device=self.rows.device)]
        for part in others.parts():
            apart, slack = others.products(part, self)
            if others is self:
                itself = torch.arange(len(apart), device=apart.device)
                apart[itself, part.start + itself] = torch.inf
            doubtful = apart <= apart.amin(1, keepdim=True) + 2 * slack.amax(1, keepdim=True)
            others.put_differences(apart, doubtful, part, self)
            nearest.append(apart.amin(1))
            found = (apart == nearest[-1][:, None]).nonzero()
            found[:, 0] += part.start
            pairs.append(found)
        return torch.cat(nearest), torch.cat(pairs)
