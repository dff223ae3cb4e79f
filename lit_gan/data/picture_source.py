"""Where pictures come from: which there are, which files had to be left out, and how one of them is opened."""

import os
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO

from lit_gan.data.missing_files import missing_files_error
from lit_gan.data.picture_formats import looks_like_a_picture, readable_suffixes
from lit_gan.errors import UserError

Opener = Callable[[str], Path | BinaryIO]
"""From the name of a picture to what Pillow opens."""

_NOT_OF_THE_USER = "__MACOSX"  # what the Mac puts beside the pictures of a zip file


class PictureSource(ABC):
    """Pictures below a root, told by their suffixes; hidden files and folders are passed over.

    Args:
        root: The folder or the archive.

    Raises:
        UserError: There is none, it cannot be read, or no picture is in it.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.names: list[str] = []
        """The pictures' paths below root, with forward slashes, sorted."""
        self._unread: list[str] = []  # files that look like pictures
        self._others: Counter[str] = Counter()
        suffixes = readable_suffixes()
        for name in self._files():
            suffix = _suffix(name)
            if suffix in suffixes:
                self.names.append(name)
            elif looks_like_a_picture(suffix):
                self._unread.append(name)
            else:
                self._others[suffix or "files without a suffix"] += 1
        if not self.names:
            raise self._nothing_found()
        self.names.sort()

    @abstractmethod
    def opened(self) -> AbstractContextManager[Opener]:
        """Within this context pictures can be opened, by several threads at once."""

    @abstractmethod
    def where(self, name: str) -> Path:
        """What a picture is called in messages."""

    @abstractmethod
    def _files(self) -> Iterable[str]:
        """The paths of all files below root that are not hidden."""

    @abstractmethod
    def _stamp(self, name: str) -> tuple[int, int]:
        """Two numbers of which one changes when the picture does."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """The sub-folders directly in root, sorted, where there are two at least and no picture is beside them."""
        tops = {name.partition("/")[0] if "/" in name else "" for name in self.names}
        return tuple(sorted(tops)) if len(tops) > 1 and "" not in tops else ()

    def fingerprint(self) -> str:
        """Of the names and the stamps of all pictures.

        Raises:
            UserError: One of them is no file.
        """
        digest = blake2b(digest_size=16)
        for name in self.names:
            digest.update(repr((name, *self._stamp(name))).encode())  # repr escapes what is no UTF-8
        return digest.hexdigest()

    def left_out_in_words(self) -> str:
        """One line on the files that look like pictures and are not read; empty where there are none."""
        if not self._unread:
            return ""
        total = len(self.names) + len(self._unread)
        without = sorted(_top_folders(self._unread) - _top_folders(self.names))
        nothing_left = f" (nothing is left of {_listed(without)})" if without else ""
        return (
            f"{self.root}: left out {len(self._unread)} of {total} files: {_counted(self._unread_suffixes())}"
            f"{nothing_left}; convert them to PNG or JPEG to have them in."
        )

    def _unread_suffixes(self) -> Counter[str]:
        return Counter(map(_suffix, self._unread))

    def _nothing_found(self) -> UserError:
        advice = "give a folder as root that has pictures in it (.png, .jpg, .webp, .tif and others that Pillow reads)"
        if seen := self._others + self._unread_suffixes():
            advice += f"; this one has {_counted(seen)}"
        elif self.root.is_file():
            advice += "; this is a file" if self.root.suffix.lower() != ".zip" else "; this archive has none"
        return missing_files_error("Pictures", [self.root], advice)


def is_hidden(name: str) -> bool:
    """Whether a file or folder is the system's own (`._name`, `.thumbnails`).

    Example:
        >>> is_hidden("._000.png"), is_hidden("__MACOSX"), is_hidden("000.png")
        (True, True, False)
    """
    return name.startswith(".") or name == _NOT_OF_THE_USER


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower().rstrip(".")  # pathlib takes ten times as long, for every file


def _top_folders(names: Sequence[str]) -> set[str]:
    return {name.partition("/")[0] for name in names if "/" in name}


def _counted(suffixes: Mapping[str, int]) -> str:
    most_first = sorted(suffixes.items(), key=lambda item: (-item[1], item[0]))
    return _listed([f"{count} {suffix}" for suffix, count in most_first])


def _listed(words: list[str], shown: int = 6) -> str:
    rest = len(words) - shown
    return ", ".join(words[:shown]) + (f" and {rest} more kinds" if rest > 0 else "")
