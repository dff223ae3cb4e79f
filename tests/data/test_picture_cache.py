"""What is kept is used only where it is whole and of the same pictures; where nothing can be kept, all goes on."""

import errno
import fcntl
import os
import pickle
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mutations import mutations
from numpy.typing import NDArray
from small_disk import small_disk

from lit_gan.data import picture_cache
from lit_gan.data.picture_cache import PictureCache, default_folder

SHAPE = (6, 3, 4, 4)
IMAGES = np.random.default_rng(0).integers(0, 256, SHAPE, dtype=np.uint8)


class Pictures:
    """Counts how often they are decoded."""

    def __init__(self, images: NDArray[np.uint8] = IMAGES) -> None:
        self.images = images
        self.times = 0
        self.alone: list[bool] = []

    def decode(self, alone: bool) -> Iterator[NDArray[np.uint8]]:
        self.times += 1
        self.alone.append(alone)
        yield self.images[:4]
        yield self.images[4:]


def same() -> bool:
    return True


@pytest.fixture
def cache(tmp_path: Path) -> PictureCache:
    return PictureCache(tmp_path / "cache", tmp_path / "pictures", "64 x 64", "a" * 32, SHAPE)


def kept(cache: PictureCache) -> list[str]:
    return sorted(path.name for path in cache.folder.glob("*.rows"))


def test_a_second_start_decodes_nothing(cache: PictureCache) -> None:
    pictures = Pictures()
    for _ in range(2):
        rows, is_mapped = cache.rows(pictures.decode, same)
        assert is_mapped
        np.testing.assert_array_equal(rows, IMAGES)
        assert rows.dtype == torch.uint8
    assert (pictures.times, pictures.alone) == (1, [True])
    assert sorted(path.suffix for path in cache.folder.iterdir()) == [".lock", ".rows"]


def test_what_is_written_into_the_rows_reaches_nobody_else(cache: PictureCache) -> None:
    rows, _ = cache.rows(Pictures().decode, same)
    rows.fill_(7)
    np.testing.assert_array_equal(cache.rows(Pictures().decode, same)[0], IMAGES)


@pytest.mark.parametrize("change", [{"way": "32 x 32"}, {"root": Path("elsewhere")}])
def test_other_pictures_or_another_way_have_a_file_of_their_own(cache: PictureCache, change: dict[str, Any]) -> None:
    pictures = Pictures()
    cache.rows(pictures.decode, same)
    replace(cache, **change).rows(pictures.decode, same)
    assert pictures.times == len(kept(cache)) == 2


def test_changed_pictures_take_the_place_of_the_earlier_ones(cache: PictureCache) -> None:
    cache.rows(Pictures().decode, same)
    changed = replace(cache, content="b" * 32)
    rows, _ = changed.rows(Pictures(255 - IMAGES).decode, same)
    np.testing.assert_array_equal(rows, 255 - IMAGES)
    assert kept(cache) == [changed.path.name]


def test_what_a_run_has_mapped_is_not_removed(cache: PictureCache) -> None:
    used = [cache.rows(Pictures().decode, same)[0]]
    changed = replace(cache, content="b" * 32)
    changed.rows(Pictures().decode, same)
    assert len(kept(cache)) == 2
    np.testing.assert_array_equal(used[0], IMAGES)
    # Not `del`: a tool that has read this frame's locals meanwhile, as the one that measures coverage does, keeps what
    # they were.
    used.clear()
    replace(cache, content="c" * 32).rows(Pictures().decode, same)
    assert kept(cache) == [replace(cache, content="c" * 32).path.name]


