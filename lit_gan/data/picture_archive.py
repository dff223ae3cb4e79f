"""A zip archive of pictures, which are read where they are: nothing is unpacked to the disk."""

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import BinaryIO, NamedTuple

from lit_gan.data.picture_source import Opener, PictureSource, is_hidden
from lit_gan.errors import UserError, in_short

_LARGEST = 2**30  # bytes of one picture, unpacked into memory: more than 300 megapixels without any compression
_ENCRYPTED, _UTF_8 = 0x1, 0x800  # bits of a member's flags
_OF_WINDOWS = 0  # the system that has made a member


class _Member(NamedTuple):
    """What is needed of a member: its name in the archive, which others are unlike, and of the bytes that it has."""

    name: str
    num_bytes: int
    checksum: int
    is_encrypted: bool


class PictureArchive(PictureSource):
    """The pictures in a zip archive, by the rules of a folder.

    A folder that everything in the archive lies in is passed over, as it is where the folder itself is the root.

    Raises:
        UserError: The archive is damaged, or a picture in it is encrypted, larger than a gigabyte when unpacked, or of
            a name that leads out of the archive.
    """

    def __init__(self, root: Path) -> None:
        self._members: dict[str, _Member] = {}
        super().__init__(root)
        wrapper = self._wrapper()
        if wrapper:
            self.names = [name.removeprefix(wrapper) for name in self.names]
            self._unread = [name.removeprefix(wrapper) for name in self._unread]
        # Of two members of one name the later one holds, as where they are unpacked.
        self._members = {name: self._members[wrapper + name] for name in self.names}
        self.names = sorted(self._members)
        for member in self._members.values():
            self._check(member)

    @contextmanager
    def opened(self) -> Iterator[Opener]:
        """Within this context pictures can be opened."""
        with _archive(self.root) as archive:

            def unpacked(name: str) -> BinaryIO:
                # Not more than was declared is ever unpacked, and its checksum is compared.
                return io.BytesIO(archive.read(self._members[name].name))

            yield unpacked

    def where(self, name: str) -> Path:
        """Its path as if the archive were a folder."""
        return self.root / self._members[name].name

    def _stamp(self, name: str) -> tuple[int, int]:
        """Size in bytes, and checksum."""
        return self._members[name].num_bytes, self._members[name].checksum

    def _files(self) -> Iterator[str]:
        with _archive(self.root) as archive:
            for info in archive.infolist():
                if not info.filename or info.is_dir():  # of no name at all zipfile itself cannot say what it is
                    continue
                name = _readable_name(info)
                parts = [part for part in PurePosixPath(name).parts if part != "."]
                if any(is_hidden(part) for part in parts if part != ".."):
                    continue
                path = "/".join(parts)
                is_encrypted = bool(info.flag_bits & _ENCRYPTED)
                self._members[path] = _Member(info.filename, info.file_size, info.CRC, is_encrypted)
                yield path

    def _wrapper(self) -> str:
        """The folders that all pictures lie in, with a slash behind."""
        folders = [name.split("/")[:-1] for name in (*self.names, *self._unread)]
        shared = []
        for parts in zip(*folders, strict=False):
            if len(set(parts)) > 1 or parts[0] in ("..", "/"):
                break
            shared.append(parts[0])
        return "".join(f"{part}/" for part in shared)

    def _check(self, member: _Member) -> None:
        path = f"{self.root}/{member.name}"
        if member.name.startswith(("/", "\\")) or ".." in PureWindowsPath(member.name).parts:
            raise UserError(f"{path}: a name that leads out of the archive; make the archive anew without it.")
        if member.is_encrypted:
            raise UserError(f"{path}: is encrypted; make the archive anew without a password.")
        if member.num_bytes > _LARGEST:
            raise UserError(
                f"{path}: {member.num_bytes:,} bytes when unpacked, expected at most {_LARGEST:,} of a picture; make "
                "it smaller, or leave it out."
            )


def is_archive(root: Path) -> bool:
    """Whether a root is a file that is a zip archive, or is called one.

    Example:
        >>> is_archive(Path("holiday.zip"))
        False
    """
    return root.is_file() and (root.suffix.lower() == ".zip" or zipfile.is_zipfile(root))


@contextmanager
def _archive(root: Path) -> Iterator[zipfile.ZipFile]:
    try:
        archive = zipfile.ZipFile(root)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError) as error:
        reason = in_short(error)
        raise UserError(f"{root}: no zip archive that can be read ({reason}); fetch or make it anew.") from error
    except OSError as error:
        raise UserError(f"{root}: cannot be read ({error.strerror}); give yourself leave to.") from error
    with archive:
        yield archive


def _readable_name(info: zipfile.ZipInfo) -> str:
    """The name of a member with forward slashes; one that is not said to be UTF-8 may be it nonetheless."""
    name = info.filename
    if not info.flag_bits & _UTF_8:
        try:
            name = name.encode("cp437").decode("utf-8")
        except UnicodeError:
            name = info.filename
    return name.replace("\\", "/") if info.create_system == _OF_WINDOWS else name
