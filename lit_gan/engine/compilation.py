"""Networks that `torch.compile` runs in the rounds of a training, and nowhere else."""

import weakref
from collections.abc import Callable
from types import MethodType
from typing import Any, Literal

import torch
from torch import Tensor, nn

#: What of `torch.compile` is asked for: "reduce-overhead" and "max-autotune" run CUDA graphs where there is a GPU.
CompileMode = Literal["default", "reduce-overhead", "max-autotune"]

_COMPILED: weakref.WeakKeyDictionary[nn.Module, "_Compiled"] = weakref.WeakKeyDictionary()


class _Compiled:
    """A network's compiled forward pass."""

    def __init__(self, network: nn.Module, mode: CompileMode, backend: str | Callable[..., Any]) -> None:
        own = MethodType(type(network).forward, network)
        # A compiler of another kind than torch's own takes no mode.
        kwargs: dict[str, Any] = {"mode": mode} if backend == "inductor" and mode != "default" else {}
        self._forward = torch.compile(own, backend=backend, dynamic=False, **kwargs)
        self._replays = mode != "default"
        self.was_called = False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        said = self._forward(*args, **kwargs)
        self.was_called = True
        # What a CUDA graph gives is overwritten when the graph runs again: by the next turn, within the same round.
        return said.clone() if self._replays and isinstance(said, Tensor) and said.is_cuda else said


def compile_network(
    network: nn.Module, mode: CompileMode = "default", backend: str | Callable[..., Any] = "inductor"
) -> None:
    """Lets a network be compiled when it is called in training mode; one that is compiled already is left alone.

    Its names in a state dict stay, and a deep copy is a plain module. In evaluation mode it runs as ever: the size of a
    batch is another there, and so is the graph.
    """
    if "_orig_mod" in dict(network.named_children()) or "forward" in vars(network) or network in _COMPILED:
        return
    _COMPILED[network] = _Compiled(network, mode, backend)
    network.forward = MethodType(_forward, network)


def leave_uncompiled(network: nn.Module) -> None:
    """Makes a network, or a copy of one, what it was before :func:`compile_network`."""
    _COMPILED.pop(network, None)
    if getattr(vars(network).get("forward"), "__func__", None) is _forward:
        del network.forward


def runs_compiled(network: nn.Module) -> bool:
    """Whether a compiled forward pass of it has been called."""
    return network in _COMPILED and _COMPILED[network].was_called


def _forward(network: nn.Module, *args: Any, **kwargs: Any) -> Any:
    compiled = _COMPILED.get(network)
    if compiled is None or not network.training:  # a copy; or what is evaluated
        return type(network).forward(network, *args, **kwargs)
    return compiled(*args, **kwargs)
