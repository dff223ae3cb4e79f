"""The nearest of very many points, a part of them at a time: exact, in bounded memory."""

from collections.abc import Iterable

import torch
from torch import Tensor

from lit_gan.functional.points import Points


def nearest_of_parts(points: Tensor, parts: Iterable[Tensor], k: int = 1) -> tuple[Tensor, Tensor]:
    """The squared distances to the k nearest of all others, and the very nearest itself; of equals the first.

    Distances that matter are differences in float64: no rounding chooses, and no part is held any longer than it takes.

    Args:
        points: ``(M, ...)``.
        parts: All others, ``(n, ...)`` each.
        k: How many.

    Returns:
        ``(M, k)`` in float64, ascending, infinite where there are fewer others; and ``(M, ...)``, one of the others
        for each point.

    Example:
        >>> parts = [torch.tensor([[3.0]]), torch.tensor([[1.0]])]
        >>> apart, nearest = nearest_of_parts(torch.tensor([[0.0], [4.0]]), parts, k=2)
        >>> apart.tolist(), nearest.flatten().tolist()
        ([[1.0, 9.0], [1.0, 9.0]], [1.0, 3.0])
    """
    own = Points.of(points)
    least = own.rows.new_full((len(points), k), torch.inf)
    nearest = torch.zeros_like(points)
    for part in parts:
        others = Points.of(part)
        for rows in own.parts():
            apart, slack = own.products(rows, others)
            farthest = apart.kthvalue(min(k, len(part)), dim=1, keepdim=True).values
            doubtful = apart <= farthest + 2 * slack.amax(1, keepdim=True)
            own.put_differences(apart, doubtful, rows, others)
            place = apart.argmin(1)
            better = apart.gather(1, place[:, None])[:, 0] < least[rows, 0]
            nearest[rows][better] = part[place[better]].to(nearest)
            least[rows] = torch.cat([least[rows], apart], dim=1).topk(k, largest=False).values
    return least, nearest
