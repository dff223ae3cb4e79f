"""Trainings on several ranks that tests start as processes of their own, watch and end."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from nursery import nursery
from shared_runs import trained_once

import lit_gan
from benchmarks.resume import ARGUMENTS

_ROOT = Path(lit_gan.__file__).parents[1]
#: The package of this checkout and the modules of the tests, whatever folder a process starts in.
ENVIRON = {"PYTHONPATH": f"{_ROOT}{os.pathsep}{_ROOT / 'tests'}"}
ROUNDS = 60
#: Fifteen epochs of four rounds on two ranks, every round logged and a checkpoint after every third.
COMMAND = (sys.executable, "-m", "lit_gan", *ARGUMENTS, "--data.init_args.batch_size=150", "--trainer.max_epochs=15")


@dataclass(frozen=True)
class Training:
    """One that has been started in a process group of its own, as from a terminal.

    Args:
        process: Its rank 0, which starts the others.
        folder: The run folder.
    """

    process: subprocess.Popen[str]
    folder: Path

    @classmethod
    def start(cls, folder: Path, *options: str, environ: dict[str, str] = ENVIRON, afresh: bool = False) -> "Training":
        """On two ranks, in this run folder; what it prints goes beside that.

        Args:
            folder: The run folder.
            options: Of `fit`, beside those that all have.
            environ: Variables beside those of the tests.
            afresh: Whether its interpreters are fresh ones, as a user's, and no forks of the nursery.
        """
        place = nullcontext() if afresh else nursery()
        with place, folder.with_suffix(".out").open("w") as out, folder.with_suffix(".err").open("w") as err:
            process = subprocess.Popen(
                [*COMMAND, f"--run_dir={folder}", "--trainer.devices=2", *options],
                env={**os.environ, **environ},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
                text=True,
            )
        return cls(process, folder)

    @property
    def out(self) -> str:
        """Its standard output so far."""
        return self.folder.with_suffix(".out").read_text()

    @property
    def err(self) -> str:
        """Its standard error so far."""
        return self.folder.with_suffix(".err").read_text()

    def wait_for_rows(self, number: int) -> None:
        """Waits until so many rows of metrics are written; the training must not end before."""
        wait_for_rows(self.folder, number, lambda: self.process.poll() is None, lambda: self.err)

    def members(self) -> dict[int, int]:
        """The processes of the group that are alive, by their local rank."""
        found = {}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                variables = (entry / "environ").read_bytes().split(b"\0")
            except OSError:  # it has ended meanwhile
                continue
            if int(fields[2]) == self.process.pid and fields[0] != "Z":
                ranks = [
                    int(name.removeprefix(b"LOCAL_RANK=")) for name in variables if name.startswith(b"LOCAL_RANK=")
                ]
                found[ranks[0] if ranks else 0] = int(entry.name)
        return found

    def wait(self, seconds: float = 300.0) -> int:
        """The exit code; afterwards no process of it may be left.

        Args:
            seconds: How long; after that the test fails.
        """
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            pytest.fail(f"not ended within {seconds} s; it said:\n{self.err}")
        deadline = time.monotonic() + 300  # a rank that follows the first one out
        while self.members():
            assert time.monotonic() < deadline, f"{self.members()} are left"
            time.sleep(0.05)
        return code

    def kill(self) -> None:
        """Ends what is left of it, at the end of a test that failed."""
        for pid in self.members().values():
            with suppress(ProcessLookupError):  # it has ended meanwhile
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


def undisturbed(factory: pytest.TempPathFactory) -> Path:
    """The folder of a run on two ranks that nobody ended, trained once for all tests that end one.

    In interpreters of its own: the forks of the others end with its bits.

    Args:
        factory: Of the temporary folders of this process.
    """

    def train() -> None:
        training = Training.start(Path.cwd() / "run", "--report=true", afresh=True)
        try:
            assert training.wait() == 0, training.err
            assert (training.folder / "report.html").is_file()
        finally:
            training.kill()
        assert rows(training.folder) == ROUNDS
        assert record(training.folder)["resumed"] == 0

    return trained_once(factory, "undisturbed", train)[0] / "run"


def wait_for_rows(folder: Path, number: int, alive: Callable[[], bool], said: Callable[[], str]) -> None:
    """Waits until a run has so many rows of metrics.

    Args:
        folder: Its folder.
        number: How many.
        alive: Whether it runs, or may yet; asked once a second, for a cluster is asked by a process.
        said: What it printed, for the report of a test that fails.
    """
    begun = asked = time.monotonic()
    while rows(folder) < number:
        now = time.monotonic()
        if now > asked + 1:
            assert alive(), said()
            asked = now
        assert now < begun + 300, said()
        time.sleep(0.01)


def rows(folder: Path) -> int:
    """How many rows of metrics a run has."""
    table = folder / "metrics.csv"
    return max(table.read_bytes().count(b"\n") - 1, 0) if table.exists() else 0


def record(folder: Path) -> dict[str, Any]:
    """What a run's own record says of it."""
    content: dict[str, Any] = json.loads((folder / "run.json").read_text())
    return content
