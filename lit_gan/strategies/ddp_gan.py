"""The strategy ``ddp_gan``: distributed data parallel training for modules with more than one player.

Lightning's ``ddp`` puts one reducer around the whole module, which expects every parameter in every backward pass. A
GAN's backward passes touch one player each: plain DDP fails, and with ``find_unused_parameters`` it walks the graph and
sends both players' gradients in each of them.
"""

import inspect
import os
from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any

import torch
from lightning.fabric.plugins import ClusterEnvironment
from lightning.pytorch import LightningModule
from lightning.pytorch.strategies import Strategy, StrategyRegistry
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer

from lit_gan.errors import UserError
from lit_gan.randomness import seed_global_generators
from lit_gan.strategies.launcher import WatchedLauncher
from lit_gan.strategies.lightning_seam import ReducingStrategy, sync_module_states
from lit_gan.strategies.peers.watch import PeerWatch
from lit_gan.strategies.player_ddp import PlayerDDP
from lit_gan.strategies.step_count import StepCount

NAME = "ddp_gan"
_LAST_SECONDS = 3.0  # for the ranks that this process started, when it has to leave
_USUAL_PLAYERS = ("generator", "discriminator")


class DDPGANStrategy(ReducingStrategy):
    r"""One reducer per player: each update sends the gradients of the player that moves, once, while they are computed.

    .. math:: \nabla_{player} = \frac{1}{W} \sum_{rank = 1}^{W} \nabla_{player}^{(rank)}

    Works for any LightningModule with manual optimisation whose players are submodules: name them, or call them
    ``generator`` and ``discriminator``. The wrappers stand outside the module tree, so that state-dict keys never
    change and a checkpoint loads on any number of devices. Within one update a player is called, its losses are added,
    and there is one backward pass. Buffers (batch statistics) are each rank's own while training and become rank 0's
    before they are used or saved.

    Args:
        players: The players' names in the module; ``None`` for those that the module names itself by a mapping
            ``players``, else ``generator`` and ``discriminator``.
        player_kwargs: Further arguments of ``DistributedDataParallel`` for a player, by its name, say
            ``{"discriminator": {"find_unused_parameters": True}}`` for one with heads that rest.
        **kwargs: Those of Lightning's ``DDPStrategy``; what it hands to ``DistributedDataParallel`` counts for every
            player.

    Raises:
        UserError: When training is set up: if a player is missing or has nothing to train, or if a trainable parameter
            belongs to two players or to none.

    Example:
        >>> from lightning.pytorch import Trainer
        >>> trainer = Trainer(strategy="ddp_gan", accelerator="cpu", devices=2, logger=False)
        >>> type(trainer.strategy).__name__
        'DDPGANStrategy'

    Reference:
        Li et al. 2020, *PyTorch Distributed: Experiences on Accelerating Data Parallel Training*.
    """

    strategy_name = NAME

    def __init__(
        self,
        players: Sequence[str] | None = None,
        player_kwargs: Mapping[str, Mapping[str, Any]] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if self.averages_models:
            raise UserError(
                "strategy ddp_gan: model_averaging_period: expected none, weights are the same on all ranks."
            )
        self._players = players
        self._player_kwargs = dict(player_kwargs or {})
        self._reducers: dict[str, PlayerDDP] = {}
        self._seed = 0
        self._watch: PeerWatch | None = None
        self._steps = StepCount()
        #: Called with the reason when a rank is lost, before this process ends: marks a run as failed, say.
        self.on_loss: Callable[[str], None] | None = None
        #: What ended another rank, and this one with it.
        self.lost: str | None = None

    # -- Setting up -------------------------------------------------------------------------------------------------

    def configure_ddp(self) -> None:
        """Puts a reducer beside each player; the module itself stays the strategy's model."""
        module = self.lightning_module
        assert module is not None  # noqa: S101 -- Lightning connects it before it sets the strategy up
        players = named_players(module, self._players)
        _check_ownership(module, players)
        unknown = sorted(set(self._player_kwargs) - set(players))
        if unknown:
            raise UserError(f"strategy ddp_gan: player_kwargs of {unknown}: expected names among {list(players)}.")
        sync_module_states(module)  # parameters and buffers of the whole module, once
        device_ids = self.determine_ddp_device_ids()
        # As Lightning does: https://pytorch.org/docs/stable/notes/cuda.html#use-nn-parallel-distributeddataparallel
        stream = torch.cuda.Stream() if device_ids is not None else None  # type: ignore[no-untyped-call]  # torch's own
        with torch.cuda.stream(stream) if stream is not None else nullcontext():
            for name, player in players.items():
                kwargs = {**_no_buffer_sync(self.reducer_arguments), **self._player_kwargs.get(name, {})}
                self._reducers[name] = PlayerDDP(player, device_ids=device_ids, **kwargs)
        for reducer in self._reducers.values():
            reducer.route()
            self.register_communication_hook(reducer)

    def teardown(self) -> None:
        """Makes the players ordinary modules again, and leaves the other ranks in good order."""
        if self._watch is not None:
            self._watch.stop()
        for reducer in self._reducers.values():
            reducer.unroute()
        self._reducers = {}
        super().teardown()

    # -- The other ranks --------------------------------------------------------------------------------------------

    def script_launcher(self, cluster_environment: ClusterEnvironment) -> WatchedLauncher:
        """One that notices how the processes end."""
        return WatchedLauncher(cluster_environment, self.num_processes, self.num_nodes, on_death=self._child_died)

    def setup_environment(self) -> None:
        """As Lightning's, and from then on a rank that dies takes the others down within a minute."""
        super().setup_environment()
        # Once, where seed_everything gave none: from the first batch on torch's is another one.
        self._seed = int(os.environ.get("PL_GLOBAL_SEED", torch.initial_seed()))
        self._watch = PeerWatch(self.global_rank, self.world_size, on_loss=self.on_loss, before_exit=self._end_children)
        self._watch.start()

    def on_exception(self, exception: BaseException) -> None:
        """The other ranks hear why this one ends."""
        super().on_exception(exception)
        if self._watch is not None:
            self.lost = self._watch.report(exception)

    def _end_children(self) -> None:
        if isinstance(self.launcher, WatchedLauncher):
            self.launcher.end_children(patience=_LAST_SECONDS)

    def _child_died(self, rank: int, how: str) -> bool:
        if self._watch is None:
            return False
        self._watch.lose(rank, how)
        return True

    # -- Training ---------------------------------------------------------------------------------------------------

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Puts the global generators where the seed, the position and the rank say; notices rounds that count twice.

        Lightning seeds all ranks alike: noise drawn by ``torch.randn`` would be the same on each, and the batch of
        latents W times smaller than it looks.
        """
        module = self.lightning_module
        assert module is not None  # noqa: S101 -- it trains
        self._steps.end_batch(module)
        self._steps.begin_batch(module)
        position = (module.current_epoch, batch_idx, self.global_rank)
        seed_global_generators(self._seed, "batch", *position, device=self.root_device)

    @contextmanager
    def block_backward_sync(self) -> Iterator[None]:
        """Within this context gradients stay on their rank, to be sent with those of the next backward pass.

        The forward pass belongs into the context as well: it is what arms the reducer.
        """
        with ExitStack() as stack:
            for reducer in self._reducers.values():
                stack.enter_context(reducer.no_sync())
            yield

    def optimizer_step(self, optimizer: Optimizer, closure: Any, model: Any = None, **kwargs: Any) -> Any:
        """As Lightning's; gradients that were not averaged over the ranks are an error, not a silent drift."""

        def averaged() -> Any:
            result = closure()  # where the user gave one, it holds the backward pass
            self._check_averaged(optimizer)
            return result

        return super().optimizer_step(optimizer, averaged, model, **kwargs)

    def _check_averaged(self, optimizer: Optimizer) -> None:
        moved = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
        for name, reducer in self._reducers.items():
            if moved & reducer.reduced:
                if not reducer.armed:
                    raise UserError(
                        f"strategy ddp_gan: the {name} moves by gradients that were not averaged over the ranks: "
                        f"expected a call of the module {name!r} itself (not of a part or another method of it) before "
                        "the backward pass."
                    )
                reducer.armed = False

    # -- Buffers ----------------------------------------------------------------------------------------------------

    def sync_buffers(self) -> None:
        """Gives every rank the buffers of rank 0 (batch statistics, say); all ranks call it together."""
        module = self.lightning_module
        if module is None or self.world_size == 1 or not torch.distributed.is_initialized():
            return
        for buffer in module.buffers():
            torch.distributed.broadcast(buffer, src=0)

    def on_validation_start(self) -> None:
        """All ranks validate the same model."""
        self.sync_buffers()

    def on_test_start(self) -> None:
        """All ranks test the same model."""
        self.sync_buffers()

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds of the module: the same on every rank."""
        self.sync_buffers()
        return super().lightning_module_state_dict()


def without_gradient_sync(strategy: Strategy) -> AbstractContextManager[None]:
    """Within this context a player's gradients wait on their rank for those of a later backward pass."""
    return strategy.block_backward_sync() if isinstance(strategy, DDPGANStrategy) else nullcontext()


def check_moves_players_apart(strategy: Strategy, world_size: int, players: Sized) -> None:
    """Refuses what trains several players on several devices with one reducer around all of them."""
    if world_size > 1 and len(players) > 1 and not isinstance(strategy, DDPGANStrategy):
        whose = "both" if len(players) == 2 else "all"
        raise UserError(
            f"{type(strategy).__name__} on {world_size} devices reduces {whose} players' gradients together, and they "
            'move apart: expected --trainer.strategy ddp_gan (in Python: Trainer(strategy="ddp_gan")).'
        )


def named_players(module: LightningModule, names: Sequence[str] | None = None) -> dict[str, nn.Module]:
    """The players of a module: those of ``names``, else of its mapping ``players``, else of the usual names."""
    own = getattr(module, "players", None)
    chosen = tuple(names) if names is not None else tuple(own) if isinstance(own, Mapping) else _USUAL_PLAYERS
    found = {name: child for name, child in module.named_modules() if name in chosen}
    missing = [name for name in chosen if name not in found]
    if missing:
        children = [name for name, _ in module.named_children()]
        raise UserError(
            f"strategy ddp_gan: {type(module).__name__} has no submodule {' and no '.join(map(repr, missing))}: "
            "expected the names of its players, as in DDPGANStrategy(players=(...)); it has "
            f"{', '.join(children) or 'none'}."
        )
    return {name: found[name] for name in chosen}


def _check_ownership(module: LightningModule, players: Mapping[str, nn.Module]) -> None:
    """Every trainable parameter is one player's: shared, it would be averaged twice; nobody's, it would drift apart."""
    owner: dict[int, str] = {}
    for name, player in players.items():
        trainable = {path: parameter for path, parameter in player.named_parameters() if parameter.requires_grad}
        if not trainable:
            raise UserError(f"strategy ddp_gan: the player {name!r} has no trainable parameters: expected some.")
        for path, parameter in trainable.items():
            first = owner.setdefault(id(parameter), name)
            if first != name:
                raise UserError(
                    f"strategy ddp_gan: the parameter {name}.{path} belongs to the player {first!r} as well: expected "
                    "one player for each parameter; make what they share a player of its own."
                )
    orphans = [
        path for path, parameter in module.named_parameters() if parameter.requires_grad and id(parameter) not in owner
    ]
    if orphans:
        raise UserError(
            f"strategy ddp_gan: the trainable parameters {', '.join(orphans)} belong to no player, and would become "
            f"different on every rank: expected them inside {', '.join(players)}, frozen, or in a player that "
            "DDPGANStrategy(players=(...)) names."
        )


def _no_buffer_sync(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Buffers are synchronised by the strategy where that matters, not in each of a round's forward passes."""
    accepted = inspect.signature(DistributedDataParallel).parameters
    name = "forward_sync_buffers" if "forward_sync_buffers" in accepted else "broadcast_buffers"  # torch < 2.13
    chosen = "forward_sync_buffers" in kwargs or "broadcast_buffers" in kwargs
    return dict(kwargs) if chosen else {**kwargs, name: False}


if NAME not in StrategyRegistry:
    StrategyRegistry.register(NAME, DDPGANStrategy, description="DDP with one reducer per player of a GAN")
