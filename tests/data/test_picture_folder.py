"""What is found below a folder, and what is said of the rest."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lit_gan.data.picture_folder import PictureFolder
from lit_gan.errors import UserError


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_names_are_sorted_and_of_any_case(tmp_path: Path) -> None:
    root = touch(tmp_path, "b.JFIF", "a/x.Png", "c.webp", "notes.md", "x.png.txt")
    assert PictureFolder(root).names == ["a/x.Png", "b.JFIF", "c.webp"]


def test_what_the_system_puts_there_is_passed_over(tmp_path: Path) -> None:
    root = touch(tmp_path, "a.png", "._a.png", ".cache/b.png", "__MACOSX/c.png", "d/__MACOSX/c.heic", "Thumbs.db")
    folder = PictureFolder(root)
    assert (folder.names, folder.left_out_in_words()) == (["a.png"], "")


def test_a_folder_with_the_name_of_a_picture_is_a_folder(tmp_path: Path) -> None:
    root = touch(tmp_path, "x.png/a.png", "y.heic/b.png")
    folder = PictureFolder(root)
    assert (folder.names, folder.left_out_in_words()) == (["x.png/a.png", "y.heic/b.png"], "")


def test_many_kinds_are_told_shortly(tmp_path: Path) -> None:
    suffixes = (".heic", ".heic", ".svg", ".cr2", ".nef", ".arw", ".dng", ".jxl", ".exr")
    root = touch(tmp_path, "a.png", *(f"{number}{suffix}" for number, suffix in enumerate(suffixes)))
    told = PictureFolder(root).left_out_in_words()
    assert told == (
        f"{root}: left out 9 of 10 files: 2 .heic, 1 .arw, 1 .cr2, 1 .dng, 1 .exr, 1 .jxl and 2 more kinds; convert "
        "them to PNG or JPEG to have them in."
    )


@pytest.mark.parametrize(
    ("names", "seen"),
    [
        (["a.heic", "b.heic", "labels.csv"], "; this one has 2 .heic, 1 .csv"),
        (["a", "b", "c"], "; this one has 3 files without a suffix"),
        (["train.zip"], "; this one has 1 .zip"),
        ([], ""),
    ],
)
def test_a_folder_without_pictures_says_what_it_has(names: list[str], seen: str, tmp_path: Path) -> None:
    root = touch(tmp_path, *names)
    expected = f"has pictures in it (.png, .jpg, .webp, .tif and others that Pillow reads){seen}; `--config quickstart`"
    with pytest.raises(UserError, match=re.escape(expected)):
        PictureFolder(root)


def test_a_root_that_is_a_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"x\.png\. To go on, give a folder as root .*; this is a file"):
        PictureFolder(touch(tmp_path, "x.png") / "x.png")


def test_a_folder_that_cannot_be_read_is_told_not_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, scan = touch(tmp_path, "a/x.png", "b/y.png"), os.scandir

    def refusing(path: Any) -> Iterator[os.DirEntry[str]]:
        if str(path).endswith("/b"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refusing)  # chmod stops no root
    with pytest.raises(UserError, match=f"{root}/b: cannot be read \\(Permission denied\\)"):
        PictureFolder(root)
