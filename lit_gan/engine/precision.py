"""16-bit mixed precision for two players: a gradient scaler for each of them."""

import copy
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from lightning.fabric.utilities.types import Optimizable
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.plugins.precision import MixedPrecision

from lit_gan.engine.lightning_seam import has_unscaled_for


class PlayerMixedPrecision(MixedPrecision):
    """Lightning's ``16-mixed`` with one gradient scaler per player, all of them in the checkpoint.

    A scaler multiplies a loss so that its small gradients survive in 16 bits, grows after a number of steps without an
    overflow, and halves after one, whose step it skips. Shared by two players, one's overflow would halve the other's
    scale, and k + 1 updates a round would make it grow k + 1 times too fast.

    Args:
        precision: ``16-mixed``; ``bf16-mixed`` needs no scaler, and none of this.
        device: Where ``torch.autocast`` acts.
        scaler: What each player's scaler is a copy of; torch's defaults if ``None``.
        players: Their names.

    Example:
        >>> precision = PlayerMixedPrecision("16-mixed", device="cpu", players=("painter", "critic"))
        >>> sorted(precision.scalers)
        ['critic', 'painter']

    Reference:
        Micikevicius et al. 2018, *Mixed Precision Training*, section 3.2.
    """

    def __init__(
        self,
        precision: Literal["16-mixed", "bf16-mixed"],
        device: str,
        scaler: torch.amp.GradScaler | None = None,
        players: Sequence[str] = ("generator", "discriminator"),
    ) -> None:
        super().__init__(precision, device, scaler)
        #: Each player's own; Lightning's ``scaler`` is that of the player who moves.
        self.scalers = {} if self.scaler is None else {name: copy.deepcopy(self.scaler) for name in players}
        self.let_move(players[0])

    def let_move(self, player: str) -> None:
        """Says whose losses are scaled and whose optimiser steps from now on.

        Args:
            player: Who moves.
        """
        self.scaler = self.scalers.get(player)

    def optimizer_step(  # type: ignore[override]  # Lightning's own does the same to its base class
        self, optimizer: Optimizable, model: LightningModule, closure: Callable[[], Any], **kwargs: Any
    ) -> Any:
        """As Lightning's, but gradients are unscaled before they are clipped with fused optimisers, too."""
        if self.scaler is not None and has_unscaled_for(optimizer):
            self.scaler.unscale_(optimizer)  # type: ignore[arg-type]  # one protocol for all kinds of optimiser
        return super().optimizer_step(optimizer, model=model, closure=closure, **kwargs)

    def state_dict(self) -> dict[str, Any]:
        """Every player's scale and its count of steps without an overflow."""
        return {name: scaler.state_dict() for name, scaler in self.scalers.items()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes back what :meth:`state_dict` gave."""
        for name, scaler in self.scalers.items():
            scaler.load_state_dict(state_dict[name])


def scale_each_player(trainer: Trainer, players: Sequence[str]) -> None:
    """Puts one scaler per player in place of Lightning's one, where 16-bit mixed precision was chosen."""
    plugin = trainer.precision_plugin
    if type(plugin) is MixedPrecision and plugin.scaler is not None:
        trainer.strategy.precision_plugin = PlayerMixedPrecision("16-mixed", plugin.device, plugin.scaler, players)


def choose_scaler(trainer: Trainer, player: str) -> None:
    """Lets a player's own scaler work, where there is one per player."""
    plugin = trainer.precision_plugin
    if isinstance(plugin, PlayerMixedPrecision):
        plugin.let_move(player)
