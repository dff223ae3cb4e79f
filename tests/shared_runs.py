"""Runs that are trained once for all tests and all their processes, and copied for each test that changes them."""

import fcntl
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

Said = TypeVar("Said")


def trained_once(
    factory: pytest.TempPathFactory, name: str, train: Callable[[], Said], environ: dict[str, str] | None = None
) -> tuple[Path, Said]:
    """A folder in which something was trained, by whoever came first.

    Args:
        factory: Of the temporary folders of this process.
        name: Of the folder.
        train: Called in the folder, once; what it returns can be pickled.
        environ: Variables that it is called with.

    Returns:
        The folder, and what `train` has returned.
    """
    base = factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, done = shared / f"shared-{name}", shared / f"shared-{name}.pickle"
    with (shared / f"shared-{name}.lock").open("w") as lock, pytest.MonkeyPatch.context() as patch:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            folder.mkdir()
            patch.chdir(folder)
            for variable, value in (environ or {}).items():
                patch.setenv(variable, value)
            done.write_bytes(pickle.dumps(train()))
    said: Said = pickle.loads(done.read_bytes())
    return folder, said