def _flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: _flip(path, 11),
        lambda path: _flip(path, IMAGES.size + 3),
        lambda path: _flip(path, IMAGES.size + 90),
        lambda path: os.truncate(path, 100),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[: IMAGES.size] + b"\xff" * 512),
    ],
)
def test_a_damaged_file_is_told_and_replaced(cache: PictureCache, damage: Callable[[Path], Any]) -> None:
    pictures = Pictures()
    cache.rows(pictures.decode, same)
    damage(cache.path)
    with pytest.warns(
        UserWarning, match=f"{cache.path}: damaged; the pictures of {cache.root} are decoded anew"
    ) as told:
        rows, _ = cache.rows(pictures.decode, same)
    assert len(told) == 1
    np.testing.assert_array_equal(rows, IMAGES)
    np.testing.assert_array_equal(cache.rows(pictures.decode, same)[0], IMAGES)
    assert pictures.times == 2


def test_a_file_under_another_name_is_not_believed(cache: PictureCache) -> None:
    cache.rows(Pictures().decode, same)
    other = replace(cache, content="a" * 16 + "b" * 16)
    assert other.path == cache.path
    with pytest.warns(UserWarning, match="damaged"):
        rows, _ = other.rows(Pictures(255 - IMAGES).decode, same)
    np.testing.assert_array_equal(rows, 255 - IMAGES)


def test_pictures_that_changed_meanwhile_are_used_once_and_not_kept(cache: PictureCache) -> None:
    with pytest.warns(UserWarning, match=f"{cache.root}: the pictures changed while they were decoded: not kept"):
        rows, is_mapped = cache.rows(Pictures().decode, lambda: False)
    np.testing.assert_array_equal(rows, IMAGES)
    assert not is_mapped
    assert [path.suffix for path in cache.folder.iterdir()] == [".lock"]


def test_an_error_of_the_pictures_leaves_nothing(cache: PictureCache) -> None:
    def decode(alone: bool) -> Iterator[NDArray[np.uint8]]:
        yield IMAGES[:2]
        raise ValueError("x.png")

    with pytest.raises(ValueError, match=r"x\.png"):
        cache.rows(decode, same)
    assert [path.suffix for path in cache.folder.iterdir()] == [".lock"]


def test_of_two_that_start_at_once_one_decodes_and_the_other_waits(cache: PictureCache, capsys: Any) -> None:
    begun, go_on, found = threading.Event(), threading.Event(), []

    def slowly(alone: bool) -> Iterator[NDArray[np.uint8]]:
        begun.set()
        assert go_on.wait(60)
        yield IMAGES

    def waits(path: Any, operation: int) -> None:
        if operation == fcntl.LOCK_EX:  # it is about to be waited for
            go_on.set()
        flock(path, operation)

    flock, pictures = fcntl.flock, Pictures()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fcntl, "flock", waits)
        first = threading.Thread(target=lambda: found.append(cache.rows(slowly, same)))
        first.start()
        assert begun.wait(60)
        found.append(cache.rows(pictures.decode, same))
        first.join(60)
    assert pictures.times == 0
    for rows, is_mapped in found:
        assert is_mapped
        np.testing.assert_array_equal(rows, IMAGES)
    said = f"lit-gan: waiting for another process, which is decoding the pictures of {cache.root}.\n"
    assert capsys.readouterr().err == said


def _cannot_be_kept(cache: PictureCache, pictures: Pictures, reason: str) -> None:
    message = (
        f"{cache.folder}: the decoded pictures of {cache.root} cannot be kept there \\({reason}\\): they are held in "
        "memory, and decoded at every start; name another folder by --data.init_args.cache, or set it to false."
    )
    with pytest.warns(UserWarning, match=message) as told:
        rows, is_mapped = cache.rows(pictures.decode, same)
    assert len(told) == 1
    assert not is_mapped
    np.testing.assert_array_equal(rows, IMAGES)


