"""The journal: one file that all commands of a sweep append to, on one machine or on several."""

import json
import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock

from lit_gan.errors import UserError, in_short
from lit_gan.runs.atomic_write import NO_SPACE, write_all

_BLOCK = 65536
_HEAD = b'{"op_code":'  # of every line that Optuna writes


class SweepJournal(JournalFileBackend):
    """Optuna's journal file, which a full disk or a killed process leaves whole.

    Optuna appends in one call and keeps what of it was written: a line that is cut short stands in the way of every
    later one. Here a line that cannot be written to its end is taken back, and so is one that a killed process left.

    Args:
        path: The file; absolute, since Optuna's lock is a symbolic link to it and waits for ever on one that leads
            nowhere.

    Raises:
        UserError: When it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()
        # A symbolic link: it excludes processes of other machines on any NFS, and is left behind by a killed one for
        # 30 seconds.
        self._link = JournalFileSymlinkLock(str(self._path))
        with os_errors_as_user_errors(self._path):
            super().__init__(str(self._path), self._link)

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        """Reads the lines from one on; a file that is gone is told as such."""
        with os_errors_as_user_errors(self._path, "read"), damage_as_user_errors(self._path):
            yield from super().read_logs(log_number_from)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Appends lines, all of them or none."""
        data = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs).encode()
        with os_errors_as_user_errors(self._path):
            self._link.acquire()
            try:
                _append(self._path, data)
            finally:
                self._link.release()


def open_journal(path: Path) -> JournalStorage:
    """Opens a journal, or begins one."""
    if path.is_dir():
        raise UserError(f"--storage {path} is a folder: expected a file, as in runs/NAME.journal.")
    with damage_as_user_errors(path), os_errors_as_user_errors(path):
        _check_head(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        return JournalStorage(SweepJournal(path))


@contextmanager
def damage_as_user_errors(path: Path) -> Iterator[None]:
    """Turns what comes of reading a journal that is damaged, or another file, into a line for the user."""
    try:
        yield
    except (UserError, OSError):
        raise
    except Exception as error:  # Optuna replays whatever the lines say, and checks little of it
        raise _no_journal(path, in_short(f"{type(error).__name__}: {error}")) from error


@contextmanager
def os_errors_as_user_errors(path: Path, done: str = "written") -> Iterator[None]:
    """Turns what the system says of a full or a forbidden disk into a line for the user; ``done``: written or read."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_SPACE:
            raise UserError(
                f"{path}: the disk is full ({error.strerror}). No trial is lost: free some space, and the same command "
                "goes on."
            ) from error
        raise UserError(f"{error.filename or path} cannot be {done} ({error.strerror}).") from error


def _check_head(path: Path) -> None:
    """Refuses a file of another kind, whose one line without an end would pass for one that a killed writer left."""
    if not path.exists():
        return
    with path.open("rb") as file:
        head = file.read(len(_HEAD))
    if not _HEAD.startswith(head):
        raise _no_journal(path, f"it begins with {head!r}")


def _no_journal(path: Path, why: str) -> UserError:
    return UserError(
        f"--storage {path} is no journal of Optuna's, or is damaged ({why}): give another file, or put it back as it "
        "was."
    )


def _append(path: Path, data: bytes) -> None:
    # Not made anew: a journal that was moved away in the middle of a sweep is missed, and told.
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        end = _end_of_whole_lines(descriptor)
        try:
            os.ftruncate(descriptor, end)
            write_all(descriptor, data, end)
            os.fsync(descriptor)
        except BaseException:
            with suppress(OSError):
                os.ftruncate(descriptor, end)
            raise
    finally:
        os.close(descriptor)


def _end_of_whole_lines(descriptor: int) -> int:
    """Where the next line belongs: after the last line's end."""
    end = os.fstat(descriptor).st_size
    while end > 0:
        start = max(end - _BLOCK, 0)
        newline = os.pread(descriptor, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0
