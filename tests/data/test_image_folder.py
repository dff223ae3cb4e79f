import copy
import os
import pickle
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import real_formats
import torch
from PIL import Image

from lit_gan.data import ImageFolderDataModule
from lit_gan.data.decoding import Decoder
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
        ({"random_crop": -1}, "random_crop = -1: expected a whole number of at least 0"),
        ({"cache": ""}, "cache = '': expected true, false, or the folder to keep decoded pictures in"),
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


def _link_to_itself(path):
    path.symlink_to(path)


@pytest.mark.parametrize("make", [_dead_link, _link_to_itself, os.mkfifo], ids=["dead link", "loop", "pipe"])
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


@pytest.fixture
def decoded(monkeypatch):
    """The names of all pictures that are decoded."""
    names, decode = [], Decoder._decoded

    def counting(self, opener, name):
        names.append(name)
        return decode(self, opener, name)

    monkeypatch.setattr(Decoder, "_decoded", counting)
    return names


def everything(data):
    return [data.dataset(split).images.clone() for split in ("train", "val", "test")]


def test_a_second_start_decodes_nothing_and_yields_the_same(tmp_path, decoded):
    real_formats.write_image_folder(tmp_path)
    arguments = {"image_size": 8, "batch_size": 4, "seed": 3}
    first, second = (list(ImageFolderDataModule(tmp_path, **arguments).train_dataloader()) for _ in range(2))
    assert len(decoded) == 12
    uncached = list(ImageFolderDataModule(tmp_path, cache=False, **arguments).train_dataloader())
    assert len(decoded) == 24
    for one, other, bare in zip(first, second, uncached, strict=True):
        for part, another, a_third in zip(one, other, bare, strict=True):
            assert torch.equal(part, another)
            assert torch.equal(part, a_third)


@pytest.mark.parametrize("change", ["time", "content", "added", "removed", "renamed"])
def test_a_change_of_any_picture_has_all_decoded_anew(tmp_path, decoded, change):
    paths = real_formats.write_image_folder(tmp_path)
    ImageFolderDataModule(tmp_path, image_size=8).setup("fit")
    decoded.clear()
    if change == "time":
        os.utime(paths[3], ns=(0, paths[3].stat().st_mtime_ns + 1))
    elif change == "content":
        stat = paths[3].stat()
        Image.new("RGB", (20, 31)).save(paths[3])
        os.utime(paths[3], ns=(stat.st_atime_ns, stat.st_mtime_ns))
    elif change == "added":
        Image.new("RGB", (20, 30)).save(paths[3].with_name("new.png"))
    elif change == "removed":
        paths[3].unlink()
    else:
        paths[3].rename(paths[3].with_name("other.jpg"))
    data, bare = (ImageFolderDataModule(tmp_path, image_size=8, cache=cache) for cache in (True, False))
    data.setup("fit")
    assert len(decoded) == 12 + (change == "added") - (change == "removed")
    for one, other in zip(everything(data), everything(bare), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("option", [{"grey": True}, {"image_size": 9}, {"random_crop": 1}])
def test_what_changes_the_bytes_is_another_file(tmp_path, decoded, option):
    real_formats.write_image_folder(tmp_path / "pictures")
    for arguments in ({"image_size": 8}, {"image_size": 8, **option}):
        data = ImageFolderDataModule(tmp_path / "pictures", cache=tmp_path / "kept", **arguments)
        assert data.images("train").shape[1:] == data.image_shape
    assert len(decoded) == 24
    assert len(list((tmp_path / "kept").glob("pictures-*.rows"))) == 2


def test_what_does_not_change_the_bytes_is_the_same_file(tmp_path, decoded):
    real_formats.write_image_folder(tmp_path / "pictures")
    for arguments in ({}, {"fractions": (0.5, 0.2, 0.3), "value_range": (-1, 1), "seed": 4, "horizontal_flip": True}):
        ImageFolderDataModule(tmp_path / "pictures", image_size=8, cache=str(tmp_path / "kept"), **arguments).setup()
    assert len(decoded) == 12


def test_another_decoder_decodes_anew(tmp_path, decoded, monkeypatch):
    real_formats.write_image_folder(tmp_path)
    ImageFolderDataModule(tmp_path, image_size=8).setup("fit")
    monkeypatch.setattr("lit_gan.data.image_folder.decoder", lambda: "a later Pillow")
    ImageFolderDataModule(tmp_path, image_size=8).setup("fit")
    assert len(decoded) == 24


def test_levels_are_checked_before_anything_is_kept(tmp_path):
    root = write_deep(tmp_path / "scans", [4095, 2048, 0, 1000])
    for _ in range(2):
        with pytest.raises(UserError, match="which is white is unknown"):
            ImageFolderDataModule(root, image_size=8, cache=tmp_path / "kept").setup("fit")
    for _ in range(2):
        data = ImageFolderDataModule(root, image_size=8, grey=True, levels=(0, 4095), cache=tmp_path / "kept")
        assert all_levels(data) == [0, 62, 128, 255]
    assert len(list((tmp_path / "kept").glob("*.rows"))) == 1


def test_off_it_leaves_nothing(tmp_path, monkeypatch):
    real_formats.write_image_folder(tmp_path / "pictures")
    monkeypatch.setenv("LIT_GAN_CACHE", str(tmp_path / "kept"))
    ImageFolderDataModule(tmp_path / "pictures", image_size=8, cache=False).setup("fit")
    assert not (tmp_path / "kept").exists()


def test_a_user_without_a_home_is_told(tmp_path, monkeypatch):
    def homeless(path):
        raise RuntimeError("Could not determine home directory.")

    real_formats.write_image_folder(tmp_path)
    monkeypatch.setenv("LIT_GAN_CACHE", "~/cache")
    monkeypatch.setattr(Path, "expanduser", homeless)
    with pytest.warns(UserWarning, match="This user has no home to keep decoded pictures in: they are held in memory"):
        assert len(ImageFolderDataModule(tmp_path, image_size=8).images("train")) == 10


def test_workers_and_copies_are_handed_the_file_and_not_its_bytes(tmp_path):
    real_formats.write_image_folder(tmp_path, num_per_class=100)
    data, bare = (ImageFolderDataModule(tmp_path, image_size=32, cache=cache) for cache in (True, False))
    for each in (data, bare):
        each.setup("fit")
    in_short, in_full = pickle.dumps(data), pickle.dumps(bare)
    assert len(in_short) < 50_000 < 200 * 3 * 32 * 32 < len(in_full)
    for handed in (pickle.loads(in_short), pickle.loads(in_full), copy.deepcopy(data)):
        for one, other in zip(everything(handed), everything(data), strict=True):
            assert torch.equal(one, other)
        assert torch.equal(handed.dataset("val").labels, data.dataset("val").labels)


def test_names_that_are_no_utf_8_are_pictures_and_classes(tmp_path):
    for folder, name in ((b"\xe9t\xe9", b"\xe9.png"), (b"cat", b"a.png"), (b"cat", b"b.png")):
        path = Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), folder, name)))
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (9, 9)).save(path)
    data = ImageFolderDataModule(tmp_path, image_size=4)
    assert data.class_names == ("cat", r"\xe9t\xe9")
    assert sorted(int(data.dataset(split).labels) for split in ("train", "val", "test")) == [0, 0, 1]
    "".join(data.class_names).encode()


