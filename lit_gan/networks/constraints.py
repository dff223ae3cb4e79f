"""The max-norm constraint: a ball that the incoming weights of every unit are kept in.

Any module with a method ``constrain_() -> None`` has it called by the GAN after every update of its player.
"""

import torch
from torch import Tensor


@torch.no_grad()
def limit_incoming_norm_(weight: Tensor, max_norm: float, unit_dim: int = 0) -> Tensor:
    """Scale the incoming weights of each unit whose L2 norm exceeds ``max_norm`` onto that ball, in place.

    ``w <- w * max_norm / (norm + 1e-7)`` where ``norm = |w| > max_norm``; other units keep their weights to the bit.
    Nothing is read back from the device. ``weight.select(unit_dim, i)`` are those that come into unit i (for a
    convolution: a kernel over all input channels); for maxout every linear piece counts as a unit.

    Example:
        >>> limit_incoming_norm_(torch.tensor([[3.0, 4.0], [0.3, 0.4]]), max_norm=1.0)
        tensor([[0.6000, 0.8000],
                [0.3000, 0.4000]])
    """
    return weight.renorm_(2, unit_dim, max_norm)


class MaxNormConstrained:
    """What a layer with a ``weight`` inherits to be kept in the ball; ``max_norm = None`` means no limit."""

    weight: Tensor
    max_norm: float | None
    unit_dim: int = 0

    def constrain_(self) -> None:
        """Scale the incoming weights of every unit back into the ball; see :func:`limit_incoming_norm_`."""
        if self.max_norm is not None:
            limit_incoming_norm_(self.weight, self.max_norm, self.unit_dim)
