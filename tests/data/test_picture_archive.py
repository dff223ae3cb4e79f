"""A zip archive is a folder that is not unpacked."""

import io
import struct
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import real_formats
import torch
from mutations import check_told, mutations
from PIL import Image

from lit_gan.data import ImageFolderDataModule
from lit_gan.data.decoding import Decoder
from lit_gan.data.picture_archive import PictureArchive, is_archive
from lit_gan.errors import UserError


def picture(level: int = 90, kind: str = "PNG") -> bytes:
    content = io.BytesIO()
    Image.new("L", (6, 6), level).save(content, kind)
    return content.getvalue()


def zipped(path: Path, members: Mapping[str, bytes], *, system: int = 3) -> Path:
    """An archive, stored without compression, as if a system had made it (3: Unix, 0: Windows)."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.create_system = system
            info.filename = name  # as it is typed: ZipInfo makes it a decent one
            archive.writestr(info, content)
    return path


def three(path: Path, **others: bytes) -> Path:
    return zipped(path, {"a.png": picture(1), "b.png": picture(2), "c.png": picture(3), **others})


def patched(path: Path, signature: bytes, offset: int, layout: str, value: int) -> Path:
    """Another value in the headers of all members: local ones (PK34), or those of the directory (PK12)."""
    content, place = bytearray(path.read_bytes()), -1
    while (place := content.find(signature, place + 1)) >= 0:
        struct.pack_into(layout, content, place + offset, value)
    path.write_bytes(content)
    return path


LOCAL, DIRECTORY = b"PK\x03\x04", b"PK\x01\x02"


@pytest.mark.parametrize("wrapper", ["", "pictures/", "a/b/"])
def test_an_archive_is_to_the_bit_what_its_folder_is(tmp_path: Path, wrapper: str) -> None:
    paths = real_formats.write_image_folder(tmp_path / "folder")
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        if wrapper:
            archive.mkdir(wrapper)
        for path in paths:
            archive.write(path, wrapper + path.relative_to(tmp_path / "folder").as_posix())
        archive.writestr(f"__MACOSX/{wrapper}cat/._000.png", b"no picture")
        archive.writestr(f"{wrapper}.thumbnails/x.png", b"no picture")
        archive.writestr("readme.txt", b"no picture")
    folder, archived = (ImageFolderDataModule(tmp_path / name, image_size=8) for name in ("folder", "x.zip"))
    for again in (archived, ImageFolderDataModule(tmp_path / "x.zip", image_size=8, cache=False)):
        assert again.class_names == folder.class_names == ("cat", "dog")
        for split in ("train", "val", "test"):
            assert torch.equal(again.dataset(split).images, folder.dataset(split).images)
            assert torch.equal(again.dataset(split).labels, folder.dataset(split).labels)


def test_what_is_left_out_is_counted_in_one_line(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", {"all/cat/a.png": b"", "all/cat/b.heic": b"", "all/emu/c.svg": b""})
    archive = PictureArchive(path)
    assert archive.names == ["cat/a.png"]
    assert archive.left_out_in_words() == (
        f"{path}: left out 2 of 3 files: 1 .heic, 1 .svg (nothing is left of emu); convert them to PNG or JPEG to have "
        "them in."
    )


@pytest.mark.parametrize("name", ["", ".", "./", "/", "a/"])
def test_what_has_no_name_of_its_own_is_no_picture(tmp_path: Path, name: str) -> None:
    path = zipped(tmp_path / "x.zip", {"a.png": picture(1), "?????"[: len(name)] or "_": b""})
    content = bytearray(path.read_bytes())
    place = content.rfind(DIRECTORY)
    if not name:  # the one letter is called a further field
        struct.pack_into("<HH", content, place + 28, 0, 1)
    content[place + 46 : place + 46 + len(name)] = name.encode()
    path.write_bytes(content)
    assert zipfile.ZipFile(path).infolist()[1].filename == name
    assert PictureArchive(path).names == ["a.png"]


def test_only_another_content_of_a_member_is_another_archive(tmp_path: Path) -> None:
    before, after = (PictureArchive(three(tmp_path / f"{name}.zip")) for name in ("x", "y"))
    assert before.fingerprint() == after.fingerprint()
    assert PictureArchive(zipped(tmp_path / "x.zip", {"a.png": b"1"})).fingerprint() != (
        PictureArchive(zipped(tmp_path / "x.zip", {"a.png": b"2"})).fingerprint()
    )


def test_the_later_of_two_members_of_one_name_holds(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for level in (1, 9):
            archive.writestr("a.png", picture(level))
    archived = PictureArchive(tmp_path / "x.zip")
    assert archived.names == ["a.png"]
    with archived.opened() as opener:
        assert np.unique(np.asarray(Image.open(opener("a.png")))).tolist() == [9]


@pytest.mark.parametrize(
    ("name", "system", "expected"),
    [
        ("cat\\a.png", 0, "cat/a.png"),
        ("cat\\a.png", 3, "cat\\a.png"),
        ("./cat/a.png", 3, "cat/a.png"),
        ("été/日本.png", 3, "été/日本.png"),
    ],
)
def test_names_are_read_as_their_makers_meant_them(tmp_path: Path, name: str, system: int, expected: str) -> None:
    path = zipped(tmp_path / "x.zip", {name: picture(), "x.png": picture()}, system=system)
    assert expected in PictureArchive(path).names


@pytest.mark.parametrize(
    ("raw", "expected"), [("é.png".encode(), "é.png"), (b"\x82.png", "é.png"), (b"\xa4\xa4.png", "ññ.png")]
)
def test_names_that_are_not_said_to_be_utf_8(tmp_path: Path, raw: bytes, expected: str) -> None:
    placeholder = "_" * (len(raw) - 4) + ".png"
    path = zipped(tmp_path / "x.zip", {placeholder: picture(), "x.png": picture()})
    path.write_bytes(path.read_bytes().replace(placeholder.encode(), raw))
    archive = PictureArchive(path)
    assert expected in archive.names
    with archive.opened() as opener:
        Image.open(opener(expected)).load()


def damaged(damage: Callable[[bytearray], None], path: Path) -> Path:
    content = bytearray(path.read_bytes())
    damage(content)
    path.write_bytes(content)
    return path


def _invert(content: bytearray, part: slice) -> None:
    content[part] = bytes(255 - value for value in content[part])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.write_bytes(b"no archive"), ": no zip archive that can be read (File is not a zip file)"),
        (lambda path: path.write_bytes(b""), ": no zip archive that can be read (File is not a zip file)"),
        (lambda path: path.write_bytes(three(path).read_bytes()[:200]), ": no zip archive that can be read ("),
        (lambda path: damaged(lambda content: _invert(content, slice(-30, -20)), three(path)), ": no zip archive that"),
        (lambda path: patched(patched(three(path), DIRECTORY, 8, "<H", 1), LOCAL, 6, "<H", 1), "/a.png: is encrypted;"),
        (
            lambda path: patched(three(path), DIRECTORY, 24, "<I", 2**30 + 1),
            "/a.png: 1,073,741,825 bytes when",
        ),
        (lambda path: patched(three(path), DIRECTORY, 24, "<I", 30), "cannot be decoded (BadZipFile: Bad CRC-32 for"),
        (lambda path: patched(three(path), DIRECTORY, 16, "<I", 30), "cannot be decoded (BadZipFile: Bad CRC-32 for"),
        (lambda path: patched(three(path), DIRECTORY, 10, "<H", 9), "cannot be decoded (NotImplementedError: "),
        (lambda path: patched(three(path), DIRECTORY, 42, "<I", 7), "cannot be decoded (BadZipFile: "),
        (lambda path: zipped(path, {"../../x.png": b""}), "/../../x.png: a name that leads out of the archive"),
        (lambda path: zipped(path, {"a/../../x.png": b""}), "/a/../../x.png: a name that leads out of the archive"),
        (lambda path: zipped(path, {"..\\x.png": b""}, system=0), "/..\\x.png: a name that leads out of the archive"),
        (lambda path: zipped(path, {"/etc/x.png": b""}), "//etc/x.png: a name that leads out of the archive"),
        (lambda path: zipped(path, {"a.txt": b"", "b.heic": b""}), "this one has 1 .heic, 1 .txt"),
        (lambda path: zipped(path, {}), "; this archive has none"),
        (lambda path: three(path, **{"0.png": b"<html>"}), "x.zip/0.png: cannot be decoded (UnidentifiedImageError"),
        (lambda path: three(path, **{"0.jpg": picture(kind="JPEG")[:300]}), "x.zip/0.jpg: cannot be decoded (OSError"),
        (lambda path: three(path, **{"0.png": b""}), "x.zip/0.png: cannot be decoded (UnidentifiedImageError"),
    ],
)
def test_what_is_wrong_with_an_archive_is_told_in_one_line(
    tmp_path: Path, make: Callable[[Path], object], message: str
) -> None:
    make(tmp_path / "x.zip")
    with pytest.raises(UserError) as told:
        ImageFolderDataModule(tmp_path / "x.zip", image_size=4).setup("fit")
    assert message in str(told.value)
    assert str(tmp_path / "x.zip") in str(told.value)
    assert "\n" not in str(told.value)


def test_no_utf_8_where_it_is_promised_is_told(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", {"é.png": picture()})
    path.write_bytes(path.read_bytes().replace("é".encode(), b"\xff\xfe"))
    with pytest.raises(UserError, match=r"x\.zip: no zip archive that can be read \('utf-8' codec can't decode"):
        PictureArchive(path)


def test_an_archive_that_may_not_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = three(tmp_path / "x.zip")

    def refused(*arguments: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(zipfile, "ZipFile", refused)  # chmod stops no root
    with pytest.raises(UserError, match=f"{path}: cannot be read \\(Permission denied\\); give yourself leave to"):
        PictureArchive(path)


def test_an_archive_is_told_by_its_suffix_or_by_its_content(tmp_path: Path) -> None:
    three(tmp_path / "comic.cbz")
    (tmp_path / "x.ZIP").touch()
    (tmp_path / "folder.zip").mkdir()
    (tmp_path / "a.png").write_bytes(picture())
    assert [is_archive(tmp_path / name) for name in ("comic.cbz", "x.ZIP", "folder.zip", "a.png", "none.zip")] == [
        *(True, True, False, False, False)
    ]


@pytest.mark.filterwarnings("ignore")  # Pillow's, of damaged pictures
@pytest.mark.parametrize("how", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_any_damage_is_told_or_leaves_pictures_that_were_there(tmp_path: Path, how: int) -> None:
    path, members = tmp_path / "pictures.zip", {}
    with zipfile.ZipFile(path, "w", how) as archive:
        for number in range(4):
            file = io.BytesIO()
            Image.new("L", (4, 4), 40 * number).save(file, "BMP")
            members[f"{'ab'[number % 2]}/{number}.bmp"] = file.getvalue()
            archive.writestr(*list(members.items())[-1])
    for content in mutations(path.read_bytes(), 100):
        path.write_bytes(content)
        try:
            source = PictureArchive(path)
            blocks = list(Decoder(source, (1, 4, 4), None).rows(source.names, show_progress=False))
        except UserError as error:
            check_told(error)
            continue
        assert {int(row[0, 0, 0]) for rows in blocks for row in rows} <= {0, 40, 80, 120}
