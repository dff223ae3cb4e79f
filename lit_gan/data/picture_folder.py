"""A folder searched for pictures."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lit_gan.data.picture_source import Opener, PictureSource, is_hidden
from lit_gan.errors import UserError


class PictureFolder(PictureSource):
    """The pictures in a folder and all its sub-folders. Links are followed, but not in circles.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as root:
        ...     for name in ("a.png", "b.heic", "notes.txt"):
        ...         Path(root, name).touch()
        ...     PictureFolder(Path(root)).left_out_in_words().removeprefix(f"{root}: ")
        'left out 1 of 2 files: 1 .heic; convert them to PNG or JPEG to have them in.'
    """

    @contextmanager
    def opened(self) -> Iterator[Opener]:
        """Within this context pictures can be opened."""
        yield self._checked

    def where(self, name: str) -> Path:
        """Its path."""
        return self.root / name

    def _checked(self, name: str) -> Path:
        self._stamp(name)
        return self.root / name

    def _stamp(self, name: str) -> tuple[int, int]:
        """Size in bytes, and time of the last change in nanoseconds."""
        path = os.path.join(self.root, name)
        try:
            status = os.stat(path)
        except OSError:  # a dead link, one that leads to itself, or a file that is gone by now
            status = None
        if status is None or not stat.S_ISREG(status.st_mode):  # a pipe would be waited for
            raise UserError(f"{path}: no file that can be read; mend or remove it.")
        return status.st_size, status.st_mtime_ns

    def _files(self) -> Iterator[str]:
        seen: set[str] = set()
        if not self.root.is_dir():
            return
        for folder, subfolders, files in os.walk(self.root, followlinks=True, onerror=_refuse):
            # A link may lead back up.
            real = os.path.realpath(folder)
            if real in seen:
                subfolders.clear()
                continue
            seen.add(real)
            subfolders[:] = [name for name in subfolders if not is_hidden(name)]
            below = Path(folder).relative_to(self.root).as_posix()
            prefix = "" if below == "." else f"{below}/"
            yield from (prefix + name for name in files if not is_hidden(name))


def _refuse(error: OSError) -> None:
    raise UserError(f"{error.filename}: cannot be read ({error.strerror}); give yourself leave to, or move it away.")
