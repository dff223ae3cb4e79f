"""Starts the other ranks of a machine as Lightning does, and notices how they end."""

import atexit
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from subprocess import Popen, TimeoutExpired
from threading import Event, Thread
from typing import Any

from lightning.fabric.plugins import ClusterEnvironment
from lightning.pytorch import Trainer

from lit_gan.errors import RunStopped
from lit_gan.strategies.lightning_seam import ScriptLauncher
from lit_gan.strategies.peers.rank_loss import Place

_LOOK_SECONDS = 0.5
_GRACE = 5.0  # for the main process, which is often about to meet the same error
_GOOD_ORDER = frozenset({0, RunStopped("interrupted").exit_code, RunStopped("preempted").exit_code})


class WatchedLauncher(ScriptLauncher):
    """Lightning's launcher of one process per device, without its observer.

    Lightning's kills the main process by SIGKILL as soon as a child ends with anything but 0: the exit code is then
    137, the error is lost among the lines of the others, and a preempted rank that has left with 75 takes the main
    process with it in the middle of its checkpoint. This one tells the strategy of the death of a child, by
    ``on_death(rank, how)``, whose ``PeerWatch`` ends all ranks with the reason on one line; and it lets no child
    outlive the main process. Where nobody watches, because training has not begun, the main process gets a few seconds
    to end by itself, and is then ended with exit code 1.
    """

    def __init__(
        self,
        cluster_environment: ClusterEnvironment,
        num_processes: int,
        num_nodes: int,
        *,
        on_death: Callable[[int, str], bool],
    ) -> None:
        super().__init__(cluster_environment, num_processes, num_nodes)
        self._on_death = on_death
        self._signalled = Event()

    def launch(self, function: Callable[..., Any], *args: Any, trainer: Trainer | None = None, **kwargs: Any) -> Any:
        """Starts the children, if nobody has started them yet, and calls the function."""
        self.cluster_environment.validate_settings(num_devices=self.num_processes, num_nodes=self.num_nodes)
        if not self.cluster_environment.creates_processes_externally:
            self.start_children()
            atexit.register(self.end_children)
            Thread(target=self._watch_children, name="lit-gan children", daemon=True).start()
        self.set_num_threads()
        return function(*args, **kwargs)

    def kill(self, signum: signal.Signals) -> None:  # type: ignore[override]  # Lightning's own alias of it
        """Hands a signal to the children; what they then die of is no news."""
        self._signalled.set()
        super().kill(signum)

    def end_children(self, patience: float = 10.0) -> None:
        """Waits so many seconds for the children, then kills the rest: one that hangs would keep its device."""
        self._signalled.set()
        end = time.monotonic() + patience
        for child in self.procs:
            try:
                child.wait(max(0.0, end - time.monotonic()))
            except TimeoutExpired:
                child.kill()  # not waited for: what hangs in a driver hangs on

    def _watch_children(self) -> None:
        first = self.cluster_environment.node_rank() * self.num_processes
        alive = {first + local_rank: child for local_rank, child in enumerate(self.procs, start=1)}
        while alive and not self._signalled.wait(_LOOK_SECONDS):
            for rank, child in list(alive.items()):
                if child.poll() is not None:
                    del alive[rank]
                    self._tell(rank, child)

    def _tell(self, rank: int, child: Popen[bytes]) -> None:
        """Tells of a child that has ended, unless it has in good order, or as it was told to."""
        if child.returncode in _GOOD_ORDER or self._signalled.is_set():
            return
        how = _how_it_ended(child.returncode)
        if self._on_death(rank, how):
            return
        if self._signalled.wait(_GRACE) or self._on_death(rank, how):
            return
        sys.stderr.write(f"lit-gan: failed: {Place(rank, child.pid, socket.gethostname())} {how}.\n")
        sys.stderr.flush()
        self.end_children(patience=0)
        os._exit(1)


def _how_it_ended(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}" + (" (out of memory?)" if code == -signal.SIGKILL else "")
    except ValueError:  # real-time signals have no names
        return f"was killed by signal {-code}"
