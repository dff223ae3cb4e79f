"""Decoded pictures kept on disk and mapped into memory, so that a second start decodes nothing."""

import errno
import fcntl
import hashlib
import json
import mmap
import os
import re
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch.utilities import rank_zero_only, rank_zero_warn
from numpy.typing import NDArray
from torch import Tensor

from lit_gan.errors import UserError

Decode = Callable[[bool], Iterator[NDArray[np.uint8]]]
"""From whether this process alone decodes to blocks of rows."""

_FOLDER_VARIABLE = "LIT_GAN_CACHE"
_FORMAT = "lit-gan pictures 1"
_FOOTER_BYTES = 512
_READ_BYTES = 2**22
_CANNOT_RESERVE = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)


def default_folder() -> Path:
    """Where caches lie: in ``$LIT_GAN_CACHE``, else in the user's cache folder (``$XDG_CACHE_HOME``, ``~/.cache``).

    Raises:
        RuntimeError: This user has no home.

    Example:
        >>> default_folder().name
        'pictures'
    """
    chosen = os.environ.get(_FOLDER_VARIABLE)
    if chosen:
        return Path(chosen).expanduser() / "pictures"
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "lit-gan" / "pictures"


@dataclass(frozen=True)
class PictureCache:
    """The file of one set of pictures, decoded in one way.

    It holds the rows as they are in memory, and a footer: what they were decoded from, their shape and their checksum.
    It appears whole or not at all, and is never written again. Of two processes that want the same rows one decodes
    them, and the other waits. What an earlier state of the same pictures left is removed, unless somebody uses it.

    Args:
        folder: Where it lies; made where it is not there.
        root: Whose pictures they are.
        way: How they are decoded.
        content: The fingerprint of their files.
        shape: (N, C, H, W) of all rows.
    """

    folder: Path
    root: Path
    way: str
    content: str
    shape: tuple[int, int, int, int]

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / f"{self._stem}-{self.content[:16]}.rows"

    @property
    def _stem(self) -> str:
        place = f"{os.path.realpath(self.root)!r} {self.way}"
        name = re.sub(r"[^A-Za-z0-9_-]+", "_", self.root.name)[:40]
        return f"{name}-{hashlib.blake2b(place.encode(), digest_size=8).hexdigest()}"

    @property
    def _head(self) -> dict[str, Any]:
        return {"format": _FORMAT, "way": hashlib.sha256(self.way.encode()).hexdigest(), "content": self.content}

    @property
    def _num_bytes(self) -> int:
        return prod(self.shape)

    def rows(self, decode: Decode, still: Callable[[], bool]) -> tuple[Tensor, bool]:
        """The rows, decoded where they are not there yet.

        Args:
            decode: Gives the rows in blocks (n, C, H, W).
            still: Whether the pictures are the same as before, asked once they are decoded.

        Returns:
            The rows, and whether they are mapped from the file. They are in memory where it cannot be written, which is
            told in one line.
        """
        try:
            found = self._checked()
            if found is None:
                with self._turn():
                    found = self._checked(tell=True)  # by now another process may have been there
                    return self._written(decode, still) if found is None else (found, True)
            return found, True
        except OSError as error:
            self._tell(error)
        return in_memory(decode(False), self.shape), False

    def mapped(self) -> Tensor:
        """The rows, unchecked: for a process that is handed them by one that has checked them."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY)
            try:
                return self._mapped(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise UserError(f"{self.path}: cannot be read ({error.strerror}): load the pictures again.") from error

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """One process at a time; by a file of its own, for that of the rows is replaced, and locked by its readers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.folder / f"{self._stem}.lock", os.O_RDWR | os.O_CREAT, 0o666)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                _say(f"waiting for another process, which is decoding the pictures of {self.root}.")
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _checked(self, *, tell: bool = False) -> Tensor | None:
        """What is kept, if it is whole."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY)
        except FileNotFoundError:
            return None
        try:
            if self._is_whole(descriptor):
                return self._mapped(descriptor)
        finally:
            os.close(descriptor)
        if tell:
            rank_zero_warn(f"{self.path}: damaged; the pictures of {self.root} are decoded anew.", stacklevel=2)
        return None

    def _is_whole(self, descriptor: int) -> bool:
        if os.fstat(descriptor).st_size != self._num_bytes + _FOOTER_BYTES:
            return False
        try:
            footer = json.loads(os.pread(descriptor, _FOOTER_BYTES, self._num_bytes))
        except (ValueError, RecursionError):
            return False
        checksum = 0
        for content in _read_back(descriptor, self._num_bytes):
            checksum = zlib.crc32(content, checksum)
        return bool(footer == {**self._head, "shape": list(self.shape), "checksum": checksum})

    def _mapped(self, descriptor: int) -> Tensor:
        """The file's rows in memory, of which the system reads what is touched, and drops what it needs room for."""
        with suppress(OSError):  # where there are no locks, nothing is removed either
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        # Private and writable: what somebody writes into the rows reaches neither the file nor anybody else. No memory
        # is set aside for that, for the file may be larger than all of it. The map keeps a copy of the descriptor, and
        # with it the lock, for as long as there are rows.
        flags = mmap.MAP_PRIVATE | getattr(mmap, "MAP_NORESERVE", 0)
        view = mmap.mmap(descriptor, self._num_bytes, flags=flags, prot=mmap.PROT_READ | mmap.PROT_WRITE)
        return torch.from_numpy(np.frombuffer(view, dtype=np.uint8).reshape(self.shape))

    def _written(self, decode: Decode, still: Callable[[], bool]) -> tuple[Tensor, bool]:
        part = self.folder / f"{self._stem}.part"
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
        try:
            _reserve(descriptor, self._num_bytes + _FOOTER_BYTES)
            images = self._write_rows(descriptor, decode(True))
            if images is not None:
                return images, False
            is_kept = still()
            if is_kept:
                os.fsync(descriptor)
                part.replace(self.path)
                self._remove_earlier()
            else:
                rank_zero_warn(f"{self.root}: the pictures changed while they were decoded: not kept.", stacklevel=2)
            return self._mapped(descriptor), is_kept
        finally:
            os.close(descriptor)
            part.unlink(missing_ok=True)

    def _write_rows(self, descriptor: int, blocks: Iterator[NDArray[np.uint8]]) -> Tensor | None:
        """Nothing where all are written; all of them where there was no room."""
        checksum, place = 0, 0
        for block in blocks:
            content = np.ascontiguousarray(block).data.cast("B")
            try:
                _write_all(descriptor, content, place)
            except OSError as error:
                self._tell(error)
                return in_memory(chain(_read_back(descriptor, place), [content], blocks), self.shape)
            checksum, place = zlib.crc32(content, checksum), place + len(content)
        footer = json.dumps({**self._head, "shape": list(self.shape), "checksum": checksum})
        _write_all(descriptor, memoryview(footer.ljust(_FOOTER_BYTES).encode()), place)
        return None

    def _remove_earlier(self) -> None:
        for path in self.folder.glob(f"{self._stem}-*.rows"):
            if path == self.path:
                continue
            with suppress(OSError):  # gone by now, or used by a run, whose map would break on another machine
                descriptor = os.open(path, os.O_RDWR)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink()
                finally:
                    os.close(descriptor)

    def _tell(self, error: OSError) -> None:
        reason = error.strerror or str(error)
        rank_zero_warn(
            f"{self.folder}: the decoded pictures of {self.root} cannot be kept there ({reason}): they are held in "
            "memory, and decoded at every start; name another folder by --data.init_args.cache, or set it to false.",
            stacklevel=2,
        )


