"""Two hosts on this machine: network namespaces with an address each, a cable between them, and loopbacks of their own.

Needs root and Debian's iproute2. Nothing outside the two can be reached from them.
"""

import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType

import pytest
from nursery import enter_network, nursery
from requirements import require

_PORT = 29500  # each pair of hosts has all ports for itself


class NoNamespacesError(Exception):
    """The namespaces could not be made."""


@dataclass(frozen=True)
class Started:
    """A command that runs on one of the hosts.

    Args:
        process: Its process.
        log: What it prints.
    """

    process: subprocess.Popen[bytes]
    log: Path

    def wait(self, seconds: float = 300.0) -> int:
        """Waits for the end, and returns the exit code.

        Args:
            seconds: How long; after that the test fails.
        """
        try:
            return self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            pytest.fail(f"{self.process.args} has not ended within {seconds} s; it printed:\n{self.output}")

    @property
    def output(self) -> str:
        """What it has printed so far."""
        return self.log.read_text(errors="replace")


class NetworkNamespaces:
    """The two hosts, there between `with` and its end.

    Args:
        folder: Where the output of their commands goes.
    """

    #: Of host 0 and host 1. Other pairs may have the same ones: no two pairs see each other.
    addresses = ("10.77.0.1", "10.77.0.2")
    #: The name of either end of the cable.
    interface = "veth0"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        mark = f"litgan-{os.getpid()}-{secrets.token_hex(3)}"
        self.names = (f"{mark}-0", f"{mark}-1")
        self._started: list[Started] = []

    def __enter__(self) -> "NetworkNamespaces":
        if shutil.which("ip") is None:
            raise NoNamespacesError("there is no ip (Debian's iproute2)")
        try:
            for name in self.names:
                _ip("netns", "add", name)
            here, there = self.names
            _ip("link", "add", self.interface, "netns", here, "type", "veth", "peer", self.interface, "netns", there)
            for name, address in zip(self.names, self.addresses, strict=True):
                _ip("-n", name, "addr", "add", f"{address}/24", "dev", self.interface)
                _ip("-n", name, "link", "set", "lo", "up")
                _ip("-n", name, "link", "set", self.interface, "up")
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()

    def start(self, host: int, *command: object, environ: Mapping[str, str] = {}, forked: bool = False) -> Started:
        """Starts a command on one of the hosts.

        Args:
            host: 0 or 1.
            command: The command and its arguments.
            environ: Variables beside those of the tests.
            forked: Whether it is a fork of the nursery, as are those that it starts, and no fresh interpreter.
        """
        log, name = self.folder / f"host-{host}-{len(self._started)}.out", self.names[host]
        with nursery() if forked else nullcontext(), log.open("wb") as output:
            process = subprocess.Popen(
                [*(() if forked else ("ip", "netns", "exec", name)), *map(str, command)],
                preexec_fn=partial(enter_network, f"/run/netns/{name}") if forked else None,  # noqa: PLW1509
                env={**os.environ, "GLOO_SOCKET_IFNAME": self.interface, **environ},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self._started.append(Started(process, log))
        return self._started[-1]

    def torchrun(self, host: int, *program: object, environ: Mapping[str, str] = {}, forked: bool = False) -> Started:
        """Starts one of the two ranks of a program on its host; host 0 is the master.

        Args:
            host: 0 or 1, and so the rank.
            program: What follows torchrun's own options: a script and its arguments, or `-m` and a module.
            environ: Variables beside those of the tests.
            forked: As of `start`.
        """
        return self.start(
            host,
            *(sys.executable, "-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=1"),
            *(f"--node-rank={host}", f"--master-addr={self.addresses[0]}", f"--master-port={_PORT}"),
            *program,
            environ=environ,
            forked=forked,
        )

    def _remove(self) -> None:
        for started in self._started:  # first: one that is only just entering its namespace is not among those in it
            started.process.kill()
            started.process.wait()
        for name in self.names:
            if not Path("/run/netns", name).exists():
                continue
            for pid in _ip("netns", "pids", name).split():
                try:
                    os.kill(int(pid), signal.SIGKILL)
                except ProcessLookupError:  # ended meanwhile
                    continue
            _ip("netns", "del", name)


def _ip(*arguments: str) -> str:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NoNamespacesError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


@pytest.fixture
def two_hosts(tmp_path: Path) -> Iterator[NetworkNamespaces]:
    """Two hosts with a network between them."""
    hosts = NetworkNamespaces(tmp_path)
    try:
        hosts.__enter__()
    except NoNamespacesError as error:
        require("netns", str(error))
    yield hosts
    hosts.__exit__(None, None, None)
