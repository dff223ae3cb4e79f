r"""Finds the few centres that carry a Parzen sum: coarse products screen by a proven bound, float64 measures.

Every vector x is coded as x^, on a grid of 8-bit steps (or, where int8 products are not exact, in float32).
With the residuals ``e = |x - x^| + |m - m^|``, the triangle inequality gives

.. math:: \bigl|\, |x - m| - |\hat x - \hat m| \,\bigr| \le e ,

and ``|x^ - m^|^2`` is an exact integer (in float32: known up to a rounding bound). So a centre whose coded
distance exceeds ``sqrt((nearest + e)^2 + reach) + e`` lies further than ``nearest^2 + reach`` in squared
distance, and is dropped; the rest, about 2 of 10,000 for images at the best sigma, is measured in float64
from the differences themselves.
"""

import threading
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from lit_gan.functional.matmul import exact_matmul
from lit_gan.functional.tiles import map_tiles
from lit_gan.functional.vector_codes import Code, Coder

# A row with more near centres than this is cheaper by a float64 product over all of them.
MAX_PAIRS = 256
_BLOCK = 16  # centres that are screened by their largest product together
_ROW_TILE = 512  # larger tiles spread the packing of the centres over more rows; 512 x 16,384 int32 are 32 MiB
_MEASURE_ELEMENTS = 2**16  # float64 buffers of half a MiB
GUARD = 1 + 1e-9  # covers the float64 rounding of the bounds themselves


@dataclass(frozen=True)
class Pairs:
    """Rows and centres near them: the row's index, the squared distance, and how often the centre occurs.

    ``wide`` (R,) holds the rows with too many near centres to list.
    """

    rows: Tensor
    distances: Tensor
    counts: Tensor
    wide: Tensor


