"""Real processes for what only real processes can show, and a queue that says what the test wants."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import lit_gan

_ROOT = Path(lit_gan.__file__).parents[1]

StartPython = Callable[..., subprocess.Popen]

# Answers as squeue 22.05 does: a state, nothing for a job that has just ended, an error for one long gone.
_SQUEUE = """#!/bin/sh
echo "$@" >> "$(dirname "$0")/asked"
for job; do :; done
answer="$(dirname "$0")/jobs/$job"
if [ -e "$(dirname "$0")/hangs" ]; then exec sleep 600; fi
if [ -e "$(dirname "$0")/unreachable" ]; then
    echo "slurm_load_jobs error: Unable to contact slurm controller (connect failure)" >&2
    exit 1
fi
if [ ! -e "$answer" ]; then echo "slurm_load_jobs error: Invalid job id specified" >&2; exit 1; fi
cat "$answer"
"""


class FakeQueue:
    """A `squeue` on PATH that knows no job until it is told of one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "jobs").mkdir(parents=True)
        (folder / "squeue").write_text(_SQUEUE)
        (folder / "squeue").chmod(0o755)

    def holds(self, job: str, state: str = "PENDING") -> None:
        """The job is in the queue; an empty state is a job that has just ended."""
        (self.folder / "jobs" / job).write_text(f"{state}\n" if state else "")

    def fails(self, how: str) -> None:
        """From now on the queue "hangs" or is "unreachable"."""
        (self.folder / how).touch()

    @property
    def asked(self) -> list[str]:
        """The arguments of each question so far."""
        log = self.folder / "asked"
        return log.read_text().splitlines() if log.exists() else []


@pytest.fixture
def queue(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> FakeQueue:
    """The only `squeue` that there is in this test."""
    fake = FakeQueue(tmp_path_factory.mktemp("slurm") / "bin")
    monkeypatch.setenv("PATH", f"{fake.folder}{os.pathsep}{os.environ['PATH']}")
    return fake


@pytest.fixture
def start_python() -> Iterator[StartPython]:
    """Start a Python program with pipes; it is killed and awaited at the end of the test."""
    started = []

    def start(program: str, *arguments: object, **environment: str) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", program, *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": str(_ROOT), **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
