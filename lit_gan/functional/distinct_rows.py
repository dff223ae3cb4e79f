"""Fingerprints of rows: a canonical order of a set of rows, and its distinct rows with their counts."""

import torch
from torch import Tensor

from lit_gan.functional.tiles import map_tiles

_ROWS = 512  # at a time: the working set stays in the cache
_VALUES = 2**21  # and in the memory, where rows are long


def row_fingerprints(x: Tensor) -> Tensor:
    """A 64-bit fingerprint of every row, the same for equal rows on every device, in every batch and process.

    ``(N, D)``, read as float32, gives ``(N,)`` int64. Sums of integers modulo 2^64 have no rounding, so the order in
    which a device adds them does not matter.

    Example:
        >>> a, b, c = row_fingerprints(torch.tensor([[0.0, 1.0], [1.0, 0.0], [-0.0, 1.0]])).tolist()
        >>> a == c, a == b
        (True, False)
    """
    words = -(-x.shape[1] // 2)
    generator = torch.Generator().manual_seed(0x5EED)
    odd = torch.randint(-(2**62), 2**62, (words,), generator=generator).mul_(2).add_(1).to(x.device)
    parts = map_tiles(lambda rows: _mix(x[rows], odd), x.shape[0], _rows_of(x), x.device)
    return torch.cat([odd.new_zeros(0), *parts])


def _rows_of(x: Tensor) -> int:
    return max(1, min(_ROWS, _VALUES // x.shape[1]))


def _mix(x: Tensor, odd: Tensor) -> Tensor:
    values = x.to(torch.float32) + 0.0  # -0.0 becomes 0.0: the two are equal, and so are their fingerprints
    if values.shape[1] % 2:
        values = torch.nn.functional.pad(values, (0, 1))
    bits = values.contiguous().view(torch.int64)
    # A round float ends in 23 zero bits, which no multiplication fills: the upper bits are folded down first
    # and after.
    bits = bits.bitwise_xor(bits >> 32).bitwise_xor_(bits >> 23).mul_(odd)
    return bits.bitwise_xor_(bits >> 31).mul_(odd).sum(1)


def distinct_rows(x: Tensor) -> tuple[Tensor, Tensor]:
    """One representative of every distinct row, in an order that depends on the set alone, and the counts.

    ``(N, D)`` gives ``(U,)`` int64 indices of rows, sorted by the rows' fingerprints, and ``(U,)`` int64 counts.

    Example:
        >>> x = torch.tensor([[1.0, 2.0], [3.0, 4.0], [1.0, 2.0]])
        >>> members, counts = distinct_rows(x)
        >>> sorted(zip(x[members].tolist(), counts.tolist()))
        [([1.0, 2.0], 2), ([3.0, 4.0], 1)]
    """
    fingerprints = row_fingerprints(x)
    order = fingerprints.argsort(stable=True)
    fingerprints = fingerprints[order]
    repeats = torch.zeros(x.shape[0], dtype=torch.bool, device=x.device)
    repeats[1:] = fingerprints[1:] == fingerprints[:-1]
    for later in torch.split(repeats.nonzero()[:, 0], _rows_of(x)):
        repeats[later] = (x[order[later]] == x[order[later - 1]]).all(1)
    first = (~repeats).nonzero()[:, 0]
    counts = torch.diff(first, append=first.new_tensor([x.shape[0]]))
    return order[first], counts
