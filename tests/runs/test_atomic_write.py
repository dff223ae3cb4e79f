import errno
import os
import stat

import pytest

from lit_gan.runs.atomic_write import remove_leftovers, replace_atomically, write_all, write_atomically


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    target = tmp_path / "run.json"
    write_atomically(target, "old")

    def full(descriptor, data, offset):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*/run\.json'") as caught:
        write_atomically(target, "new")
    assert caught.value.errno == errno.ENOSPC
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_that_is_gone_is_told_by_the_files_own_path(tmp_path):
    target = tmp_path / "gone" / "run.json"
    with pytest.raises(FileNotFoundError) as caught:
        write_atomically(target, "x")
    assert caught.value.filename == str(target)


def test_the_file_gets_the_users_ordinary_permissions(tmp_path):
    (tmp_path / "plain").write_text("")
    write_atomically(tmp_path / "atomic", "")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "atomic")]
    assert modes[0] == modes[1]


def test_short_writes_are_continued(tmp_path, monkeypatch):
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda descriptor, data, offset: real(descriptor, data[:3], offset))
    with (tmp_path / "file").open("w+b") as file:
        write_all(file.fileno(), b"0123456789", 0)
        assert file.read() == b"0123456789"


def test_whatever_the_writer_raises_leaves_the_old_file_and_no_other(tmp_path):
    target = tmp_path / "file"
    target.write_text("old")

    def write(descriptor):
        os.write(descriptor, b"half")
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        replace_atomically(target, write, kept_as=tmp_path / "before")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_first_file_has_none_before_it(tmp_path):
    replace_atomically(tmp_path / "file", lambda file: write_all(file, b"1", 0), kept_as=tmp_path / "before")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_name_that_cannot_be_taken_leaves_the_old_file_and_no_other(tmp_path):
    target, taken = tmp_path / "file", tmp_path / "before"
    target.write_text("old")
    taken.mkdir()
    with pytest.raises(OSError, match=r"'.*/file'"):
        replace_atomically(target, lambda file: write_all(file, b"new", 0), kept_as=taken)
    assert target.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["before", "file"]


def test_leftovers_are_told_by_their_names_and_links_are_not_followed(tmp_path):
    other = tmp_path / "other"
    other.write_text("mine")
    for name in (".a.ckpt.12.tmp", ".b.txt.12.tmp", "c.ckpt.12.tmp"):
        (tmp_path / name).touch()
    (tmp_path / ".link.ckpt.12.tmp").symlink_to(other)
    remove_leftovers(tmp_path, "*.ckpt")
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == [".b.txt.12.tmp", ".link.ckpt.12.tmp", "c.ckpt.12.tmp", "other"]
    assert other.read_text() == "mine"
