"""A loader's batch, cut into the minibatches of a round."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from lit_gan.errors import UserError

#: Examples, and what they are conditioned on.
Minibatch = tuple[Tensor, Tensor | None]


class Piece(NamedTuple):
    """Some rows of a turn's minibatch, which pass through the networks together.

    Args:
        x: Their examples.
        z: Their latents.
        condition: What they are conditioned on, or ``None``.
        rows: Which rows they are.
        rows_in_all: How many rows the minibatch has.
        turn: Which turn of the round it is.
    """

    x: Tensor
    z: Tensor
    condition: Tensor | None
    rows: slice
    rows_in_all: int
    turn: int

    @property
    def share(self) -> float:
        """Its part of the minibatch."""
        return self.x.shape[0] / self.rows_in_all

    def changed(self, images: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
        """Images after a random change that acts on the whole minibatch; see :func:`changed_as_whole`."""
        return changed_as_whole(images, change, self.rows, self.rows_in_all)


def changed_as_whole(images: Tensor, change: Callable[[Tensor], Tensor], rows: slice, rows_in_all: int) -> Tensor:
    """Images after a random change that acts on the whole minibatch: a row's draws do not depend on the pieces."""
    if len(images) == rows_in_all or len(images) != rows.stop - rows.start:
        return change(images)
    others = images.new_zeros(rows_in_all, *images.shape[1:])
    return change(torch.cat([others[: rows.start], images, others[rows.stop :]]))[rows]


def cut_into_pieces(x: Tensor, z: Tensor, condition: Tensor | None, count: int, turn: int) -> Iterator[Piece]:
    """A minibatch in pieces of about equal size, in their order."""
    rows_in_all = x.shape[0]
    if count == 1:
        yield Piece(x, z, condition, slice(0, rows_in_all), rows_in_all, turn)
        return
    conditions = [None] * count if condition is None else condition.tensor_split(count)
    start = 0
    for x_part, z_part, condition_part in zip(x.tensor_split(count), z.tensor_split(count), conditions, strict=True):
        rows = slice(start, start + len(x_part))
        yield Piece(x_part, z_part, condition_part, rows, rows_in_all, turn)
        start = rows.stop


def cut_into_minibatches(batch: Minibatch, count: int, own: int = 0) -> list[Minibatch]:
    """Minibatches of equal size, in their order.

    Example:
        >>> import torch
        >>> [(x.tolist(), condition) for x, condition in cut_into_minibatches((torch.arange(4), None), 2)]
        [([0, 1], None), ([2, 3], None)]
    """
    x, condition = batch
    rows = x.shape[0]
    if rows % count or not rows:
        whose = f"one for each discriminator step (k = {count - own}){' and one for the generator' if own else ''}"
        raise UserError(
            f"a batch of {rows} rows cannot be cut into {count} equal minibatches, {whose}: expected a loader that "
            f"gives a multiple of {count} rows and drops a smaller last batch."
        )
    if count == 1:
        return [batch]
    conditions = [None] * count if condition is None else condition.tensor_split(count)
    return list(zip(x.tensor_split(count), conditions, strict=True))
