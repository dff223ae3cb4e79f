"""Players that are compiled while they train."""

import time
from collections.abc import Callable
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import nn

from lit_gan.engine.compilation import CompileMode, compile_network, leave_uncompiled, runs_compiled
from lit_gan.engine.rounds import RoundModule
from lit_gan.errors import UserError


class CompiledPlayers(Callback):
    """Runs each player's network through `torch.compile` in the rounds of a training; ``--compile`` of the command.

    Compiled is the forward pass of each network as it trains, and with it the backward pass. Not compiled are rounds of
    D in which a penalty is due (torch compiles no graph that is differentiated twice), and whatever is evaluated or
    shown. Checkpoints are the same, so that a run goes on compiled where it was not, and the other way round; its
    numbers differ then by the rounding of the compiled operations, and by what dropout draws: torch's compiler has a
    generator of its own.

    A network that is wrapped by `torch.compile` already is left alone. Once, after the first compiled round, a line
    tells how long that took.

    Args:
        mode: As `torch.compile`'s. ``"reduce-overhead"`` and ``"max-autotune"`` run CUDA graphs on a GPU.
        backend: As `torch.compile`'s.

    Raises:
        UserError: When training starts, if what is trained has no players.

    Example:
        >>> from lightning.pytorch import Trainer
        >>> trainer = Trainer(accelerator="cpu", callbacks=[CompiledPlayers()], logger=False)
    """

    def __init__(self, mode: CompileMode = "default", backend: str | Callable[..., Any] = "inductor") -> None:
        self.mode = mode
        self.backend = backend
        self._is_told = False
        self._began = 0.0
        self._networks: list[nn.Module] = []  # of the present training

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Before the strategy puts anything around the players; nothing is compiled until a network is called."""
        if stage != "fit":
            return
        if not isinstance(pl_module, RoundModule):
            raise UserError(
                f"CompiledPlayers (--compile) compiles the players of a lit_gan.GAN or RoundModule: got a "
                f"{type(pl_module).__name__}: expected none, and torch.compile in the module itself."
            )
        self._is_told = False
        self._networks = [player.network for player in pl_module.players.values()]
        for network in self._networks:
            compile_network(network, self.mode, self.backend)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """The clock of a round in which it may be compiled."""
        if not self._is_told:
            self._began = time.monotonic()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Tells how long the first compiled round took."""
        if not self._is_told and any(map(runs_compiled, self._networks)):
            self._is_told = True
            seconds = time.monotonic() - self._began
            doubt = " On a CPU most rounds take longer by it (docs/how-to/speed.md): compare perf/rounds_per_second."
            pl_module.print(
                f"lit-gan: compiled the players within round {trainer.global_step}, which took {seconds:.1f} s."
                f"{doubt if pl_module.device.type == 'cpu' else ''}"
            )

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """The networks are plain modules again."""
        self._leave_uncompiled()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """As after training."""
        self._leave_uncompiled()

    def _leave_uncompiled(self) -> None:
        for network in self._networks:
            leave_uncompiled(network)
        self._networks = []
