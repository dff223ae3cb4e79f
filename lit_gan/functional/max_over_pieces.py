"""The maximum over the linear pieces of maxout units, whose backward pass costs half of torch's."""

from typing import Any

import torch
from torch import Tensor

from lit_gan.functional.torch_seam import transforms_are_active


def max_over_pieces(values: Tensor, dim: int) -> Tensor:
    """``values.amax(dim)``, bit by bit, and so are its gradients: pieces that share a maximum share its gradient.

    Torch's backward pass makes the mask of the winners a truth value, counts it in integers and converts both. On the
    CPU here it is one number from the start.

    Example:
        >>> max_over_pieces(torch.tensor([[1.0, 3.0], [2.0, 0.0]]), dim=0)
        tensor([2., 3.])
    """
    if torch.compiler.is_compiling() or values.device.type != "cpu" or transforms_are_active():
        return values.amax(dim)
    maximum: Tensor = _Max.apply(values, dim)
    return maximum


class _Max(torch.autograd.Function):
    """All of its backward pass is torch's own operations, and so it can be differentiated again."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, dim: int) -> Tensor:
        maximum, ctx.dim = values.amax(dim), dim
        ctx.save_for_backward(values, maximum)
        return maximum

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        values, maximum = ctx.saved_tensors
        won = torch.empty_like(values)
        torch.eq(values.detach(), maximum.detach().unsqueeze(ctx.dim), out=won)
        return (gradient / won.sum(ctx.dim)).unsqueeze(ctx.dim) * won, None
