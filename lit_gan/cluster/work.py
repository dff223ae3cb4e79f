"""What a job does, wherever it runs."""

import sys
from dataclasses import dataclass

from lit_gan.cluster.job import SweepKind


@dataclass(frozen=True)
class Work:
    """A program with its arguments, and the machines that it needs.

    Args:
        name: What the work is called: the configuration, or the sweep.
        module: The module that is run as a program: ``lit_gan`` or ``wandb``.
        arguments: Its arguments.
        nodes: How many machines.
        devices: How many devices on each.
        gpus: Whether the devices are GPUs.
        can_go_on: Whether it saves itself when it is told to stop, and goes on later.
        sweep: Where the sweep is whose trials it starts; None: it starts none.
        run_dir: The run folder, where the arguments name it.
    """

    name: str
    module: str
    arguments: tuple[str, ...]
    nodes: int
    devices: int
    gpus: bool
    can_go_on: bool = True
    sweep: SweepKind | None = None
    run_dir: str | None = None

    def words(self) -> list[str]:
        """The command by this very Python: no other environment comes first by its PATH."""
        return [sys.executable, "-m", self.module, *self.arguments]
