"""A mean over the processes of a training, whose gradient stays with this one."""

import torch
from torch import Tensor
from torch.distributed import ReduceOp


def mean_over_ranks(x: Tensor) -> Tensor:
    """The mean of ``x`` over all ranks, where there are several; the gradient is that of this rank's own ``x``.

    A function f of it then has, averaged over the ranks as ``ddp_gan`` does it, the gradient that one process has of f
    on the global batch. All ranks call it together.

    Example:
        >>> mean_over_ranks(torch.ones(2))
        tensor([1., 1.])
    """
    if not torch.distributed.is_initialized() or torch.distributed.get_world_size() == 1:
        return x
    total = x.detach().clone()
    torch.distributed.all_reduce(total, ReduceOp.SUM)
    return x + (total / torch.distributed.get_world_size() - x.detach())
