"""Batch-norm statistics of weights that no training step has run with: an average's."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from lit_gan.functional.torch_seam import BatchNorm
from lit_gan.networks.parameter_names import plain_name

BATCH_ROWS = 100  # memory for a batch of maps, and a mean over many batches
_DENSE_ROWS = 10_000  # 256 rows cost 3 nats of the Parzen score on MNIST, 10,000 none
_MAP_ROWS = 1_000  # each row of maps is many values of a channel


def batch_norms(network: nn.Module) -> dict[str, BatchNorm]:
    """The batch norms of a network that keep statistics, by plain name."""
    return {
        plain_name(name): module
        for name, module in network.named_modules()
        if isinstance(module, BatchNorm) and module.running_mean is not None
    }


def rows_needed(norms: Iterable[nn.Module]) -> int:
    """How many rows the statistics are taken over, a multiple of ``BATCH_ROWS``."""
    return _MAP_ROWS if all(isinstance(norm, nn.BatchNorm2d | nn.BatchNorm3d) for norm in norms) else _DENSE_ROWS


@torch.no_grad()
def batch_statistics(norms: Mapping[str, BatchNorm], passes: Iterable[object]) -> dict[str, Tensor]:
    """The statistics over several forward passes, as torch accumulates them with ``momentum=None``.

    Each norm has the statistics of its batch, as in training, while all else is as the caller wants samples to be: in
    evaluation mode there is no dropout, no power iteration, and no message between ranks.
    """
    sums: dict[str, Tensor] = {}
    calls = dict.fromkeys(norms, 0)

    def observe(name: str) -> Callable[[BatchNorm, tuple[Any, ...]], None]:
        def hook(norm: BatchNorm, inputs: tuple[Any, ...]) -> None:
            x: Tensor = inputs[0]
            variance, mean = torch.var_mean(x.to(_precise(x)), [0, *range(2, x.ndim)], correction=0)
            _fill(norm, mean, variance)
            observed = x.numel() // x.shape[1]
            batch = torch.stack([mean, variance * (observed / (observed - 1))])
            sums[name] = sums[name] + batch if calls[name] else batch
            calls[name] += 1

        return hook

    with ExitStack() as hooks:
        for name, norm in norms.items():
            hooks.enter_context(norm.register_forward_pre_hook(observe(name)))
        for _ in passes:
            pass
    statistics: dict[str, Tensor] = {}
    for name, total in sums.items():
        statistics[f"{name}.running_mean"], statistics[f"{name}.running_var"] = (total / calls[name]).unbind()
    return statistics


def _precise(x: Tensor) -> torch.dtype:
    return torch.promote_types(x.dtype, torch.float32)


def _fill(norm: BatchNorm, mean: Tensor, variance: Tensor) -> None:
    assert norm.running_mean is not None  # noqa: S101 -- these keep statistics
    assert norm.running_var is not None  # noqa: S101
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)
