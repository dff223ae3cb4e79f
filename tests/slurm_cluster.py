"""A real Slurm of two nodes on this machine: its own ports, its own folder, and nothing of it left afterwards.

Needs root and Debian's slurm-wlm; no munge, no database. Both nodes are this host, so their names resolve nowhere:
MASTER_ADDR is 127.0.0.1.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import pytest
from requirements import require

_COMMANDS = ("slurmctld", "slurmd", "sbatch", "srun", "squeue", "sinfo", "scancel", "scontrol", "setpriv")
_POLL_SECONDS = 0.1
_UP_SECONDS = 300.0
_DOWN_SECONDS = 300.0  # after KillWait Slurm itself kills what does not end
_OVER = ("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "TIMEOUT")

# cred_expire: a requeued job may start again after 6 s instead of 121 s. config_overrides: nodes are as large as the
# file says. FirstJobId: Lightning makes a port of the job's number, and two clusters on one machine must not share it:
# those of neighbouring processes stand 997 apart.
_CONFIGURATION = """\
ClusterName=litgan
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
AuthType=auth/none
AuthInfo=cred_expire=5
CredType=cred/none
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=1,bf_interval=1
ReturnToService=2
KillWait=5
MailProg=/bin/true
FirstJobId={first_job}
{nodes}
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


class SlurmNotUpError(Exception):
    """The cluster could not be brought up."""


def what_slurm_lacks() -> str | None:
    """Why there can be no cluster here, if it can be told without trying."""
    missing = [name for name in _COMMANDS if shutil.which(name) is None]
    if missing:
        return f"there is no {', '.join(missing)} (Debian's slurm-wlm)"
    return None if os.geteuid() == 0 else "only root can start its daemons"


