"""How far a set of samples keeps apart: the distance of a sample to the nearest other one."""

import torch
from torch import Tensor

from lit_gan.functional.parzen_dense import DenseSums

# 128 rows against 1,024 others take 5 ms at 784 dimensions, and give the median to a few per cent.
_ROWS = 128
_OTHERS = 1024


def neighbour_distance(x: Tensor, num: int | None = None) -> float:
    """The median squared distance to the nearest other row, of the first 128 rows among the next 1,024.

    Where a generator has collapsed onto few modes it is far below that of the same number of real rows, exact
    copies or not. Pass distinct rows in an order that has nothing to do with their content, and
    the same ``num`` for sets that are compared; at most 1,152 count, and fewer than two give infinity.

    Example:
        >>> neighbour_distance(torch.tensor([[0.0, 0.0], [3.0, 4.0]]))
        25.0
    """
    num = min(x.shape[0] if num is None else num, x.shape[0], _ROWS + _OTHERS)
    if num < 2:
        return float("inf")
    rows = max(num * _ROWS // (_ROWS + _OTHERS), 1)
    sums = DenseSums(x[:rows], ())
    sums.add(x[rows:num], torch.ones(num - rows, dtype=torch.int64, device=x.device))
    return float(sums.nearest.median())
