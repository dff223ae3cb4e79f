"""What any module needs whose players move in rounds, be the game Algorithm 1 or the reader's own."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from typing import Any

from lightning.pytorch import Callback, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor, nn
from torch.optim import Optimizer

from lit_gan.engine.c_library import keep_freed_memory
from lit_gan.engine.lightning_seam import backward_is_plain, count_round, resume_between_epochs, step_of
from lit_gan.engine.loading import LoadableModule
from lit_gan.engine.players import Player, clear_gradients
from lit_gan.engine.precision import choose_scaler, scale_each_player
from lit_gan.engine.recorded_settings import apply_settings
from lit_gan.engine.resumption import check_checkpoints, keep_configured_patience
from lit_gan.engine.unsupported import OF_ROUNDS, Advice, check_trainer
from lit_gan.errors import UserError
from lit_gan.randomness import seed_global_generators
from lit_gan.schedules import Schedule
from lit_gan.strategies.ddp_gan import DDPGANStrategy, check_moves_players_apart
from lit_gan.strategies.step_count import StepCount


class RoundModule(LoadableModule):
    """A module of players that move in rounds: several networks, each with its own optimiser, losses and turns.

    One training step is one *round*. ``trainer.global_step``, ``max_steps``, checkpoints, schedules and loggers count
    rounds, however many players move in one, and however often. Each player has its own optimiser, schedules, clipping
    and, in 16-bit mixed precision, gradient scaler; all of them are in the checkpoint, and what a resumed run asks of
    them holds. With ``strategy="ddp_gan"`` it trains on several devices.

    A subclass calls :meth:`add_player` in its ``__init__`` for each network that learns, and writes ``training_step``
    of two contexts and Lightning's own ``manual_backward``: :meth:`round` around all of it, :meth:`turn` around each
    player's losses. A network that is no player, say a frozen encoder, is any submodule without trainable parameters.

    Example:
        >>> import torch
        >>> from functools import partial
        >>> from lightning.pytorch import Trainer
        >>> class Duel(RoundModule):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.painter, self.critic = torch.nn.Linear(2, 3), torch.nn.Linear(3, 1)
        ...         self.add_player("painter", self.painter, partial(torch.optim.Adam, lr=1e-3), clip=1.0)
        ...         self.add_player("critic", self.critic, partial(torch.optim.SGD, lr=0.1))
        ...
        ...     def training_step(self, batch, batch_idx):
        ...         z, x = batch
        ...         with self.round():
        ...             with self.turn("critic"):
        ...                 loss = self.critic(self.painter(z)) - self.critic(x)
        ...                 self.manual_backward(loss.mean())
        ...             with self.turn("painter"):
        ...                 self.manual_backward(-self.critic(self.painter(z)).mean())
        >>> trainer = Trainer(max_steps=3, accelerator="cpu", logger=False, enable_checkpointing=False,
        ...                   enable_progress_bar=False, enable_model_summary=False)
        >>> pairs = [(torch.ones(2), torch.zeros(3))] * 20
        >>> trainer.fit(Duel(), torch.utils.data.DataLoader(pairs, batch_size=4))
        >>> trainer.global_step
        3
    """

    _advice: Advice = OF_ROUNDS  # in place of what of the Trainer cannot serve such a module

    def __init__(self) -> None:
        super().__init__()
        self.save_construction()
        self.automatic_optimization = False
        #: Who plays, by name, in the order of the optimisers.
        self.players: dict[str, Player] = {}
        self._steps = StepCount()
        self._in_round = False
        self._plain_backward: bool | None = None  # not yet known
        self._step: Callable[[Optimizer], None] | None = None  # likewise

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_step": None}  # it knows the Trainer, which Lightning leaves behind, too

    # -- What a subclass calls --------------------------------------------------------------------------------------

    def add_player(
        self,
        name: str,
        network: nn.Module,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        schedules: Sequence[Schedule] = (),
        clip: float | None = None,
        short: str | None = None,
    ) -> None:
        """Lets a network play, in ``__init__``.

        Args:
            name: What it is called in :meth:`turn`, in logs and errors.
            network: The network, a submodule of this module.
            optimizer: Builds the optimiser from the network's parameters.
            schedules: What changes the rate and the momentum of its optimiser.
            clip: Largest L2 norm of its gradient; ``None`` leaves it alone.
            short: What its logged numbers, and the module's arguments for it, end with, as in ``optimizer_g`` and
                ``train/grad_norm_g``; the name if ``None``.

        Raises:
            UserError: If there is a player of that name, or it cannot be trained as asked.
        """
        if name in self.players:
            raise UserError(f"add_player({name!r}): there is one of that name: expected a name of its own for each.")
        self.players[name] = Player(name, network, optimizer, schedules, clip, short)

    @contextmanager
    def round(self) -> Iterator[None]:
        """One round, the whole of a training step: at its end it is counted, and the schedules step.

        Dropout and whatever else draws from torch's global generators within it is a function of the seed, the round
        and the rank, so that a resumed run draws the same.
        """
        seed_global_generators(self.seed, "round", self.global_step, self.global_rank, device=self.device)
        self._in_round = True
        try:
            yield
        finally:
            self._in_round = False
        count_round(self.trainer)
        self._step_schedules()

    @contextmanager
    def turn(self, player: str) -> Iterator[None]:
        """One player's turn: gradients flow into its weights alone, and at the end it moves.

        Within it the losses are handed to ``manual_backward``: one, or several that add up. Then the gradient is
        clipped, the optimiser steps and constrained weights are put back where they may be.

        Args:
            player: Whose.

        Raises:
            UserError: If there is no such player, or this is outside :meth:`round`.
        """
        if player not in self.players:
            raise UserError(f"turn({player!r}): expected one of the players {', '.join(self.players)}.")
        if not self._in_round:
            raise UserError(f"turn({player!r}) outside a round: expected it within `with self.round():`.")
        optimizer = self._optimizers()[player]
        clear_gradients(optimizer)
        choose_scaler(self.trainer, player)
        with ExitStack() as others:
            for name, other in self.players.items():
                if name != player:
                    others.enter_context(other.frozen())
            yield
        # Not through Lightning's wrapper of the optimiser: a step is what `round` counts.
        if self._step is None:
            self._step = step_of(self.trainer)
        self._step(optimizer)
        self.players[player].constrain()

    def manual_backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """As Lightning's; straight to the loss where nobody listens on the way, which is a twentieth of a short round.

        Args:
            loss: A scalar with a graph.
            *args: Further arguments of :meth:`torch.Tensor.backward`.
            **kwargs: Likewise.
        """
        if self._plain_backward is None:
            self._plain_backward = backward_is_plain(self.trainer)
        if self._plain_backward:
            loss.backward(*args, **kwargs)  # type: ignore[no-untyped-call]  # torch's own
        else:
            super().manual_backward(loss, *args, **kwargs)

    # -- What Lightning calls ---------------------------------------------------------------------------------------

    def configure_callbacks(self) -> list[Callback]:
        """None; but the first hook of a training, in which a Trainer that cannot serve this module is refused."""
        check_trainer(self.trainer, self._advice)
        return []

    def configure_optimizers(self) -> tuple[list[Optimizer], list[Any]]:
        """One optimiser per player, in their order, with the schedules of each."""
        self._check_players()
        check_moves_players_apart(self.trainer.strategy, self.trainer.world_size, self.players)
        optimizers = [player.build_optimizer() for player in self.players.values()]
        return optimizers, [each for player in self.players.values() for each in player.lightning_schedulers]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds what each player's optimiser and schedules were asked to be, for their state says what they became."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["lit_gan"]["settings"] = {name: asdict(player.settings) for name, player in self.players.items()}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Trains on as this module asks, and not as the one did that wrote the checkpoint."""
        super().on_load_checkpoint(checkpoint)
        if not is_fitted(self):
            return
        keep_configured_patience(self.trainer, checkpoint)
        if type(self).configure_optimizers is RoundModule.configure_optimizers:
            apply_settings(self.players, checkpoint, self.hparams)

    def setup(self, stage: str) -> None:
        """All ranks have the seed of rank 0; 16-bit mixed precision scales each player's loss by itself."""
        self._steps, self._plain_backward, self._step = StepCount(), None, None
        self._seed = self.trainer.strategy.broadcast(self.seed)
        scale_each_player(self.trainer, tuple(self.players))

    def on_fit_start(self) -> None:
        """Checkpoints are written whole, and gone on from where they were; a round has the memory of the one before."""
        check_checkpoints(self.trainer)
        resume_between_epochs(self.trainer)
        if self.device.type == "cpu":
            keep_freed_memory([weight.nbytes for player in self.players.values() for weight in player.parameters])

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """A round that counts more than once is noticed; under ``ddp_gan`` the strategy does so, for any module."""
        if not isinstance(self.trainer.strategy, DDPGANStrategy):
            self._steps.begin_batch(self)

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """As :meth:`on_train_batch_start`; and Lightning passes over a batch that is nothing, which here is an error.

        Raises:
            UserError: If the loader gives ``None``.
        """
        if batch is None:
            raise UserError("the training loader gives None for a batch: expected the examples, a tensor (N, C, H, W).")
        self._steps.end_batch(self)

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Clips the gradient of the player that moves: not sooner, for 16-bit mixed precision scales it until here."""
        for name, own in self._optimizers().items():
            if own is optimizer:
                self.players[name].clip_gradients()

    def on_train_epoch_end(self) -> None:
        """Steps the schedules that watch a metric; all others step inside the round."""
        every = self.trainer.check_val_every_n_epoch or 1
        # Told by the epoch's number, not by what has been logged: a resumed run does not know the last validation.
        validated = not self.trainer.enable_validation or (self.current_epoch + 1) % every == 0
        for player in self.players.values():
            player.step_plateau_schedules(self.trainer.callback_metrics, validated=validated)

    # -- Parts ------------------------------------------------------------------------------------------------------

    def _optimizers(self) -> dict[str, Optimizer]:
        return dict(zip(self.players, self.trainer.optimizers, strict=True))

    def _step_schedules(self) -> None:
        """At the end of the round, so that a checkpoint taken after it holds the schedules where they belong."""
        for player in self.players.values():
            player.step_schedules("round")
            if self.trainer.is_last_batch:
                player.step_schedules("epoch")

    def _check_players(self) -> None:
        name = type(self).__name__
        if not self.players:
            raise UserError(f"{name} has no players: expected self.add_player(...) in its __init__ for each.")
        modules = set(self.modules())
        for player, each in self.players.items():
            if each.network not in modules:
                raise UserError(
                    f"the player {player!r} is no part of {name}, and no checkpoint would hold it: expected its "
                    f"network as an attribute, say self.{player} = network."
                )


def is_fitted(module: LoadableModule) -> bool:
    """Whether a trainer trains it; no property, for TorchScript compiles these."""
    try:
        return module.trainer.state.fn == TrainerFn.FITTING
    except RuntimeError:  # loaded without a trainer
        return False


def planned_rounds(trainer: Trainer) -> int | None:
    """How many rounds a whole training has; ``None`` where nothing bounds it."""
    epochs, steps, per_epoch = trainer.max_epochs, trainer.max_steps, trainer.num_training_batches
    limits = [steps] if steps >= 0 else []
    if epochs is not None and epochs >= 0 and per_epoch != float("inf"):
        limits.append(epochs * int(per_epoch))
    return min(limits, default=None)