class SlurmCluster:
    """The cluster, up between `with` and its end.

    Args:
        folder: Where everything of it is: configuration, state, logs, and the output of its jobs.
        nodes: How many nodes, of two CPUs each; `n1`, `n2`, ...
    """

    def __init__(self, folder: Path, nodes: int = 2) -> None:
        self.folder = folder
        self._nodes = [f"n{number + 1}" for number in range(nodes)]
        self._daemons: list[subprocess.Popen[bytes]] = []
        outside = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "SQUEUE_"))}
        #: What commands of Slurm's are run with, and with them the jobs.
        self.environ = {**outside, "SLURM_CONF": str(folder / "slurm.conf"), "MASTER_ADDR": "127.0.0.1"}

    def __enter__(self) -> "SlurmCluster":
        try:
            self._configure()
            self._start("slurmctld", "slurmctld", "-c", "-D")
            for node in self._nodes:
                self._start(node, "slurmd", "-c", "-D", "-N", node)
            self._wait_until_up()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.cancel_all()
        finally:
            self._stop()

    def _configure(self) -> None:
        for name in ("state", "log", "out", *(f"spool/{node}" for node in self._nodes)):
            (self.folder / name).mkdir(parents=True)
        host, ports = socket.gethostname().split(".")[0], _free_ports(len(self._nodes) + 1)
        nodes = [
            f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=2 RealMemory=1000 State=UNKNOWN"
            for node, port in zip(self._nodes, ports[1:], strict=True)
        ]
        text = _CONFIGURATION.format(
            host=host,
            ports=ports,
            folder=self.folder,
            first_job=1000 + os.getpid() * 997 % 8000,
            nodes="\n".join(nodes),
        )
        (self.folder / "slurm.conf").write_text(text)

    def _start(self, name: str, *command: str) -> None:
        with (self.folder / "log" / f"{name}.out").open("wb") as log:
            daemon = subprocess.Popen(
                # Whatever ends the tests, the daemons go with them.
                ["setpriv", "--pdeathsig=KILL", *command],
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._daemons.append(daemon)

    def _wait_until_up(self) -> None:
        def up() -> bool:
            dead = [daemon.args for daemon in self._daemons if daemon.poll() is not None]
            if dead:
                raise SlurmNotUpError(f"{dead} ended: {self._logs()}")
            # The controller answers nothing for its first moments.
            states = self._run("sinfo", "-h", "-N", "-o", "%T", check=False).split()
            return states == ["idle"] * len(self._nodes)

        if not _comes_true(up, _UP_SECONDS):
            raise SlurmNotUpError(f"not up within {_UP_SECONDS:.0f} s: {self._logs()}")

    def _logs(self) -> str:
        return "; ".join(path.read_text(errors="replace")[-500:] for path in sorted(self.folder.glob("log/*.out")))

    def _run(self, *command: str, check: bool = True, **options: object) -> str:
        done = subprocess.run(
            command, env=self.environ, capture_output=True, text=True, timeout=300, check=False, **options
        )
        assert done.returncode == 0 or not check, f"{command}: {done.stderr}"
        return done.stdout

    def run(self, *command: str) -> str:
        """What a command of Slurm's prints; it must succeed.

        Args:
            command: The command and its arguments.
        """
        return self._run(*command)

    def submit(self, script: str, *options: str, cwd: Path | None = None, environ: Mapping[str, str] = {}) -> "Job":
        """Submits a job.

        Args:
            script: The body of the job's script, in bash.
            options: For `sbatch`.
            cwd: Where the job runs; the working directory if None.
            environ: Variables of the job, beside those of the tests.
        """
        log = f"--output={self.folder}/out/%j.out"
        done = subprocess.run(
            ["sbatch", "--parsable", "--open-mode=append", log, *options],
            env={**self.environ, **environ},
            cwd=cwd,
            input=script if script.startswith("#!") else f"#!/bin/bash\n{script}\n",
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return Job(self, done.stdout.strip())

    def cancel_all(self) -> None:
        """Cancels every job and waits until none is left."""
        self._run("scancel", "--user=root")
        gone = _comes_true(lambda: not self._run("squeue", "-h").strip(), _DOWN_SECONDS)
        assert gone, f"jobs that do not end: {self._run('squeue', '-h')}"

    def _stop(self) -> None:
        for daemon in reversed(self._daemons):  # the controller last
            daemon.terminate()
            try:
                daemon.wait(timeout=5)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        self._daemons.clear()
        for pid in self.processes():  # of a cluster that did not come up, or would not go down
            with suppress(ProcessLookupError):  # it has ended meanwhile
                os.kill(pid, signal.SIGKILL)

    def processes(self) -> list[int]:
        """The processes that run on the cluster, or are the cluster, by its configuration in their environment."""
        mark = f"SLURM_CONF={self.environ['SLURM_CONF']}".encode()
        found = []
        for path in Path("/proc").glob("[0-9]*/environ"):
            try:
                if mark in path.read_bytes().split(b"\0"):
                    found.append(int(path.parent.name))
            except (FileNotFoundError, ProcessLookupError, PermissionError):  # ended meanwhile; not ours
                continue
        return found


@dataclass(frozen=True)
class Job:
    """A job of the cluster.

    Args:
        cluster: Its cluster.
        number: `JOB`, or `ARRAY_TASK`.
    """

    cluster: SlurmCluster
    number: str

    def task(self, number: int) -> "Job":
        """One task of this job array."""
        return Job(self.cluster, f"{self.number}_{number}")

    def shown(self, field: str) -> str:
        """A field of `scontrol show job`, such as `Restarts`, `ExitCode` (`0:0`) or `StdOut`."""
        return self._shown(field)[0]

    def _shown(self, *fields: str) -> list[str]:
        """Several of them, of one moment."""
        text = self.cluster.run("scontrol", "-o", "show", "job", self.number)
        found = [re.search(rf"(?:^|\s){field}=(\S*)", text) for field in fields]
        assert None not in found, f"not all of {fields} in {text}"
        return [one[1] for one in found if one is not None]

    @property
    def state(self) -> str:
        """`PENDING`, `RUNNING`, `COMPLETED`, ..."""
        return self.shown("JobState")

    @property
    def output(self) -> str:
        """What the job has printed so far, over all its lives."""
        return self._printed(self.shown("StdOut"))

    @staticmethod
    def _printed(name: str) -> str:
        path = Path(name)
        return path.read_text(errors="replace") if path.exists() else ""

    def wait_for(self, *states: str, seconds: float = 300.0) -> str:
        """Waits until the job is in one of some states.

        Args:
            states: The states.
            seconds: How long; after that, or when the job has ended in another state, the test fails.

        Returns:
            The state.
        """

        def arrived() -> bool:
            state = self.state
            assert state in states or state not in _OVER, self._story(state)
            return state in states

        assert _comes_true(arrived, seconds), self._story(self.state)
        return self.state

    def wait_for_output(self, text: str, seconds: float = 300.0) -> None:
        """Waits until the job has printed something.

        Args:
            text: What.
            seconds: How long; after that, or when the job has ended without it, the test fails.
        """

        def arrived() -> bool:
            state, log = self._shown("JobState", "StdOut")
            printed = text in self._printed(log)
            assert printed or state not in _OVER, self._story(state)
            return printed

        assert _comes_true(arrived, seconds), self._story(self.state)

    def signal(self, name: str) -> None:
        """Sends a signal to what `srun` started, as Slurm does for `--signal=NAME@SECONDS`.

        Args:
            name: Such as `USR1`.
        """
        self.cluster.run("scancel", f"--signal={name}", self.number)

    def requeue(self) -> None:
        """Ends the job's present life and puts it back into the queue, as a preemption does."""
        self.cluster.run("scontrol", "requeue", self.number)

    def _story(self, state: str) -> str:
        return f"job {self.number} is {state} (ExitCode {self.shown('ExitCode')}); it printed:\n{self.output}"


def _comes_true(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _free_ports(number: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@pytest.fixture(scope="session")
def slurm_of_the_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmCluster]:
    require("slurm", what_slurm_lacks())
    cluster = SlurmCluster(tmp_path_factory.mktemp("slurm"))
    try:
        cluster.__enter__()
    except SlurmNotUpError as error:
        require("slurm", str(error))
    yield cluster
    cluster.__exit__(None, None, None)


@pytest.fixture
def slurm(slurm_of_the_session: SlurmCluster) -> Iterator[SlurmCluster]:
    """A Slurm of two nodes with no job in it."""
    yield slurm_of_the_session
    slurm_of_the_session.cancel_all()
