"""In mixed precision each call of a layer casts its weight; a large one of a network that stands still is cast once."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import MethodType
from typing import Any
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lit_gan.functional.torch_seam import changes_of

_LARGE = 2**22  # values: with fewer the cast takes no longer than what spares it

# Of each layer: of which tensor, after how many changes and where its values are, and the cast.
_CASTS: WeakKeyDictionary[nn.Module, tuple[Tensor | None, tuple[int, ...], Tensor]] = WeakKeyDictionary()


@contextmanager
def cast_once(network: nn.Module, device: str) -> Iterator[None]:
    """Within this context, autocast has one cast of the weight of each large dense layer, to the same bits.

    A generator is called once for each of D's updates and once for its own, and its largest weights take longer to cast
    than to multiply by a minibatch. A weight that is moved within the context is cast anew. Layers are torch's own
    ``nn.Linear`` and what calls as it does. In a graph that is compiled the compiler places the casts.

    Args:
        network: The network, none of whose weights moves but at the context's end.
        device: The kind of device that autocast is asked of.
    """
    layers = list(_dense_layers(network)) if torch.is_autocast_enabled(device) else []
    for layer in layers:
        layer.forward = MethodType(_forward, layer)  # the same function in each round: what is compiled stays so
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward
            _CASTS.pop(layer, None)


def _dense_layers(network: nn.Module) -> Iterator[Any]:
    for layer in network.modules():
        plain = (
            isinstance(layer, nn.Linear) and type(layer).forward is nn.Linear.forward and "forward" not in vars(layer)
        )
        # Not asked of the layer itself: a weight that is computed changes when it is asked for.
        weight = dict(layer.named_parameters(recurse=False)).get("weight") if plain else None
        if weight is not None and weight.numel() >= _LARGE:
            yield layer


def _forward(layer: nn.Linear, x: Tensor) -> Tensor:
    if torch.compiler.is_compiling():
        return F.linear(x, layer.weight, layer.bias)
    weight, device = layer.weight, x.device.type
    if (
        not torch.is_autocast_enabled(device) or weight.dtype != torch.float32
    ):  # somebody has left it; it casts no other
        return F.linear(x, weight, layer.bias)
    learns = torch.is_grad_enabled() and weight.requires_grad
    cast = _cast_of(layer, weight, torch.get_autocast_dtype(device))
    return F.linear(x, _Cast.apply(weight, cast) if learns else cast, layer.bias)


def _cast_of(layer: nn.Linear, weight: Tensor, dtype: torch.dtype) -> Tensor:
    of, state, cast = _CASTS.get(layer, (None, (), weight))
    # Another tensor may stand in its place for a call, as by `torch.func.functional_call`; or other values in the
    # tensor, as where G's average is: but only the layer's own is asked where its values are, for not all know.
    if of is not weight or state != (changes_of(weight), weight.data_ptr()):
        cast = weight.detach().to(dtype)
        known = isinstance(weight, nn.Parameter)
        _CASTS[layer] = (weight, (changes_of(weight), weight.data_ptr()), cast) if known else (None, (), cast)
    return cast


class _Cast(torch.autograd.Function):
    """``weight.to(cast.dtype)``, which is there already."""

    generate_vmap_rule = True

    @staticmethod
    def forward(weight: Tensor, cast: Tensor) -> Tensor:  # noqa: ARG004 -- whose gradient it is
        return cast.detach()

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:  # noqa: ARG004 -- torch gives both
        ctx.dtype = inputs[0].dtype

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        [gradient] = gradients
        return gradient.to(ctx.dtype), None
