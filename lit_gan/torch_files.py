"""Files that ``torch.save`` has written: read only where they hold, byte for byte, what was written; nothing is run.

torch compares no checksum where it reads into memory or maps a file, and weights with a wrong bit are weights all the
same. A file is a zip archive: each record in it has a checksum, and a size.
"""

import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lit_gan.errors import in_short

_PIECE = 1 << 20
# A file that is written twice within a tick of its file system's clock may have the same time both times.
_SETTLED_SECONDS = 2.0

# What zipfile raises when bytes are others than were written, beside its own error.
_BROKEN = (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError, OverflowError, struct.error)


def fault_of_file(path: Path) -> str | None:
    """What keeps a file from being read, in words; None where it is whole, whatever it holds.

    Every byte is read, once: 0.5 s for 1 GB that was written lately.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Path(folder, "last.ckpt").touch()
        ...     fault_of_file(Path(folder, "last.ckpt"))
        'it is empty'
    """
    return unless_known(_fault_of_bytes, path)


# Looks that found a file whole, and which file that was: a command comes to the same one several times.
_found_whole: set[tuple[str, int, int, int, int]] = set()


def unless_known(look: Callable[[Path], str | None], path: Path) -> str | None:
    """What a look at a file finds; one that it has found whole is not read again until it is another."""
    try:
        file = path.stat()
    except OSError:
        return look(path)
    known = (look.__name__, file.st_dev, file.st_ino, file.st_size, file.st_mtime_ns)
    if known in _found_whole:
        return None
    fault = look(path)
    if fault is None and time.time() - file.st_mtime > _SETTLED_SECONDS:
        _found_whole.add(known)
    return fault


def _fault_of_bytes(path: Path) -> str | None:
    try:
        if path.stat().st_size == 0:
            return "it is empty"
        with zipfile.ZipFile(path) as archive:
            return _fault_of_kind(archive) or _fault_of_content(archive)
    except OSError as error:
        return f"it cannot be opened ({error.strerror})"
    except _BROKEN:
        return "it is cut short, or no checkpoint at all (a checkpoint is a zip file with its index at the end)"


def load_mapped(path: Path) -> Any:
    """What a file holds, its tensors mapped from it, on the CPU.

    Raises:
        ValueError: A tensor is said to have more bytes, or fewer, than there are of it.
        Exception: Anything at all, on a file that is damaged or forged.
    """
    import torch  # noqa: PLC0415 - finding a checkpoint must not cost an import of torch

    found: list[tuple[int, int]] = []

    def note(storage: Any, _: str) -> Any:
        found.append((storage.data_ptr(), storage.nbytes()))
        return storage

    content = torch.load(path, map_location=note, weights_only=True, mmap=True)
    # Mapped, they lie in the order of their records.
    if [size for _, size in sorted(found) if size] != _sizes_of_records(path):
        raise ValueError("its tensors are of other sizes than it has bytes of them")
    return content


def load_whole(path: Path, *, mmap: bool = False) -> Any:
    """What a file holds that is whole, copied to memory or mapped from the file.

    Raises:
        ValueError: It is damaged.
        Exception: Anything at all, on a file that is forged.
    """
    import torch  # noqa: PLC0415 - as above

    if fault := fault_of_file(path):
        raise ValueError(fault)
    content = load_mapped(path)
    return content if mmap else torch.load(path, map_location="cpu", weights_only=True)


def _sizes_of_records(path: Path) -> list[int]:
    """The sizes of the tensors' bytes, in their order in the file; of those that have any."""
    with zipfile.ZipFile(path) as archive:
        records = sorted(archive.infolist(), key=lambda info: info.header_offset)
    return [info.file_size for info in records if "/data/" in info.filename and info.file_size]


def _fault_of_kind(archive: zipfile.ZipFile) -> str | None:
    names = archive.namelist()
    if any(name.endswith("constants.pkl") for name in names):
        return "it is a TorchScript archive, which holds code"
    stored = all(info.compress_type == zipfile.ZIP_STORED for info in archive.infolist())
    if not stored or not any(name.endswith("data.pkl") for name in names):
        return "it is a zip file, but not one written by torch.save"
    return None


def _fault_of_content(archive: zipfile.ZipFile) -> str | None:
    for info in archive.infolist():
        try:
            with archive.open(info) as file:
                while file.read(_PIECE):  # compares the checksum at the end
                    pass
        except _BROKEN:
            return f"its content is damaged ({in_short(info.filename)} is not what was written)"
    return None
