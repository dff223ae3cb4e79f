"""DistributedDataParallel around one player of the game, standing beside the module tree instead of in it."""

import weakref
from collections.abc import Callable
from types import MethodType
from typing import Any

import torch
from torch import nn

from lit_gan.functional.torch_seam import RoutedDDP

_ROUTES: weakref.WeakKeyDictionary[nn.Module, "PlayerDDP"] = weakref.WeakKeyDictionary()


class PlayerDDP(RoutedDDP):
    """One player's reducer: averages that player's gradients over the ranks while its backward pass runs.

    The player stays where it is in its module, under its own name: the state-dict keys do not change, and nobody has to
    call another object. Between :meth:`route` and :meth:`unroute` a call of the player goes through its reducer where
    gradients will flow into it, and straight to its own ``forward`` otherwise (under ``no_grad``, or while the player
    is frozen).
    """

    def __init__(self, player: nn.Module, **kwargs: Any) -> None:
        super().__init__(player, **kwargs)
        self.reduced = frozenset(id(parameter) for parameter in player.parameters() if parameter.requires_grad)
        #: Whether the gradients of the next optimiser step have been, or are going to be, averaged over the ranks.
        self.armed = False
        self._own_forward: Callable[..., Any] | None = player.__dict__.get("forward")  # a compiled module has one

    def route(self) -> None:
        """Lets calls of the player go through here."""
        _ROUTES[self.module] = self
        # A bound method and a registry by the module, not a closure: a deep copy of the player is a plain module.
        self.module.forward = MethodType(_forward, self.module)

    def unroute(self) -> None:
        """Makes the player an ordinary module again."""
        _ROUTES.pop(self.module, None)
        self.module.__dict__.pop("forward", None)
        if self._own_forward is not None:
            self.module.forward = self._own_forward

    def call_player(self, *args: Any, **kwargs: Any) -> Any:
        """The player's own ``forward``; its hooks are run by the call that led here, once."""
        if self._own_forward is not None:
            return self._own_forward(*args, **kwargs)
        return type(self.module).forward(self.module, *args, **kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """A forward pass whose backward pass averages the gradients, unless within ``no_sync``."""
        self.armed |= self.require_backward_grad_sync
        return super().__call__(*args, **kwargs)


def _forward(player: nn.Module, *args: Any, **kwargs: Any) -> Any:
    ddp = _ROUTES.get(player)
    if ddp is None:  # a copy of a player
        return type(player).forward(player, *args, **kwargs)
    if torch.is_grad_enabled() and any(parameter.requires_grad for parameter in player.parameters()):
        return ddp(*args, **kwargs)
    return ddp.call_player(*args, **kwargs)
