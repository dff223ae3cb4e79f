"""Parzen sums over every pair: one tile of distances serves all widths, and memory stays bounded."""

import math
import threading
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from lit_gan.functional.matmul import exact_matmul
from lit_gan.functional.tiles import map_tiles

_ROW_TILE = 256
_CENTRE_TILE = 4096
_VALUES = 64  # of all centres at a time, whose mean is taken
_Sums = tuple[Tensor, Tensor]  # per row: the least squared distance, and the sums relative to it
_LOG2_E = math.log2(math.e)


class _Tile(NamedTuple):
    """Centres relative to an origin, their squared norms, and how often each occurs (None: once)."""

    origin: Tensor
    centres: Tensor
    norms: Tensor
    weights: Tensor | None


class DenseSums:
    """Per row of ``x``: the least squared distance to a centre, and the sums of exponentials relative to it.

    Sums over different centres merge, so that centres may come in tiles, in shards and from other processes.

    Args:
        x: ``(N, D)``.
        sigmas: The widths, S of them.
        dtype: Of the distances. In float64 the error of a log-likelihood is about 1e-12 nats; in float32,
            with images in [0, 1] and sigma at its optimum, 1e-3 per row and 1e-5 on the mean, and it grows
            as 1 / sigma^2.

    Example:
        >>> sums = DenseSums(torch.zeros(1, 2), [1.0])
        >>> sums.add(torch.tensor([[0.0, 2.0]]), torch.tensor([3]))
        >>> sums.log().exp()  # three centres at squared distance 4
        tensor([[0.4060]], dtype=torch.float64)
    """

    def __init__(self, x: Tensor, sigmas: Sequence[float], dtype: torch.dtype = torch.float64) -> None:
        self._x = x
        self._dtype = dtype
        self._rates = torch.tensor([0.5 / s**2 for s in sigmas], dtype=torch.float64, device=x.device)
        self.nearest = torch.full((x.shape[0],), math.inf, dtype=torch.float64, device=x.device)
        self.total = torch.zeros(x.shape[0], len(sigmas), dtype=torch.float64, device=x.device)

    def add(self, rows: Tensor, counts: Tensor, members: Tensor | None = None) -> None:
        """Adds centres.

        Args:
            rows: ``(N, D)``, among them the centres; no copy is made of all.
            counts: ``(M,)`` how often each of them occurs.
            members: ``(M,)`` which rows are centres, in their order; all where it is ``None``.
        """
        members = torch.arange(rows.shape[0], device=rows.device) if members is None else members
        # Differences do not change with the origin, but rounding does: small norms cancel less.
        parts = torch.split(rows, _VALUES, dim=1)
        origin = torch.cat([part.index_select(0, members).mean(0, dtype=torch.float64) for part in parts])
        for part, weights in zip(torch.split(members, _CENTRE_TILE), torch.split(counts, _CENTRE_TILE), strict=True):
            self._add_tile(rows, part, weights, origin)

    def _add_tile(self, rows: Tensor, members: Tensor, counts: Tensor, origin: Tensor) -> None:
        # A tile is 25 MiB for MNIST: no second one.
        shifted = rows.index_select(0, members).double().sub_(origin)
        weights = counts.to(self._dtype) if bool((counts > 1).any()) else None
        norms = torch.cat([part.square().sum(1) for part in torch.split(shifted, _ROW_TILE)]).to(self._dtype)
        tile, local = _Tile(origin, shifted.to(self._dtype), norms, weights), threading.local()

        def tile_sums(rows: slice) -> _Sums:
            with exact_matmul(origin.device):
                return self._tile_sums(self._x[rows], tile, local)

        sums = map_tiles(tile_sums, self._x.shape[0], _ROW_TILE, origin.device)
        self.merge(torch.cat([nearest for nearest, _ in sums]), torch.cat([total for _, total in sums]))

    def _tile_sums(self, x: Tensor, tile: _Tile, local: threading.local) -> _Sums:
        if not hasattr(local, "buffers"):
            # Once per thread: fresh memory costs more in page faults than the arithmetic that fills it.
            size = min(_ROW_TILE, self._x.shape[0]) * tile.norms.shape[0]
            local.buffers = torch.empty(2, size, dtype=self._dtype, device=x.device)
        d, w = (buffer[: x.shape[0] * tile.norms.shape[0]].view(x.shape[0], -1) for buffer in local.buffers)
        shifted = x.double() - tile.origin
        torch.addmm(tile.norms, shifted.to(self._dtype), tile.centres.T, alpha=-2, out=d)
        least = d.amin(1, keepdim=True)
        d.sub_(least)
        total = torch.empty(x.shape[0], self._rates.numel(), dtype=torch.float64, device=x.device)
        for k, rate in enumerate(self._rates.tolist()):
            # exp2 and not exp: torch's float32 exp takes 11-29 ns where it underflows, nearly everywhere.
            torch.mul(d, -rate * _LOG2_E, out=w)
            w.exp2_()
            total[:, k] = w.sum(1) if tile.weights is None else w.mul_(tile.weights).sum(1)
        return (least[:, 0].double() + shifted.square().sum(1)).clamp_min_(0.0), total

    def merge(self, nearest: Tensor, total: Tensor) -> None:
        """Takes in the sums over other centres.

        Args:
            nearest: ``(N,)`` least squared distances; inf where there were no centres.
            total: ``(N, S)`` sums of exponentials relative to them.
        """
        least = torch.minimum(self.nearest, nearest)
        anchor = torch.where(least.isinf(), torch.zeros_like(least), least)  # inf - inf is nan
        kept = self.total * torch.exp((anchor - self.nearest)[:, None] * self._rates)
        self.total = kept + total * torch.exp((anchor - nearest)[:, None] * self._rates)
        self.nearest = least

    def log(self) -> Tensor:
        """The logarithms of the sums.

        Returns:
            ``(N, S)`` float64: ``log sum_j counts_j exp(-|x_i - m_j|^2 / 2 sigma_k^2)``.
        """
        return self.total.log() - self.nearest[:, None] * self._rates