def test_a_picture_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    path = real_formats.write_image_folder(tmp_path)[4]
    opened = Image.open

    def refusing(file, **arguments):
        if file == path:
            raise PermissionError(13, "Permission denied", str(file))
        return opened(file, **arguments)

    monkeypatch.setattr(Image, "open", refusing)  # chmod stops no root
    with pytest.raises(UserError, match=f"{path}: cannot be read \\(Permission denied\\); give yourself leave to"):
        ImageFolderDataModule(tmp_path, image_size=8).setup("fit")


def test_large_pictures_are_decoded_and_larger_ones_named(tmp_path, monkeypatch):
    paths = real_formats.write_image_folder(tmp_path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)  # of 89 million; the pictures have 600
    ImageFolderDataModule(tmp_path, image_size=8).setup("fit")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 299)
    paths[0].touch()
    message = r"/\w+/00\d\.\w+: too large to be decoded \(Image size \(600 pixels\) exceeds .*; scale it down"
    with pytest.raises(UserError, match=message):
        ImageFolderDataModule(tmp_path, image_size=8).setup("fit")


def test_the_first_damaged_picture_of_the_order_is_the_one_that_is_named(tmp_path):
    paths = real_formats.write_image_folder(tmp_path, num_per_class=60)
    for path in paths[::7]:
        path.write_bytes(b"<html>")
    told = set()
    for _ in range(3):
        with pytest.raises(UserError) as error:
            ImageFolderDataModule(tmp_path, image_size=8).setup("fit")
        told.add(str(error.value))
    assert len(told) == 1


@pytest.mark.parametrize("archived", [False, True], ids=["folder", "archive"])
def test_pictures_that_change_while_they_are_decoded_are_not_kept(tmp_path, monkeypatch, archived):
    root = tmp_path / "pictures"
    real_formats.write_image_folder(root)
    if archived:
        root = Path(shutil.make_archive(str(tmp_path / "archive"), "zip", root))
    check = ImageFolderDataModule._check_levels

    def meanwhile(self, seen):
        check(self, seen)
        real_formats.write_image_folder(tmp_path / "other", num_per_class=7)
        if archived:
            shutil.make_archive(str(tmp_path / "archive"), "zip", tmp_path / "other")
        else:
            Image.new("RGB", (9, 9)).save(root / "cat" / "new.png")

    monkeypatch.setattr(ImageFolderDataModule, "_check_levels", meanwhile)
    data = ImageFolderDataModule(root, image_size=8, cache=tmp_path / "kept")
    with pytest.warns(UserWarning, match=f"{root}: the pictures changed while they were decoded: not kept"):
        data.setup("fit")
    assert len(data.images("train")) == 10
    assert not list((tmp_path / "kept").glob("*.rows"))
    assert pickle.loads(pickle.dumps(data)).images("train").equal(data.images("train"))
