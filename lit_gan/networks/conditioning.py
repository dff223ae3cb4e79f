"""What a condition is to a network: further columns of the input of its dense part."""

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
    if condition is None:
        if condition_size:
            raise UserError(
                f"got no condition (size 0), but the network has condition_size = {condition_size}: give it a "
                f"condition of shape ({features.shape[0]}, {condition_size})."
            )
        return features
    columns = condition.flatten(1) if condition.ndim == _IMAGE_DIMS else condition
    if condition_size == 0:
        raise UserError(
            f"got a condition of shape {tuple(condition.shape)}, but the network has condition_size = 0: build it with "
            f"condition_size = {columns.shape[-1] if columns.ndim else 1}, or give no condition."
        )
    if columns.shape != (features.shape[0], condition_size):
        raise UserError(
            f"got a condition of shape {tuple(condition.shape)}: expected (N, condition_size) = "
            f"({features.shape[0]}, {condition_size})."
        )
    return torch.cat((features, columns.to(features.dtype)), dim=1)
