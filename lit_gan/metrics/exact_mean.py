"""A mean over the rows of all batches and all ranks, in float64."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric


class ExactMean(Metric):
    """The mean over rows of what comes as means over batches of them, in float64; each batch counts by its rows.

    Args:
        finish: What is made of the mean at the end; nothing if ``None``.
        dtype: What is summed in: float64, but on a device that has none.
        **kwargs: Those of ``torchmetrics.Metric``.

    Example:
        >>> mean = ExactMean()
        >>> mean.update(torch.tensor(1.0), rows=3)
        >>> mean.update(torch.tensor(2.0), rows=1)
        >>> mean.compute()
        tensor(1.2500, dtype=torch.float64)
    """

    is_differentiable = False
    higher_is_better = None
    full_state_update = False

    sums: Tensor

    def __init__(
        self, finish: Callable[[Tensor], Tensor] | None = None, dtype: torch.dtype = torch.float64, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self._finish = finish
        # The values and the rows in one state, so that the ranks exchange them at once.
        self.add_state("sums", torch.zeros(2, dtype=dtype), dist_reduce_fx="sum")

    def update(self, value: Tensor, rows: int) -> None:
        """Takes in a batch.

        Args:
            value: The mean over the batch's rows, a scalar.
            rows: How many these are.
        """
        total = value.detach().to(self.sums) * rows
        self.sums = self.sums + torch.stack([total, torch.full_like(total, rows)])

    def compute(self) -> Tensor:
        """The mean over the rows of all batches and ranks, finished; not a number where there are no rows."""
        mean = self.sums[0] / self.sums[1]
        return mean if self._finish is None else self._finish(mean)
