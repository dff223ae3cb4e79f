"""A disk so small that it can be filled: a real one, since what writes to it fails in its own ways."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from requirements import require


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    """Mounts one for the time of a test; skips the test where that is not allowed.

    Args:
        folder: Where, made here.
        size: In bytes, rounded up to whole pages.
    """
    folder.mkdir()
    require("tmpfs", _mount(folder, size))
    try:
        yield folder
    finally:
        # Lazily: a checkpoint that is still mapped into memory must not keep it.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path, leave: int) -> Path:
    """Writes a file that leaves only some bytes free.

    Args:
        folder: On the disk.
        leave: How many, rounded down to whole pages.
    """
    filler = folder / "filler"
    filler.touch()
    with filler.open("ab") as file:
        file.write(bytes(_free(folder) - leave))
    return filler


def _free(folder: Path) -> int:
    state = os.statvfs(folder)
    return int(state.f_bavail * state.f_frsize)


def _mount(folder: Path, size: int) -> str | None:
    """Why it cannot be mounted."""
    try:
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
    except OSError as error:
        return f"mount cannot be run ({error.strerror})"
    return None if done.returncode == 0 else " ".join(done.stderr.split())
