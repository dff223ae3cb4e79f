"""What a condition is to a network: columns, one row for each image; in most, further ones of its dense part."""

import torch
from torch import Tensor

from lit_gan.errors import UserError

_IMAGE_DIMS = 4


def append_condition(features: Tensor, condition: Tensor | None, condition_size: int) -> Tensor:
    """``features`` with the condition's columns after its own.

    Images ``(N, C, H, W)`` are their pixels.

    Example:
        >>> append_condition(torch.zeros(1, 2), torch.ones(1, 1), condition_size=1)
        tensor([[0., 0., 1.]])
    """
    columns = condition_columns(features.shape[0], condition, condition_size)
    return features if columns is None else torch.cat((features, columns.to(features.dtype)), dim=1)


def condition_columns(rows: int, condition: Tensor | None, condition_size: int) -> Tensor | None:
    """The checked condition as ``(N, condition_size)``; ``None`` where there is none, and none is expected.

    Example:
        >>> condition_columns(2, torch.ones(2, 1, 2, 2), condition_size=4).shape
        torch.Size([2, 4])
    """
    if condition is None:
        if condition_size:
            raise UserError(
                f"got no condition (size 0), but the network has condition_size = {condition_size}: give it a "
                f"condition of shape ({rows}, {condition_size})."
            )
        return None
    columns = condition.flatten(1) if condition.ndim == _IMAGE_DIMS else condition
    if condition_size == 0:
        raise UserError(
            f"got a condition of shape {tuple(condition.shape)}, but the network has condition_size = 0: build it with "
            f"condition_size = {columns.shape[-1] if columns.ndim else 1}, or give no condition."
        )
    if columns.shape != (rows, condition_size):
        raise UserError(
            f"got a condition of shape {tuple(condition.shape)}: expected (N, condition_size) = "
            f"({rows}, {condition_size})."
        )
    return columns
