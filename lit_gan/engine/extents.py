"""The least and the greatest value of a tensor, and whether they lie in a range."""

import torch
from torch import Tensor

from lit_gan.engine.value_ranges import Range

#: Of a range: what is certainly no rounding.
FAR = 0.05


def extent(x: Tensor) -> Range | None:
    """The least and the greatest value; ``None`` where one is not finite. The device is waited for.

    Example:
        >>> extent(torch.tensor([0.5, -2.0]))
        (-2.0, 0.5)
    """
    if not x.numel():
        return 0.0, 0.0
    low, high = torch.stack(x.detach().aminmax()).tolist()
    return (low, high) if abs(low) + abs(high) < float("inf") else None


def lies_outside(seen: Range, bounds: Range, share: float = FAR) -> bool:
    """Whether values go beyond a range by more than a share of it.

    Example:
        >>> lies_outside((-0.04, 1.0), (0.0, 1.0)), lies_outside((-0.06, 1.0), (0.0, 1.0))
        (False, True)
    """
    low, high = bounds
    slack = (high - low) * share
    return seen[0] < low - slack or seen[1] > high + slack


def in_words(seen: Range) -> str:
    """The values that were seen, for a message.

    Example:
        >>> in_words((-2.0, 1 / 3))
        'values from -2 to 0.3333'
    """
    return f"values from {seen[0]:.4g} to {seen[1]:.4g}"
