"""Sweeps of fake trials (fake_trial.py), as files and as running commands."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml
from nursery import nursery
from trainings import ENVIRON
from waiting import wait_until

from lit_gan.tuning.study import SweepStudy
from lit_gan.tuning.sweep_layout import SweepLayout

_SCRIPT = Path(__file__).with_name("fake_trial.py")
_SECONDS = 300.0


def content(**changes: Any) -> dict[str, Any]:
    """A grid of three points that minimises a score; keys that are None are left out."""
    whole = {
        "method": "grid",
        "metric": {"name": "val/score", "goal": "minimize"},
        "parameters": {"x": {"values": [0.5, 0.2, 0.9]}},
        "program": str(_SCRIPT),
        "command": ["${env}", "${interpreter}", "${program}", "${args}"],
        **changes,
    }
    return {key: value for key, value in whole.items() if value is not None}


def with_options(*options: str) -> list[str]:
    """The command of a fake trial with options of its own."""
    return ["${env}", "${interpreter}", "${program}", *options, "${args}"]


def write(path: Path, **changes: Any) -> Path:
    """A sweep file."""
    path.write_text(yaml.safe_dump(content(**changes), sort_keys=False))
    return path


@dataclass(frozen=True)
class Command:
    """A `lit-gan sweep` that runs in a folder of its own.

    Args:
        process: It.
        folder: Its working directory.
    """

    process: subprocess.Popen[str]
    folder: Path

    def wait(self, seconds: float = _SECONDS) -> tuple[int, str, str]:
        """Its exit code, and what it printed."""
        try:
            out, err = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGTERM)
            out, err = self.process.communicate(timeout=seconds)
            pytest.fail(f"not ended within {seconds} s; it said:\n{out}\n{err}")
        return self.process.returncode, out, err

    def wait_until(self, condition: Callable[[], bool], what: str, seconds: float = _SECONDS) -> None:
        """Waits for something that happens while it runs."""

        def happens() -> bool:
            assert self.process.poll() is None, self.wait()
            return condition()

        wait_until(happens, what, seconds)

    def trials(self) -> list[int]:
        """The processes of its trials."""
        children = [(pid, words) for pid, parent, words in processes() if parent == self.process.pid]
        return [pid for pid, words in children if str(_SCRIPT) in words]

    def cpu_seconds(self) -> float:
        """What it has computed so far, its trials apart."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def started(file: Path, *options: str, environ: dict[str, str] | None = None) -> Iterator[Command]:
    """A `lit-gan sweep` in the working directory, ended with the test."""
    with nursery():
        process = subprocess.Popen(
            [sys.executable, "-m", "lit_gan", "sweep", str(file), *options],
            env={**os.environ, **ENVIRON, "CUDA_VISIBLE_DEVICES": "", **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )
    try:
        yield Command(process, Path.cwd())
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=_SECONDS)


def processes() -> list[tuple[int, int, list[str]]]:
    """All that are alive: their ids, those of their parents, and the words of their commands."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            words = (entry / "cmdline").read_bytes().decode().split("\0")
        except OSError:  # it has ended meanwhile
            continue
        if fields[0] != "Z":
            found.append((int(entry.name), int(fields[1]), words))
    return found


def study_of(journal: Path) -> SweepStudy:
    """What a journal says at this moment."""
    return SweepStudy.join(SweepLayout(journal))


def states(study: SweepStudy) -> list[str]:
    """How the trials stand."""
    return [trial.state.name for trial in study.trials()]


def starts(study: SweepStudy, number: int) -> int:
    """How many times the process of a trial was started."""
    return len(folder_of(study, number).joinpath("starts.txt").read_text().splitlines())


def folder_of(study: SweepStudy, number: int) -> Path:
    """The run folder of a fake trial."""
    return Path("runs", "fake", study.run_id(number))


def rows(study: SweepStudy, number: int) -> list[str]:
    """The rounds that a fake trial has logged."""
    table = folder_of(study, number) / "metrics.csv"
    return [line.split(",")[0] for line in table.read_text().splitlines()[1:]] if table.exists() else []


def status(study: SweepStudy, number: int) -> str:
    """What a fake trial says of itself."""
    found: str = json.loads((folder_of(study, number) / "run.json").read_text())["status"]
    return found


optuna.logging.set_verbosity(optuna.logging.ERROR)