@rank_zero_only
def _say(line: str) -> None:
    """No log of Lightning's, of which the command shows warnings alone."""
    sys.stderr.write(f"lit-gan: {line}\n")
    sys.stderr.flush()


def in_memory(blocks: Iterable[Any], shape: tuple[int, int, int, int]) -> Tensor:
    """All rows of some blocks, as one tensor.

    Example:
        >>> in_memory([b"ab", b"c"], (3, 1, 1, 1)).flatten()
        tensor([97, 98, 99], dtype=torch.uint8)
    """
    rows, place = np.empty(prod(shape), dtype=np.uint8), 0
    for block in blocks:
        content = np.frombuffer(block, dtype=np.uint8)
        rows[place : place + len(content)] = content
        place += len(content)
    return torch.from_numpy(rows.reshape(shape))


def _read_back(descriptor: int, num_bytes: int) -> Iterator[bytes]:
    place = 0
    while place < num_bytes and (content := os.pread(descriptor, min(_READ_BYTES, num_bytes - place), place)):
        yield content
        place += len(content)


def _write_all(descriptor: int, content: memoryview, place: int) -> None:
    while content:
        written = os.pwrite(descriptor, content, place)
        content, place = content[written:], place + written


def _reserve(descriptor: int, num_bytes: int) -> None:
    """Finds out at once whether there is room, where the file system can say so."""
    if not hasattr(os, "posix_fallocate"):
        return
    try:
        os.posix_fallocate(descriptor, 0, num_bytes)
    except OSError as error:
        if error.errno not in _CANNOT_RESERVE:
            raise
