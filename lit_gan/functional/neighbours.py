"""What is learned from the nearest other row: whether samples are near-duplicates, and which image is the nearest."""

from typing import NamedTuple

import torch
from torch import Tensor

from lit_gan.functional.matmul import exact_matmul

#: Of the squared distance between real rows: what lies closer together than that is a near-duplicate.
_NEAR = 0.1
#: A thousand rows among each other take a tenth of a second at 784 dimensions, and give a share to a percent or two.
MOST_ROWS = 1000
_MOST_VALUES = 2**23


class NearDuplicates(NamedTuple):
    """How close samples lie to each other, beside real rows.

    Attributes:
        share: Of the samples that are near-duplicates of another one.
        real: The same share of the real rows: what a perfect generator would have.
        apart: The median distance of a sample to the nearest other one, of that of a real row.
        num: How many rows of each were looked at.
    """

    share: float
    real: float
    apart: float
    num: int

    @property
    def collapsed(self) -> bool:
        """Whether half of the samples, beyond what real rows have, are near-duplicates."""
        return self.share - self.real > 0.5


def near_duplicates(samples: Tensor, real: Tensor) -> NearDuplicates:
    """The share of samples that nearly repeat another one.

    A row is a near-duplicate where the nearest other row of its set lies within a third (the root of 0.1) of what is
    usual among real rows: the median distance of one to the nearest other one. So the share is that of the real rows
    where samples are as real, and 1 where a generator shows a few images, exact copies or not. It depends on the number
    of rows: equally many of each are looked at, at most 1,000, in places that lie equally far from each other.

    Args:
        samples: ``(N, D)``.
        real: ``(M, D)``, in the same units.

    Returns:
        The shares; not numbers where there are fewer than two rows of a kind.

    Example:
        >>> ramp = torch.arange(8.0)[:, None]
        >>> found = near_duplicates(ramp / 1000, ramp)
        >>> found.share, found.real, round(found.apart, 6), found.collapsed
        (1.0, 0.0, 0.001, True)
    """
    num = rows_looked_at(len(samples), len(real), real.shape[1])
    if num < 2:
        return NearDuplicates(float("nan"), float("nan"), float("nan"), num)
    here, there = (_nearest_others(rows[spread_places(len(rows), num)]) for rows in (samples, real))
    median = there.median()
    share, of_real = (float((apart < _NEAR * median).double().mean()) for apart in (here, there))
    return NearDuplicates(share, of_real, float((here.median() / median).sqrt()), num)


def rows_looked_at(samples: int, real: int, num_values: int) -> int:
    """How many rows of each kind are compared: fewer where they have very many values."""
    return min(samples, real, MOST_ROWS, max(_MOST_VALUES // max(num_values, 1), 2))


def spread_places(num_rows: int, num: int) -> Tensor:
    """So many places out of all, equally far from each other: rows may come class by class.

    Example:
        >>> spread_places(10, 4).tolist()
        [0, 2, 5, 7]
    """
    return torch.arange(num) * num_rows // num


def _nearest_others(rows: Tensor) -> Tensor:
    """The squared distance of each row to the nearest other one."""
    rows = rows.double()
    rows = rows - rows.mean(0)  # small norms cancel less
    squares = rows.square().sum(1)
    with exact_matmul(rows.device):
        apart = torch.addmm(squares[:, None] + squares[None], rows, rows.T, alpha=-2)
    return apart.fill_diagonal_(torch.inf).amin(1).clamp_(min=0)


def nearest_rows(x: Tensor, among: Tensor, rows_at_once: int = 1000) -> Tensor:
    """For each row the number of the nearest other one, by Euclidean distance; of equals the first.

    Args:
        x: ``(N, D)``.
        among: ``(M, D)``.
        rows_at_once: How many rows of ``x`` are compared at once: bounds the memory.

    Returns:
        A tensor ``(N,)`` of whole numbers in [0, M).

    Example:
        >>> nearest_rows(torch.tensor([[0.0], [4.0]]), torch.tensor([[3.0], [1.0]])).tolist()
        [1, 0]
    """
    starts = range(0, len(x), rows_at_once)
    with exact_matmul(x.device):
        squares = among.square().sum(dim=1)
        # But for |x|^2, which is the same in a row.
        return torch.cat([(squares - 2 * x[i : i + rows_at_once] @ among.T).argmin(dim=1) for i in starts])
