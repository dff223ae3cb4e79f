"""What an optimiser has taken back from a checkpoint, looked at before a fused kernel reads it: it checks no bounds."""

from collections.abc import Iterator
from numbers import Real
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from lit_gan.errors import UserError, in_short

_STEP = "step"  # the one tensor of a state that is no parameter's: how often it was updated


def check_taken_back(optimizer: Optimizer, player: str) -> None:
    """Refuses settings of another kind than the optimiser's own, and moments that are not of its weights.

    Args:
        optimizer: Right after its ``load_state_dict``.
        player: Whose, for the error.

    Raises:
        UserError: A fused kernel takes each moment to be as large as its weights, and would read, and write, beyond a
            smaller one.
    """
    fault = next(_faults(optimizer), None)
    if fault is not None:
        raise UserError(
            f"the checkpoint's optimiser of the {player} cannot go on: {fault}; give another checkpoint, or begin anew "
            "with its weights alone (--init_from PATH in place of --ckpt_path)."
        )
    _lay_out(optimizer)


def _lay_out(optimizer: Optimizer) -> None:
    """Moments lie in memory as their weights do: a fused kernel goes through both in one order."""
    for weights in (each for group in optimizer.param_groups for each in group["params"]):
        state = optimizer.state.get(weights, {})
        for name, value in state.items():
            dense = isinstance(value, Tensor) and value.layout == weights.layout == torch.strided
            if dense and value.shape == weights.shape and value.stride() != weights.stride():
                state[name] = torch.empty_like(weights, dtype=value.dtype).copy_(value)


def _faults(optimizer: Optimizer) -> Iterator[str]:
    for group in optimizer.param_groups:
        for name, default in optimizer.defaults.items():
            if name not in group and group.get("fused"):
                yield f"it has no {name}"
            if name in group and not _is_like(group[name], default):
                yield f"its {name} is {_shown(group[name])}, expected what is like {default!r}"
        for weights in group["params"] if group.get("fused") else ():
            for name, value in optimizer.state.get(weights, {}).items():
                if not _fits(name, value, weights):
                    yield f"{name} of weights {tuple(weights.shape)} is {_shown(value)}"


def _is_like(value: Any, default: Any) -> bool:
    """Whether a setting may stand where this default stands; of a default that is None nothing is known."""
    if isinstance(default, bool):
        return value is None or isinstance(value, bool)  # one that says which kernel is used may be left open
    if isinstance(default, (Real, Tensor)):
        one = value.numel() == 1 if isinstance(value, Tensor) else isinstance(value, Real)
        return one and not isinstance(value, bool)
    if isinstance(default, (list, tuple)):
        return isinstance(value, (list, tuple)) and len(value) == len(default) and all(map(_is_like, value, default))
    return True


def _fits(name: str, value: Any, weights: nn.Parameter) -> bool:
    if value is None:
        return True
    if not isinstance(value, Tensor):
        return False
    if name == _STEP:
        return value.numel() == 1
    # A few numbers may pass for many, as in `expand`; the kernel reads them one after the other.
    end = (value.storage_offset() + value.numel()) * value.element_size()
    return value.shape == weights.shape and value.untyped_storage().nbytes() >= end


def _shown(value: Any) -> str:
    return f"a tensor {tuple(value.shape)}" if isinstance(value, Tensor) else in_short(repr(value))