class ScreenedCentres:
    """Centres that are ready to be searched.

    They are stored in blocks of 16 of nearly equal norm, so that the largest product of a block bounds the
    distances to all of it: the products are read once, and no distance is formed for what is far.

    Args:
        rows: ``(N, D)``, among them the centres; no copy is made.
        members: ``(M,)`` which rows are centres.
        counts: ``(M,)`` how often each of them occurs.
        coder: How to code them.
    """

    def __init__(self, rows: Tensor, members: Tensor, counts: Tensor, coder: Coder) -> None:
        self._rows, self._members, self.counts, self._coder = rows, members, counts, coder
        code = coder.encode(rows, members)
        order = code.norms.argsort(stable=True)
        self._blocks = -(-order.numel() // _BLOCK)
        # The last block is filled up with the last centre again: bounds stay true; `_places` drops it later.
        filler = order[-1:].expand(self._blocks * _BLOCK - order.numel())
        # Block b holds positions b, b + blocks, b + 2 blocks, ...: a maximum over them vectorises.
        self._source = torch.cat([order, filler]).view(self._blocks, _BLOCK).T.reshape(-1)
        ranks = torch.arange(self._source.numel(), device=order.device)
        self._is_copy = (ranks >= order.numel()).view(self._blocks, _BLOCK).T.reshape(-1)
        values = code.values.index_select(0, self._source)
        self._code = Code(values, code.norms[self._source], code.residuals[self._source])
        norms = self._code.norms.view(_BLOCK, self._blocks)
        self._norms = norms.T.contiguous()
        self._highest = coder.ceil(norms.amax(0))
        self._spread = coder.ceil(self._highest - norms.amin(0))
        self._residual = code.residuals.max()

    def search(self, x: Tensor, reach: float, nearest: Tensor) -> Pairs:
        """All pairs of a row and a centre whose squared distance is within ``reach`` of the row's least one.

        Args:
            x: ``(R, D)``.
            reach: In squared distance.
            nearest: ``(R,)`` a least squared distance that is already known, or inf.

        Returns:
            The pairs; further ones may be among them.
        """
        local = threading.local()

        def search_tile(part: slice) -> Pairs:
            with exact_matmul(x.device):
                if not hasattr(local, "buffers"):
                    local.buffers = self._buffers(part.stop - part.start, x.device)
                num = part.stop - part.start
                buffers = _Buffers(*(buffer[:num] for buffer in local.buffers))
                pairs = self._search_tile(x[part], reach, nearest[part], buffers)
                return Pairs(pairs.rows + part.start, pairs.distances, pairs.counts, pairs.wide)

        found = map_tiles(search_tile, x.shape[0], _ROW_TILE, x.device)
        return Pairs(
            torch.cat([p.rows for p in found]),
            torch.cat([p.distances for p in found]),
            torch.cat([p.counts for p in found]),
            torch.cat([p.wide for p in found]),
        )

    def _buffers(self, num_rows: int, device: torch.device) -> "_Buffers":
        dtype = self._coder.product_dtype
        return _Buffers(
            torch.empty(num_rows, self._source.numel(), dtype=dtype, device=device),
            torch.empty(num_rows, self._blocks, dtype=dtype, device=device),
        )

    def _search_tile(self, x: Tensor, reach: float, nearest: Tensor, buffers: "_Buffers") -> Pairs:
        products, bounds = buffers
        code = self._coder.encode(x)
        self._coder.multiply(code.values, self._code.values, products)
        torch.amax(products.view(-1, _BLOCK, self._blocks), 1, out=bounds)
        # Coded squared distances without |x^|^2: at most `bounds` for the nearest centre of a block, at least
        # `bounds - spread` for each of it.
        bounds.mul_(-2).add_(self._highest)
        error = self._coder.product_error(code, self._code)
        tile = Tile(x, code, error, code.residuals + self._residual, reach, nearest, *buffers)
        upper = self._upper(tile)
        limit = self._limit(tile, upper)
        near = bounds.sub_(self._coder.ceil(limit - code.norms + error)[:, None]) <= self._spread
        rows, block = near.nonzero(as_tuple=True)
        wide = self._too_many(torch.bincount(rows, minlength=x.shape[0]))
        listed = ~wide[rows]
        rows, block = rows[listed], block[listed]
        found, places = self._kept(tile, upper, rows, block, wide)
        rows, centres = rows[found], self._source[places]
        wide |= torch.bincount(rows, minlength=x.shape[0]) > MAX_PAIRS
        listed = ~wide[rows]
        rows, centres = rows[listed], centres[listed]
        distances = squared_distances(x, rows, self._rows, self._members[centres])
        return Pairs(rows, distances, self.counts[centres], wide)

    def _too_many(self, sizes: Tensor) -> Tensor:
        """Which rows have more blocks near them than are worth a closer look."""
        return sizes > MAX_PAIRS

    def _upper(self, tile: "Tile") -> Tensor:
        """What each row's least squared distance cannot exceed, in units of the step."""
        return self._upper_of_coded(tile, tile.bounds.amin(1) + tile.code.norms + tile.error)

    def _kept(self, tile: "Tile", upper: Tensor, rows: Tensor, block: Tensor, wide: Tensor) -> tuple[Tensor, Tensor]:
        """What has to be measured of blocks: which of them, and the places in it; marks rows that are given up."""
        coded = self._coded(tile, rows, block)
        least = torch.full_like(tile.nearest, torch.inf).scatter_reduce_(0, rows, coded.amin(1), "amin")
        limit = self._limit(tile, self._upper_of_coded(tile, least))
        return self._places(block, coded <= (limit + 2 * tile.error)[rows, None])

    def _upper_of_coded(self, tile: "Tile", least: Tensor) -> Tensor:
        known = tile.nearest / self._coder.step**2
        return torch.minimum((least.clamp_min(0).sqrt() + tile.slack).square(), known)

    def _limit(self, tile: "Tile", upper: Tensor) -> Tensor:
        """The coded squared distance up to which a centre matters, from an upper bound of the least true one."""
        return ((upper + tile.reach / self._coder.step**2).sqrt() + tile.slack).square().mul_(GUARD)

    def _coded(self, tile: "Tile", rows: Tensor, block: Tensor) -> Tensor:
        """``(P, 16)`` coded squared distances to the centres of blocks, too large by 2 ``error`` at most."""
        products = tile.products.view(-1, _BLOCK, self._blocks)[rows, :, block]
        coded = products.double().mul_(-2).add_(self._norms[block])
        return coded.add_((tile.code.norms + tile.error)[rows, None])

    def _places(self, block: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Where a mask over blocks ``(P, 16)`` is true: which block it is of them, and the places."""
        found, member = mask.nonzero(as_tuple=True)
        places = block[found] + member * self._blocks
        single = ~self._is_copy[places]
        return found[single], places[single]


class _Buffers(NamedTuple):
    """Reused from tile to tile: fresh memory costs more in page faults than the arithmetic that fills it."""

    products: Tensor
    bounds: Tensor


class Tile(NamedTuple):
    """Rows that are searched at once: their codes, the error of products and codes, and the products themselves."""

    x: Tensor
    code: Code
    error: Tensor
    slack: Tensor
    reach: float
    nearest: Tensor
    products: Tensor
    bounds: Tensor


def squared_distances(x: Tensor, rows: Tensor, centres: Tensor, columns: Tensor) -> Tensor:
    """Squared distances of chosen pairs, in float64, from the differences themselves.

    Args:
        x: ``(R, D)``.
        rows: ``(P,)`` indices into ``x``.
        centres: ``(N, D)``.
        columns: ``(P,)`` indices into ``centres``.

    Returns:
        ``(P,)`` float64.
    """
    out = torch.empty(rows.shape[0], dtype=torch.float64, device=x.device)
    size = max(_MEASURE_ELEMENTS // x.shape[1], 1)
    for start in range(0, rows.shape[0], size):
        part = slice(start, start + size)
        difference = x.index_select(0, rows[part]).double()
        difference.sub_(centres.index_select(0, columns[part]).double())
        out[part] = difference.square_().sum(1)
    return out
