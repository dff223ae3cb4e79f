"""How each player is being moved: the norm of its gradient, and the rate and momentum of its optimiser."""

from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from torch.optim import Optimizer

from lit_gan.engine.lightning_seam import log_number, round_is_logged
from lit_gan.engine.players import Player
from lit_gan.engine.rounds import RoundModule
from lit_gan.schedules import OptimizerSetting


class PlayerMonitor(Callback):
    r"""Logs ``train/grad_norm_g``, ``train/grad_norm_d``, ``train/lr_g``, ``train/lr_d`` and the momenta.

    The norm is :math:`\|\nabla\|_2` over all of a player's parameters at its last update of the round, before clipping
    and averaged over the ranks; rate and momentum (``train/momentum_g``, ``train/momentum_d``, where the optimiser has
    one, and any other setting that an :class:`~lit_gan.schedules.OptimizerSetting` moves) are those of that update.
    Only rounds that are logged cost anything, and the norms wait for nothing.
    Players of another module bear their own names, as in ``train/lr_encoder``; one without ``players`` is left alone.

    Example:
        >>> callbacks = [PlayerMonitor()]  # of a plain Trainer: lit-gan fit and Run have one
    """

    def __init__(self) -> None:
        self._numbers: dict[str, Tensor] = {}

    @torch.no_grad()
    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        """Reads one player's numbers; the last of D's k updates is the one that stays."""
        # G's step is the one that counts, and is yet to be taken.
        if not isinstance(pl_module, RoundModule) or not round_is_logged(trainer, trainer.global_step + 1):
            return
        for player, mine in zip(pl_module.players.values(), trainer.optimizers, strict=True):
            if mine is optimizer:
                gradients = [parameter.grad for parameter in player.parameters if parameter.grad is not None]
                self._numbers[f"train/grad_norm_{player.short}"] = torch.nn.utils.get_total_norm(gradients)
                self._numbers |= _settings(optimizer, player)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Logs what the round's updates have left."""
        for name, value in self._numbers.items():
            log_number(pl_module, name, value)
        self._numbers = {}


def _settings(optimizer: Optimizer, player: Player) -> dict[str, Tensor]:
    """Of the first group of parameters: a GAN of ours gives its optimisers one.

    In double precision, in which they are kept: Lightning makes a float a tensor of single precision, and 0.1 is none.
    """
    group = optimizer.param_groups[0]
    settings: dict[str, Any] = {name: group[name] for name in ("lr", "momentum") if name in group}
    for scheduler in player.schedulers:
        if isinstance(scheduler, OptimizerSetting):
            settings[scheduler.name] = scheduler.in_group(group)
    return {
        f"train/{name}_{player.short}": torch.as_tensor(value, dtype=torch.float64, device="cpu")
        for name, value in settings.items()
    }
