"""The lock that tells a living run from a dead one: the kernel frees it when the process ends."""

import contextlib
import errno
import fcntl
import os
import socket
import time
import warnings
import weakref
from pathlib import Path

# What flock says where the file system keeps no locks (Lustre without its flock option, some FUSE mounts).
_UNSUPPORTED = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP})

# A question by `is_held` holds the lock for some microseconds; who wants to take it asks again this long.
_PATIENCE_SECONDS = 0.1
_PAUSE_SECONDS = 0.01


class RunLock:
    """An exclusive advisory lock (``flock``) on one file, which also names its holder for the error message.

    Child processes that are forked (data loader workers) let go of it at once, so that none of them keeps a
    dead run looking alive. The file is never removed: removing it would let two processes hold two locks of
    one name.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     first, second = RunLock(Path(folder, "run.lock")), RunLock(Path(folder, "run.lock"))
        ...     taken = first.acquire(), second.acquire()
        ...     first.release()
        ...     taken, second.is_held()
        ((True, False), False)
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Take the lock without waiting for another run to end."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            taken = _flock_patiently(descriptor)
        except OSError as error:
            os.close(descriptor)
            raise OSError(error.errno, error.strerror, str(self.path)) from error
        if taken is False:
            os.close(descriptor)
            return False
        if taken is None:
            warnings.warn(
                f"The file system of {self.path.parent} keeps no file locks: whether a run is alive is told "
                "by its heartbeat alone, so do not start the same command twice within a second.",
                stacklevel=2,
            )
        self._descriptor = descriptor
        _HELD.add(self)
        with contextlib.suppress(OSError):  # a full disk: then the holder stays unnamed
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)
        return True

    def release(self) -> None:
        """Let go of the lock; nothing happens if it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
            _HELD.discard(self)

    def duplicates(self) -> list[int]:
        """A descriptor by which a child process holds the lock as well, to be closed here; none if it is not held."""
        return [] if self._descriptor is None else [os.dup(self._descriptor)]

    def is_held(self) -> bool | None:
        """Whether a process, this one or another, holds the lock; None where there are no locks to ask."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
            return None
        finally:
            os.close(descriptor)
        return False

    def holder(self) -> str:
        """The process that holds the lock, as ``process PID on HOST``."""
        return self.path.read_text(errors="replace").strip() or "another process"


def _flock_patiently(descriptor: int) -> bool | None:
    """Whether the lock was got; None where the file system keeps no locks."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(_PAUSE_SECONDS)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
            return None
        else:
            return True


_HELD: weakref.WeakSet[RunLock] = weakref.WeakSet()


def _let_go_in_child() -> None:
    for lock in tuple(_HELD):
        lock.release()


os.register_at_fork(after_in_child=_let_go_in_child)
