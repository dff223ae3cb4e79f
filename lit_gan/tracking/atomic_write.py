"""Replacing a file so that every reader, at every moment, sees the old content or the new one."""

import contextlib
import os
from pathlib import Path


def write_all(descriptor: int, data: bytes, offset: int) -> None:
    """Write ``data`` at ``offset`` of an open file, however many calls the system needs for it.

    Args:
        descriptor: A file descriptor open for writing.
        data: The bytes.
        offset: Where the first of them goes.

    Raises:
        OSError: What the system says, a full disk for instance; a part may have been written.
    """
    while data:
        written = os.pwrite(descriptor, data, offset)
        data, offset = data[written:], offset + written


def write_atomically(path: Path, text: str) -> None:
    """Replace ``path`` by ``text``: written beside it, synced, renamed over it.

    Args:
        path: The file; its folder exists.
        text: The new content, stored as UTF-8.

    Raises:
        OSError: With the path, when the disk is full or the folder cannot be written; the old file stays as
            it was.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     target = Path(folder, "notes.txt")
        ...     write_atomically(target, "once")
        ...     write_atomically(target, "twice")
        ...     target.read_text(), [file.name for file in Path(folder).iterdir()]
        ('twice', ['notes.txt'])
    """
    # The process id keeps two processes that write the same file from writing into the same temporary one.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        try:
            write_all(descriptor, text.encode(), offset=0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise OSError(error.errno, error.strerror, str(path)) from error
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make the rename survive a power cut, where the file system can sync a folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
