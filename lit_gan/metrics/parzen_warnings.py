"""What a Parzen score hides, told when it is seen: a width at the edge, copies, a collapsed generator."""

from collections.abc import Sequence

from torch import Tensor
from torchmetrics.utilities.prints import rank_zero_warn

from lit_gan.functional.neighbours import near_duplicates

_MANY_COPIES = 0.01
_INSPECTED = 2048


class ParzenWarning(UserWarning):
    """The number is right, but something about the samples or the width makes it say less than it seems."""


class CollapseWarning(ParzenWarning):
    """Samples lie much closer to each other than real rows do."""


def warn_of_edge(sigma: float, grid: Sequence[float]) -> None:
    """Warns if the best width of a grid is its least or its greatest."""
    if len(grid) > 1 and sigma in (min(grid), max(grid)):
        rank_zero_warn(
            f"sigma = {sigma:.4g} lies on the edge of its grid: the best width may lie beyond, and the result"
            " is only a bound. Widen the grid, or take sigma='em'.",
            ParzenWarning,
        )


def warn_of_copies(share: float) -> None:
    """Warns if many samples are copies of others."""
    if share > _MANY_COPIES:
        rank_zero_warn(
            f"{share:.0%} of the generated samples are exact copies of others: the generator has collapsed,"
            " or ranks draw with the same seed. The result is that of fewer samples than were counted.",
            ParzenWarning,
        )


def warn_of_collapse(generated: Tensor, members: Tensor, test: Tensor) -> None:
    """Warns if distinct samples lie much closer to each other than real rows do."""
    found = near_duplicates(generated[members[:_INSPECTED]], test)
    if found.collapsed:
        rank_zero_warn(
            f"the generator has collapsed: its samples lie {found.apart:.0%} as far from each other as real images do.",
            CollapseWarning,
        )
