"""Replacing a file so that every reader, at every moment, sees the old content or the new one."""

import contextlib
import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

#: What the system says where a file does not fit: the disk is full, or the user's share of it.
NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})


def write_all(descriptor: int, data: bytes | memoryview, offset: int) -> None:
    """Write ``data`` at ``offset`` of an open file, however many calls the system needs for it."""
    while data:
        written = os.pwrite(descriptor, data, offset)
        data, offset = data[written:], offset + written


def write_atomically(path: Path, text: str) -> None:
    """Replace ``path`` by ``text``: see :func:`replace_atomically`.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     target = Path(folder, "notes.txt")
        ...     write_atomically(target, "once")
        ...     write_atomically(target, "twice")
        ...     target.read_text(), [file.name for file in Path(folder).iterdir()]
        ('twice', ['notes.txt'])
    """
    replace_atomically(path, lambda descriptor: write_all(descriptor, text.encode(), offset=0))


def replace_atomically(path: Path, write: Callable[[int], None], *, kept_as: Path | None = None) -> None:
    """Replace ``path`` by what ``write`` writes to a descriptor: beside it, synced, renamed over it.

    If that fails, the old file stays as it was. ``kept_as`` is the name, in the same folder, that it goes on under: at
    every moment one of the two holds a whole file. A symbolic link is not kept: what it points to stays anyway.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     target, old = Path(folder, "now"), Path(folder, "before")
        ...     for content in (b"1", b"2", b"3"):
        ...         replace_atomically(target, lambda file: write_all(file, content, 0), kept_as=old)
        ...     target.read_text(), old.read_text()
        ('3', '2')
    """
    temporary = _temporary(path)
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        try:
            with contextlib.suppress(OSError):  # where there are no locks, what a killed process leaves stays
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            write(descriptor)
            os.fsync(descriptor)
            if kept_as is not None:
                _keep(path, kept_as)
            temporary.replace(path)
        finally:
            os.close(descriptor)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    _sync_folder(path.parent)


def remove_leftovers(folder: Path, pattern: str) -> None:
    """Remove the temporary files of processes that were killed while they wrote; where the writer lives they stay.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Path(folder, ".last.ckpt.4711.tmp").touch()
        ...     remove_leftovers(Path(folder), "*.ckpt")
        ...     list(Path(folder).iterdir())
        []
    """
    for path in folder.glob(f".{pattern}.*.tmp"):
        with contextlib.suppress(OSError):  # gone by now, or locked by its writer
            descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
            finally:
                os.close(descriptor)


def _temporary(path: Path) -> Path:
    # The process id keeps two processes that write the same file from writing into the same temporary one.
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def _keep(path: Path, kept_as: Path) -> None:
    """Give the file a second name, which stays when the first one is taken by another file."""
    if path.is_symlink() or not path.is_file():
        return
    temporary = _temporary(kept_as)
    temporary.unlink(missing_ok=True)
    try:
        os.link(path, temporary)
    except OSError:  # a file system without hard links: a moment with the second name alone
        path.replace(kept_as)
        return
    try:
        temporary.replace(kept_as)
    finally:
        temporary.unlink(missing_ok=True)  # still there if both were one file: renaming then does nothing


def _sync_folder(folder: Path) -> None:
    """Make the rename survive a power cut, where the file system can sync a folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
