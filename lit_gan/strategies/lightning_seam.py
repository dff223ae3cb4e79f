"""Every private name of Lightning's distributed strategies that we need, for Lightning 2.6.

``tests/strategies/test_ddp_gan.py`` and ``test_launcher.py`` hold them: two real ranks equal one process, and a child's
end is told.
"""

from collections.abc import Callable
from typing import Any

from lightning.fabric.plugins import ClusterEnvironment
from lightning.fabric.utilities.distributed import _set_num_threads_if_needed
from lightning.pytorch.overrides.distributed import _register_ddp_comm_hook, _sync_module_states
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.strategies.launchers.subprocess_script import _SubprocessScriptLauncher
from torch import nn
from torch.nn.parallel import DistributedDataParallel

sync_module_states: Callable[[nn.Module], None] = _sync_module_states
"""Gives every rank the parameters and buffers of rank 0, as ``DDPStrategy`` does before it wraps a module."""


def has_own_checkpoint_io(strategy: Any) -> bool:
    """Whether a strategy was given what writes its checkpoints; its public ``checkpoint_io`` makes one where not.

    ``tests/cli/trainer/test_run.py``
    """
    return getattr(strategy, "_checkpoint_io", None) is not None


class ScriptLauncher(_SubprocessScriptLauncher):
    """Lightning's launcher of one process per device; what follows the start of the processes is the subclass's.

    Lightning's own observer of the processes, which kills the main one, is started in ``launch`` and nowhere told.
    """

    def __init__(self, cluster_environment: ClusterEnvironment, num_processes: int, num_nodes: int) -> None:
        super().__init__(cluster_environment, num_processes, num_nodes)

    def start_children(self) -> None:
        """Starts the other processes of this machine, as Lightning does."""
        self._call_children_scripts()

    def set_num_threads(self) -> None:
        """Shares the machine's threads out among its processes, as Lightning does."""
        _set_num_threads_if_needed(num_processes=self.num_processes)


class ReducingStrategy(DDPStrategy):
    """Lightning's ``DDPStrategy``, whose reducers and launcher a subclass replaces.

    Lightning asks ``_configure_launcher`` and ``_register_ddp_hooks`` for both, and keeps what it was given in private.
    """

    @property
    def reducer_arguments(self) -> dict[str, Any]:
        """What was given for ``DistributedDataParallel``."""
        return dict(self._ddp_kwargs)

    @property
    def averages_models(self) -> bool:
        """Whether weights were asked to be averaged every some steps, in the place of gradients in each."""
        return self._model_averaging_period is not None

    def _register_ddp_hooks(self) -> None:
        """What Lightning would register at its one reducer: see `register_communication_hook`."""

    def register_communication_hook(self, reducer: DistributedDataParallel) -> None:
        """Lets a reducer communicate as was asked for, if anything was."""
        if self._ddp_comm_hook is not None:
            _register_ddp_comm_hook(reducer, self._ddp_comm_state, self._ddp_comm_hook, self._ddp_comm_wrapper)

    def _configure_launcher(self) -> None:
        super()._configure_launcher()
        if self._start_method == "popen" and self.cluster_environment is not None:
            self._launcher = self.script_launcher(self.cluster_environment)

    def script_launcher(self, cluster_environment: ClusterEnvironment) -> ScriptLauncher:
        """What starts the processes where the script is started once for each."""
        return ScriptLauncher(cluster_environment, self.num_processes, self.num_nodes)
