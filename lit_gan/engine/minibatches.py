"""A loader's batch, cut into the minibatches of a round."""

from torch import Tensor

from lit_gan.errors import UserError

#: Examples, and what they are conditioned on.
Minibatch = tuple[Tensor, Tensor | None]


def cut_into_minibatches(batch: Minibatch, count: int) -> list[Minibatch]:
    """Minibatches of equal size, in their order.

    Args:
        batch: All their examples, with what those are conditioned on.
        count: How many minibatches.

    Raises:
        UserError: If the rows do not divide, or there are none.

    Example:
        >>> import torch
        >>> [(x.tolist(), condition) for x, condition in cut_into_minibatches((torch.arange(4), None), 2)]
        [([0, 1], None), ([2, 3], None)]
    """
    x, condition = batch
    rows = len(x)
    if rows % count or not rows:
        raise UserError(
            f"a batch of {rows} rows cannot be cut into {count} equal minibatches, one for each discriminator "
            f"step (k = {count}): expected a loader that gives a multiple of {count} rows and drops a smaller last "
            "batch."
        )
    conditions = [None] * count if condition is None else condition.tensor_split(count)
    return list(zip(x.tensor_split(count), conditions, strict=True))
