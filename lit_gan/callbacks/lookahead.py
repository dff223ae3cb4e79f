"""Lookahead over all players at once: slow weights that follow the fast ones, and take them back."""

from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from lit_gan.engine.lightning_seam import callbacks_of
from lit_gan.engine.rounds import RoundModule
from lit_gan.errors import UserError
from lit_gan.functional.torch_seam import move_towards
from lit_gan.networks.parameter_names import plain_parameters

_KEY = "lookahead"  # not a callback's state: of two, Lightning would refuse the second in its own words


class Lookahead(Callback):
    r"""After every k rounds all players go back part of the way, to slow weights that follow them.

    .. math:: \phi \leftarrow \phi + \alpha (\theta - \phi), \qquad \theta \leftarrow \phi

    where :math:`\theta` are the weights of *both* players, or of all that a :class:`lit_gan.RoundModule` has, and
    :math:`\phi` their slow weights, at the start the weights that training begins with. Players that circle around each
    other end a cycle on its other side, and half of the way back is further in: on :math:`\min_x \max_y xy` alternating
    steps of rate :math:`\eta` shrink by :math:`|1 - \alpha + \alpha e^{ik\omega}|` in k rounds, where
    :math:`\cos \omega = 1 - \eta^2 / 2`; without it they shrink by nothing.

    Adam's moments, schedules and buffers are left alone, and constrained weights put back where they may be. It costs a
    copy of the weights, and no time. The slow weights are in the checkpoint: a resumed run goes on to the bit. All
    ranks do the same, and send nothing. It acts before all other callbacks, wherever it stands among them: so a
    :class:`GeneratorEMA` averages, and checkpoints and evaluations see, the weights that the next round begins with.
    What is seen between two of its steps are fast weights; let validations fall on multiples of k where that matters.

    Args:
        k: Rounds between two steps; 5 to 1,000 are published.
        alpha: :math:`\alpha`, in (0, 1]; 1 leaves the weights alone.

    Raises:
        UserError: If a number is outside its range; when training starts, if there is another ``Lookahead``, or what is
            trained has no players.

    Example:
        >>> from lit_gan.callbacks import GeneratorEMA
        >>> callbacks = [Lookahead(k=100), GeneratorEMA(horizon=0.1)]

    Reference:
        Chavdarova, Pagliardini, Stich, Fleuret and Jaggi 2021, *Taming GANs with Lookahead-Minmax*.
    """

    def __init__(self, k: int = 5, alpha: float = 0.5) -> None:
        if k < 1:
            raise UserError(f"Lookahead k = {k}: expected at least 1 round.")
        if not 0 < alpha <= 1:
            raise UserError(f"Lookahead alpha = {alpha}: expected a number in (0, 1].")
        self.k = k
        self.alpha = alpha
        self._slow: dict[str, Tensor] = {}
        self._is_restored = False

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Takes its place before the other callbacks, of which none may be another one."""
        callbacks = callbacks_of(trainer)
        if (count := sum(isinstance(callback, Lookahead) for callback in callbacks)) > 1:
            raise UserError(f"{count} callbacks Lookahead: the players have one set of slow weights: expected one.")
        # Safe while Lightning goes through the list: what moves up by one has had its turn.
        callbacks.remove(self)
        callbacks.insert(0, self)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begins at the weights that training begins with, or goes on with the checkpoint's slow ones."""
        weights = _weights(pl_module)
        kept = self._slow if self._is_restored else {}
        self._is_restored = False
        if kept and kept.keys() != weights.keys():
            raise UserError(
                "Lookahead: the checkpoint has slow weights of other players: expected those that it was written with, "
                "or a start with the weights alone (--init_from PATH in place of --ckpt_path)."
            )
        self._slow = {name: kept.get(name, each).detach().to(each, copy=True) for name, each in weights.items()}

    @torch.no_grad()
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        """The step, after every k-th round of the training."""
        if trainer.global_step % self.k:
            return
        weights = _weights(pl_module)
        slow = list(self._slow.values())
        fast = [weights[name] for name in self._slow]
        move_towards(slow, fast, self.alpha)
        for weight, target in zip(fast, slow, strict=True):
            weight.copy_(target)
        for player in _round_module(pl_module).players.values():
            player.constrain()

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Adds the slow weights, by player and name."""
        checkpoint[_KEY] = dict(self._slow)

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """The training that starts next goes on with the slow weights of a checkpoint that has some."""
        self._slow = dict(checkpoint.get(_KEY, {}))
        self._is_restored = bool(self._slow)


def _weights(module: LightningModule) -> dict[str, Tensor]:
    """What the players learn."""
    return {
        f"{name}.{path}": weight
        for name, player in _round_module(module).players.items()
        for path, weight in plain_parameters(player.network).items()
        if weight.requires_grad
    }


def _round_module(module: LightningModule) -> RoundModule:
    if not isinstance(module, RoundModule):
        raise UserError(f"Lookahead moves the players of a lit_gan.GAN or RoundModule: got a {type(module).__name__}.")
    return module
