"""Real processes for what only real processes can show."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import lit_gan

_ROOT = Path(lit_gan.__file__).parents[1]

StartPython = Callable[..., subprocess.Popen]


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
