import os
import warnings

import numpy as np
import pytest
import real_formats
import torch
from PIL import Image

from lit_gan.data import ImageFolderDataModule
from lit_gan.data.picture import decode_picture
from lit_gan.errors import UserError


def test_sub_folders_are_classes_known_without_decoding(tmp_path):
    real_formats.write_image_folder(tmp_path, classes=("dog", "cat", "emu"))
    data = ImageFolderDataModule(tmp_path, image_size=8)
    assert (data.num_classes, data.class_names) == (3, ("cat", "dog", "emu"))
    assert data._datasets is None


@pytest.mark.parametrize("layout", ["flat", "one class", "class and stray"])
def test_other_layouts_have_no_labels(tmp_path, layout):
    if layout != "flat":
        real_formats.write_image_folder(tmp_path, classes=("cat", "dog") if layout == "class and stray" else ("cat",))
    if layout != "one class":
        real_formats.write_image_folder(tmp_path, classes=())
    data = ImageFolderDataModule(tmp_path, image_size=8, batch_size=2)
    assert data.num_classes == 0
    assert next(iter(data.train_dataloader())).shape == (2, 3, 8, 8)


def test_every_picture_is_in_one_split_with_its_label(tmp_path):
    paths = real_formats.write_image_folder(tmp_path, num_per_class=10)
    data = ImageFolderDataModule(tmp_path, image_size=(8, 12))
    expected = sorted(
        (decode_picture(path, (8, 12), grey=False).tolist(), int(path.parent.name == "dog")) for path in paths
    )
    found = []
    for split, num in {"train": 16, "val": 2, "test": 2}.items():
        rows = data.dataset(split)
        assert rows.images.shape == (num, 3, 8, 12)
        found += zip(rows.images.permute(0, 2, 3, 1).tolist(), rows.labels.tolist(), strict=True)
    assert sorted(found) == expected


def test_split_depends_on_names_below_root_only(tmp_path):
    for name in ("here", "there"):
        real_formats.write_image_folder(tmp_path / name)
    one, other = (
        ImageFolderDataModule(tmp_path / name, image_size=8, seed=seed) for seed, name in enumerate(("here", "there"))
    )
    for split in ("train", "val", "test"):
        assert torch.equal(one.images(split), other.images(split))


@pytest.mark.parametrize(
    ("fractions", "sizes"),
    [((0.5, 0.25, 0.25), (6, 3, 3)), ((0.98, 0.01, 0.01), (10, 1, 1)), ((0.01, 0.98, 0.01), (1, 10, 1))],
)
def test_fractions_are_kept_with_one_picture_at_least(tmp_path, fractions, sizes):
    real_formats.write_image_folder(tmp_path)
    data = ImageFolderDataModule(tmp_path, image_size=4, fractions=fractions)
    assert tuple(len(data.dataset(split)) for split in ("train", "val", "test")) == sizes


def test_range_and_grey(tmp_path):
    real_formats.write_image_folder(tmp_path)
    data = ImageFolderDataModule(tmp_path, image_size=8, grey=True, value_range=(-1, 1))
    images = data.images("train")
    assert images.shape[1:] == data.image_shape == (1, 8, 8)
    assert data.value_range == (-1.0, 1.0)
    assert -1 <= float(images.min()) < -0.5 < 0 < float(images.max()) <= 1


def test_folders_are_searched_deeply_and_hidden_or_other_files_passed_over(tmp_path):
    real_formats.write_image_folder(tmp_path / "a" / "b", classes=())
    (tmp_path / "a" / "._000.png").write_bytes(b"no picture")
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "x.png").write_bytes(b"no picture")
    (tmp_path / "notes.txt").write_text("no picture")
    Image.new("RGB", (9, 9)).save(tmp_path / "a" / "CAPITALS.PNG")
    data = ImageFolderDataModule(tmp_path, image_size=4)
    assert sum(len(data.dataset(split)) for split in ("train", "val", "test")) == 7


def test_links_are_followed_but_not_in_circles(tmp_path):
    real_formats.write_image_folder(tmp_path / "elsewhere", classes=("cat", "dog"))
    root = tmp_path / "root"
    root.mkdir()
    os.symlink(tmp_path / "elsewhere" / "cat", root / "cat")
    os.symlink(tmp_path / "elsewhere" / "dog", root / "dog")
    os.symlink(root, tmp_path / "elsewhere" / "dog" / "back")
    data = ImageFolderDataModule(root, image_size=4)
    assert data.class_names == ("cat", "dog")
    assert sum(len(data.dataset(split)) for split in ("train", "val", "test")) == 12


