"""A folder searched for pictures: which there are, and which files had to be left out."""

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from lit_gan.data.missing_files import missing_files_error
from lit_gan.data.picture_formats import looks_like_a_picture, readable_suffixes
from lit_gan.errors import UserError

_NOT_OF_THE_USER = "__MACOSX"  # what the Mac puts beside the pictures of a zip file


class PictureFolder:
    """The pictures in a folder and all its sub-folders, told by their suffixes.

    Hidden files and folders are passed over. Links are followed, but not in circles.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.names: list[str] = []
        """The pictures' paths below root, with forward slashes, sorted."""
        self._unread: list[str] = []  # files that look like pictures
        self._others: Counter[str] = Counter()
        suffixes = readable_suffixes()
        for name in self._files():
            suffix = Path(name).suffix.lower()
            if suffix in suffixes:
                self.names.append(name)
            elif looks_like_a_picture(suffix):
                self._unread.append(name)
            else:
                self._others[suffix or "files without a suffix"] += 1
        if not self.names:
            raise self._nothing_found()
        self.names.sort()

    def left_out_in_words(self) -> str:
        """One line on the files that look like pictures and are not read; empty where there are none.

        Example:
            >>> from tempfile import TemporaryDirectory
            >>> with TemporaryDirectory() as root:
            ...     for name in ("a.png", "b.heic", "notes.txt"):
            ...         Path(root, name).touch()
            ...     PictureFolder(Path(root)).left_out_in_words().removeprefix(f"{root}: ")
            'left out 1 of 2 files: 1 .heic; convert them to PNG or JPEG to have them in.'
        """
        if not self._unread:
            return ""
        total = len(self.names) + len(self._unread)
        without = sorted(_top_folders(self._unread) - _top_folders(self.names))
        nothing_left = f" (nothing is left of {_listed(without)})" if without else ""
        return (
            f"{self.root}: left out {len(self._unread)} of {total} files: {_counted(self._unread_suffixes())}"
            f"{nothing_left}; convert them to PNG or JPEG to have them in."
        )

    def _files(self) -> list[str]:
        """The paths of all files below root that are not hidden."""
        found: list[str] = []
        seen: set[str] = set()
        if not self.root.is_dir():
            return found
        for folder, subfolders, files in os.walk(self.root, followlinks=True, onerror=_refuse):
            # A link may lead back up; hidden files and folders are the system's own (`._name`,
            # `.thumbnails`).
            real = os.path.realpath(folder)
            subfolders[:] = [] if real in seen else [name for name in subfolders if not _is_hidden(name)]
            paths = [] if real in seen else [Path(folder, name) for name in files if not _is_hidden(name)]
            seen.add(real)
            found += [path.relative_to(self.root).as_posix() for path in paths]
        return found

    def _unread_suffixes(self) -> Counter[str]:
        return Counter(Path(name).suffix.lower() for name in self._unread)

    def _nothing_found(self) -> UserError:
        advice = "give a folder as root that has pictures in it (.png, .jpg, .webp, .tif and others that Pillow reads)"
        if self.root.is_file():
            advice += "; this is a file"
        elif seen := self._others + self._unread_suffixes():
            advice += f"; this one has {_counted(seen)}"
        return missing_files_error("Pictures", [self.root], advice)


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == _NOT_OF_THE_USER


def _refuse(error: OSError) -> None:
    raise UserError(f"{error.filename}: cannot be read ({error.strerror}); give yourself leave to, or move it away.")


def _top_folders(names: list[str]) -> set[str]:
    return {parts[0] for parts in (Path(name).parts for name in names) if len(parts) > 1}


def _counted(suffixes: Mapping[str, int]) -> str:
    most_first = sorted(suffixes.items(), key=lambda item: (-item[1], item[0]))
    return _listed([f"{count} {suffix}" for suffix, count in most_first])


def _listed(words: list[str], shown: int = 6) -> str:
    rest = len(words) - shown
    return ", ".join(words[:shown]) + (f" and {rest} more kinds" if rest > 0 else "")
