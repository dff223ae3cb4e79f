"""Stops a run whose losses or weights are not finite, before a checkpoint of them is written."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

from lit_gan.engine.lightning_seam import callbacks_of, log_interval_of
from lit_gan.errors import RunError
from lit_gan.runs.checkpoint_files import newest_checkpoint
from lit_gan.runs.record import NAN

_NEVER = torch.iinfo(torch.int64).max
_MOST_UNREAD = 1000  # losses, where nothing is logged and nothing saved


class NumericGuard(Callback):
    """Watches each player's loss and weights for NaN and infinity.

    Losses are kept on the device and read, with the weights, every ``log_every_n_steps`` rounds and before every
    checkpoint: no round waits for it, and no checkpoint is ever bad.
    Under several ranks all of them stop.

    Raises:
        RunError: With the round, the player, the last good checkpoint and what to try. Its run is never continued.

    Example:
        >>> callbacks = [NumericGuard()]  # of a plain Trainer: lit-gan fit and Run have one
    """

    def __init__(self) -> None:
        self._first_bad: dict[str, Tensor] = {}
        self._unread: dict[str, list[tuple[int, Tensor]]] = {}  # losses with their rounds

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Nothing is bad yet."""
        self._first_bad, self._unread = {}, {}

    @torch.no_grad()
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Notes the round's losses where the module returns them by name, and reads the notes now and then."""
        losses, rounds = outputs if isinstance(outputs, Mapping) else {}, trainer.global_step
        for name, loss in losses.items():
            if isinstance(loss, Tensor) and loss.numel() == 1:
                self._unread.setdefault(name, []).append((rounds, loss.detach()))
                if len(self._unread[name]) == _MOST_UNREAD:
                    self._read(name)
        interval = log_interval_of(trainer)
        if interval and rounds % interval == 0:
            self.check(trainer)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """No samples of lost weights are scored: what the score says of them would hide what went wrong."""
        if trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking:
            self.check(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The last rounds are read, too, where no checkpoint is written of them."""
        self.check(trainer)

    @torch.no_grad()
    def check(self, trainer: Trainer) -> None:
        """Raises if anything is bad; all ranks call it together.

        Args:
            trainer: Whose module is looked at.

        Raises:
            RunError: See the class.
        """
        for name in list(self._unread):
            self._read(name)
        module = trainer.lightning_module
        players = {
            name or type(module).__name__: list(part.parameters(recurse=bool(name)))
            for name, part in [("", module), *module.named_children()]
        }
        players = {name: weights for name, weights in players.items() if weights}
        names = sorted({*players, *self._first_bad})
        if not names:
            return
        device = trainer.strategy.root_device
        never = torch.full((), _NEVER, device=device)
        losses = [self._first_bad.get(name, never).to(device) for name in names]
        weights = [torch.where(_finite(players[name]), never, 0) if name in players else never for name in names]
        found = torch.stack([*losses, *weights])
        first: list[int] = trainer.strategy.reduce(found, reduce_op="min").tolist()
        by_loss, by_weight = first[: len(names)], first[len(names) :]
        if min(by_loss) < _NEVER:
            name = names[by_loss.index(min(by_loss))]
            whose = "the loss" if name == "loss" else f"the loss of the {name}"  # Lightning's own name for the only one
            raise self._failure(trainer, f"{whose} is not finite", min(by_loss))
        if min(by_weight) < _NEVER:
            name = names[by_weight.index(0)]
            raise self._failure(trainer, f"weights of the {name} are not finite", trainer.global_step)

    def _read(self, name: str) -> None:
        """Finds the first bad one among a player's unread losses, on their device."""
        rounds, losses = zip(*self._unread.pop(name), strict=True)
        finite = torch.stack([loss.reshape(()) for loss in losses]).isfinite()
        first = torch.where(finite, _NEVER, torch.tensor(rounds, device=finite.device)).min()
        self._first_bad[name] = torch.minimum(self._first_bad.get(name, first), first)

    def _failure(self, trainer: Trainer, fault: str, round_number: int) -> RunError:
        folders = [
            folder for callback in trainer.checkpoint_callbacks if (folder := getattr(callback, "dirpath", None))
        ]
        good = newest_checkpoint(folders[0]) if folders else None
        left = "no checkpoint was written before" if good is None else f"the last good checkpoint is {good}"
        return RunError(
            f"{NAN}: {fault} after round {round_number}; {left}. Try lower learning rates, clip_g and clip_d, "
            "--trainer.precision 32-true (or bf16-mixed instead of 16-mixed), or another seed."
        )


def check_numbers(trainer: Trainer) -> None:
    """Lets the trainer's guard look before something is kept."""
    for callback in callbacks_of(trainer):
        if isinstance(callback, NumericGuard):
            callback.check(trainer)


def _finite(weights: Sequence[Tensor]) -> Tensor:
    """Whether all weights are finite, as a tensor on their device."""
    floating = [each.detach() for each in weights if each.is_floating_point() and each.numel()]
    if not floating:
        return weights[0].new_ones((), dtype=torch.bool)
    # A NaN is both; on a CPU a sixth of the time of the greatest absolute value, and a tenth of that of isfinite().
    return torch.stack([bound for each in floating for bound in torch.aminmax(each)]).isfinite().all()