@pytest.mark.parametrize("damage", [lambda content: content[: len(content) // 2], lambda content: b"<html>"])
@pytest.mark.parametrize("number", [0, 1])
def test_damaged_picture_is_named(tmp_path, damage, number):
    path = real_formats.write_image_folder(tmp_path)[number]
    path.write_bytes(damage(path.read_bytes()))
    data = ImageFolderDataModule(tmp_path, image_size=8)
    for _ in range(2):
        with pytest.raises(UserError, match=rf"{path}: cannot be decoded \(.+\); mend or remove the picture"):
            data.setup("fit")


@pytest.mark.parametrize("make", [lambda root: None, lambda root: root.mkdir()])
def test_missing_or_empty_folder_is_told(tmp_path, make):
    make(tmp_path / "root")
    message = f"Pictures: not found: {tmp_path}/root. To go on, give a folder as root that has pictures in it"
    with pytest.raises(UserError, match=message):
        _ = ImageFolderDataModule(tmp_path / "root", image_size=8).num_classes
    with pytest.raises(UserError, match=message):
        ImageFolderDataModule(tmp_path / "root", image_size=8).setup("fit")


def test_fewer_pictures_than_splits_is_an_error(tmp_path):
    real_formats.write_image_folder(tmp_path, classes=(), num_per_class=2)
    with pytest.raises(UserError, match=f"root = {tmp_path}: 2 pictures, expected at least 3, one per split"):
        ImageFolderDataModule(tmp_path, image_size=8).setup("fit")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image_size": 0}, "image_size = 0: expected a whole number of at least 1"),
        ({"image_size": (8, 0)}, "image_size = 0: expected a whole number of at least 1"),
        ({"image_size": (8, 8, 3)}, r"image_size = \(8, 8, 3\): expected one number, or height and width"),
        (
            {"fractions": (0.5, 0.5, 0.5)},
            r"fractions = \(0\.5, 0\.5, 0\.5\): expected three numbers above 0 that sum to 1",
        ),
        ({"fractions": (0.5, 0.5)}, "fractions = .*: expected three numbers"),
        ({"fractions": (1.0, 0.0, 0.0)}, "fractions = .*: expected three numbers above 0"),
        ({"value_range": (2, 1)}, r"value_range = \(2, 1\)"),
        ({"levels": (4095, 0)}, r"levels = \(4095, 0\): expected two finite numbers, .* such as \(0, 4095\)"),
        ({"levels": (0, 1, 2)}, r"levels = \(0, 1, 2\): expected two finite numbers"),
        ({"levels": 255}, "levels = 255: expected two finite numbers"),
    ],
)
def test_arguments_out_of_range_are_named(arguments, message):
    with pytest.raises(UserError, match=message):
        ImageFolderDataModule("nowhere", **{"image_size": 8} | arguments)


def write_deep(root, tops, dtype=np.uint16, suffix="tif"):
    """Grey pictures, each from 0 to a level of its own."""
    root.mkdir(exist_ok=True)
    for number, top in enumerate(tops):
        ramp = np.linspace(0, top, 64).reshape(8, 8).astype(dtype)
        Image.fromarray(ramp).save(root / f"{number:03d}.{suffix}")
    return root


def all_levels(data):
    splits = [data.dataset(split).images for split in ("train", "val", "test")]
    return sorted(int(image.max()) for images in splits for image in images)


def test_levels_given_hold_for_every_picture_of_the_folder(tmp_path):
    root = write_deep(tmp_path / "scans", [4095, 2048, 0, 1000])
    data = ImageFolderDataModule(root, image_size=8, grey=True, levels=(0, 4095))
    assert all_levels(data) == [0, 62, 128, 255]


def test_one_bright_picture_shows_what_white_is_in_all(tmp_path):
    root = write_deep(tmp_path / "scans", [65535, 257 * 8, 0, 257 * 100])
    assert all_levels(ImageFolderDataModule(root, image_size=8, grey=True)) == [0, 8, 100, 255]


@pytest.mark.parametrize(
    ("dtype", "tops", "suffix", "message"),
    [
        (
            np.uint16,
            [4095, 900, 12],
            "png",
            r"000\.png: levels of 16 bits, from 0 to 4095 in 3 .*'\[0, 4095\]'",
        ),
        (
            np.uint16,
            [12, 900, 1023],
            "tif",
            r"002\.tif: levels of 16 bits, from 0 to 1023 in 3 .*'\[0, 1023\]'",
        ),
        (np.int32, [9, 70000, 5], "tif", r"001\.tif: signed or 32-bit levels, from 0 to 70000 in 3 .*'\[0, 131071\]'"),
        (np.float32, [0.2, 0.9, 1.0], "tif", r"002\.tif: floating-point levels, from 0 to 1 in 3 .*'\[0, 1\]'"),
    ],
)
def test_a_folder_whose_white_is_unknown_is_refused(tmp_path, dtype, tops, suffix, message):
    root = write_deep(tmp_path / "scans", tops, dtype, suffix)
    for _ in range(2):
        with pytest.raises(UserError, match=f"{root}/{message}"):
            ImageFolderDataModule(root, image_size=8).setup("fit")


def test_pictures_of_eight_bits_among_deep_ones_are_what_they_are(tmp_path):
    root = write_deep(tmp_path / "scans", [4095, 2048])
    Image.new("L", (8, 8), 90).save(root / "photo.png")
    data = ImageFolderDataModule(root, image_size=8, grey=True, levels=(0, 4095))
    assert all_levels(data) == [90, 128, 255]


def test_levels_that_serve_no_picture_are_refused(tmp_path):
    real_formats.write_image_folder(tmp_path)
    message = rf"levels = \[0, 4095\]: no picture under {tmp_path} has more than 8 bits, and those of 8 bits need none"
    with pytest.raises(UserError, match=message):
        ImageFolderDataModule(tmp_path, image_size=8, levels=(0, 4095)).setup("fit")


def test_files_that_look_like_pictures_and_are_not_read_are_counted_in_one_line(tmp_path):
    real_formats.write_image_folder(tmp_path)
    (tmp_path / "dog" / "x.HEIC").touch()
    (tmp_path / "emu").mkdir()
    (tmp_path / "emu" / "x.svg").touch()
    message = f"{tmp_path}: left out 2 of 14 files: 1 .heic, 1 .svg (nothing is left of emu); convert them to PNG"
    data = ImageFolderDataModule(tmp_path, image_size=8)
    with pytest.warns(UserWarning, match="left out") as told:
        data.setup("fit")
    data.setup("test")
    assert len(told) == 1
    assert str(told[0].message).startswith(message)
    assert data.class_names == ("cat", "dog")


def test_nothing_is_said_of_files_that_are_no_pictures(tmp_path):
    real_formats.write_image_folder(tmp_path)
    for name in ("labels.csv", "readme.txt", "Thumbs.db", ".hidden.heic", "model.pt"):
        (tmp_path / name).touch()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ImageFolderDataModule(tmp_path, image_size=8).setup("fit")


def _dead_link(path):
    path.symlink_to(path.parent / "gone.png")


@pytest.mark.parametrize("make", [_dead_link, os.mkfifo], ids=["dead link", "pipe"])
def test_what_is_no_file_is_named(tmp_path, make):
    real_formats.write_image_folder(tmp_path, classes=())
    make(tmp_path / "x.png")
    with pytest.raises(UserError, match=f"{tmp_path}/x.png: no file that can be read; mend or remove it"):
        ImageFolderDataModule(tmp_path, image_size=8).setup("fit")


@pytest.mark.parametrize("magic", [b"II*\0\xff\xff\xff\xff", b"\x89PNG\r\n\x1a\n", b"BM", b"8BPS", b"DDS "])
def test_forged_pictures_of_any_format_are_named(tmp_path, magic):
    real_formats.write_image_folder(tmp_path, classes=())
    (tmp_path / "x.png").write_bytes(magic + bytes(130))
    with pytest.raises(UserError, match=rf"{tmp_path}/x.png: cannot be decoded \(.+\); mend or remove the picture"):
        ImageFolderDataModule(tmp_path, image_size=8).setup("fit")