def test_a_folder_that_cannot_be_made_is_told_and_goes_on(cache: PictureCache) -> None:
    cache.folder.touch()
    pictures = Pictures()
    _cannot_be_kept(cache, pictures, "Not a directory")
    assert (pictures.times, pictures.alone) == (1, [False])


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_a_folder_that_cannot_be_written_to_is_told_and_goes_on(
    cache: PictureCache, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = os.open

    def refusing(path: Any, flags: int, *rest: Any) -> int:
        if flags & os.O_CREAT:
            raise OSError(number, os.strerror(number), str(path))
        return opened(path, flags, *rest)

    monkeypatch.setattr(os, "open", refusing)  # chmod stops no root
    _cannot_be_kept(cache, Pictures(), os.strerror(number))


def test_what_lies_in_a_folder_that_cannot_be_written_to_is_used(
    cache: PictureCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.rows(Pictures().decode, same)
    monkeypatch.setattr(picture_cache.PictureCache, "_turn", None)
    pictures = Pictures()
    np.testing.assert_array_equal(cache.rows(pictures.decode, same)[0], IMAGES)
    assert pictures.times == 0


def test_a_file_system_without_locks_is_told(cache: PictureCache, monkeypatch: pytest.MonkeyPatch) -> None:
    def none_to_be_had(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", none_to_be_had)
    _cannot_be_kept(cache, Pictures(), "No locks available")


@pytest.mark.parametrize("after", [0, IMAGES[:4].size, IMAGES.size], ids=["at once", "half way", "at the end"])
def test_a_disk_that_fills_up_meanwhile_costs_no_second_decoding(
    cache: PictureCache, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.pwrite

    def full(descriptor: int, content: bytes, place: int) -> int:
        if place >= after:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, content[:37], place)

    monkeypatch.setattr(os, "pwrite", full)
    pictures = Pictures()
    _cannot_be_kept(cache, pictures, "No space left on device")
    assert pictures.times == (1 if after < IMAGES.size else 2)
    assert [path.suffix for path in cache.folder.iterdir()] == [".lock"]


def test_a_real_disk_that_is_full_is_found_out_before_anything_is_decoded(tmp_path: Path) -> None:
    images = np.zeros((100, 3, 64, 64), dtype=np.uint8)
    pictures = Pictures(images)
    with small_disk(tmp_path / "disk", 2**19) as disk:
        cache = PictureCache(disk / "cache", tmp_path, "way", "a" * 32, (100, 3, 64, 64))
        with pytest.warns(UserWarning, match="No space left on device"):
            rows, is_mapped = cache.rows(pictures.decode, same)
    assert (is_mapped, pictures.times, rows.shape) == (False, 1, (100, 3, 64, 64))


def test_where_no_room_can_be_reserved_it_is_written_anyway(
    cache: PictureCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*arguments: Any) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(os, "posix_fallocate", unknown, raising=False)
    assert cache.rows(Pictures().decode, same)[1]


def test_the_file_is_found_again_by_another_process(cache: PictureCache) -> None:
    cache.rows(Pictures().decode, same)
    handed = pickle.loads(pickle.dumps(cache))
    np.testing.assert_array_equal(handed.mapped(), IMAGES)
    cache.path.unlink()
    with pytest.raises(ValueError, match=f"{cache.path}: cannot be read .*: load the pictures again"):
        handed.mapped()


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"LIT_GAN_CACHE": "/c"}, "/c/pictures"),
        ({"LIT_GAN_CACHE": "~/c"}, "/home/me/c/pictures"),
        ({"LIT_GAN_CACHE": "", "XDG_CACHE_HOME": "/x"}, "/x/lit-gan/pictures"),
        ({"LIT_GAN_CACHE": "", "XDG_CACHE_HOME": ""}, "/home/me/.cache/lit-gan/pictures"),
    ],
)
def test_the_users_cache_folder_is_the_default(
    variables: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"HOME": "/home/me", **variables}.items():
        monkeypatch.setenv(name, value)
    assert default_folder() == Path(expected)


@pytest.mark.filterwarnings("ignore:.*damaged; the pictures of .* are decoded anew")
def test_whatever_becomes_of_the_file_the_rows_are_those_of_the_pictures(cache: PictureCache) -> None:
    cache.rows(Pictures().decode, same)
    for content in mutations(cache.path.read_bytes(), 100):
        cache.path.write_bytes(content)
        rows, is_mapped = cache.rows(Pictures().decode, same)
        assert is_mapped
        np.testing.assert_array_equal(rows, IMAGES)
