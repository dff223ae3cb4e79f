"""Which workers live: each holds a lock that the kernel frees at its end, and writes a heartbeat beside it."""

import os
import socket
import time
from pathlib import Path

from lit_gan.launch.ranks import fresh_id
from lit_gan.runs.heartbeat import BEAT_SECONDS
from lit_gan.runs.lock import RunLock
from lit_gan.runs.record import RunRecord, read_record


class Presence:
    """A worker's sign of life, for the other workers of this machine and of others.

    There is no thread: the worker looks at its trial several times a second anyway.

    Args:
        folder: Where the workers of a sweep are.
        worker: The name of this one.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     presence = Presence(Path(folder), "host-1")
        ...     presence.begin()
        ...     alive = is_alive(Path(folder), "host-1")
        ...     presence.end()
        ...     alive, is_alive(Path(folder), "host-1")
        (True, False)
    """

    def __init__(self, folder: Path, worker: str) -> None:
        self._lock = RunLock(folder / f"{worker}.lock")
        self._record_file = folder / f"{worker}.json"
        self._record = RunRecord.first({})
        self._next = 0.0

    def begin(self) -> None:
        """Says that the worker lives.

        Raises:
            OSError: When that cannot be written.
        """
        self._lock.acquire()
        self.beat()

    def beat(self) -> None:
        """Says so again, if the last time is long enough ago."""
        if time.monotonic() < self._next:
            return
        self._record = self._record.beaten()
        self._record.write(self._record_file)
        self._next = time.monotonic() + BEAT_SECONDS

    def end(self) -> None:
        """Takes the signs away: the name is never used again."""
        self._record_file.unlink(missing_ok=True)
        self._lock.path.unlink(missing_ok=True)
        self._lock.release()


def is_alive(folder: Path, worker: str) -> bool:
    """Whether a worker lives: by its lock, or, where another machine's lock cannot be seen, by its heartbeat.

    Args:
        folder: Where the workers of a sweep are.
        worker: The name of one.
    """
    held = RunLock(folder / f"{worker}.lock").is_held()
    if held:
        return True
    record = read_record(folder / f"{worker}.json")
    return record is not None and record.beats(locks_work=held is not None)


def new_worker() -> str:
    """A name that no worker had before: the machine, and a few random letters."""
    return f"{socket.gethostname().partition('.')[0]}-{os.getpid()}-{fresh_id()[-4:]}"
