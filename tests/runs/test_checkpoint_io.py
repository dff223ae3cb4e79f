"""Checkpoints are written whole or not at all, whatever fails; nothing that is read is executed."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from nursery import nursery
from small_disk import fill, small_disk
from torch.testing import assert_close
from trainings import ENVIRON

from lit_gan.errors import RunError, UserError
from lit_gan.runs.checkpoint_files import load_checkpoint, newest_checkpoint
from lit_gan.runs.checkpoint_io import AtomicCheckpointIO

_PAGE = os.sysconf("SC_PAGESIZE")


def _content(step, size=1000):
    return {"state_dict": {f"w{i}": torch.full((size,), float(step)) for i in range(3)}, "global_step": step}


def _check(path, step):
    content = load_checkpoint(path)
    assert content["global_step"] == step
    for tensor in content["state_dict"].values():
        assert_close(tensor, torch.full_like(tensor, float(step)), rtol=0, atol=0)


def _names(folder):
    return sorted(path.name for path in folder.iterdir())


def _save(folder, *steps, plugin=None, name="last.ckpt"):
    plugin = plugin or AtomicCheckpointIO()
    for step in steps:
        plugin.save_checkpoint(_content(step), folder / name)
    return plugin


def test_a_checkpoint_is_what_lightning_would_have_written(tmp_path):
    folder = tmp_path / "new" / "folder"
    AtomicCheckpointIO().save_checkpoint(_content(3), str(folder / "round=3.ckpt"))
    assert _names(folder) == ["round=3.ckpt"]
    _check(folder / "round=3.ckpt", 3)
    content = TorchCheckpointIO().load_checkpoint(folder / "round=3.ckpt", weights_only=True)
    assert content.keys() == {"state_dict", "global_step"}


def test_the_last_one_goes_on_as_the_previous_one(tmp_path):
    _save(tmp_path, 1, 2, 3)
    assert _names(tmp_path) == ["last.ckpt", "previous.ckpt"]
    _check(tmp_path / "last.ckpt", 3)
    _check(tmp_path / "previous.ckpt", 2)
    assert not (tmp_path / "last.ckpt").samefile(tmp_path / "previous.ckpt")


def test_other_names_are_replaced_alone(tmp_path):
    _save(tmp_path, 1, 2, name="best.ckpt")
    assert _names(tmp_path) == ["best.ckpt"]
    _check(tmp_path / "best.ckpt", 2)


def test_where_there_are_no_hard_links_the_previous_one_is_kept_too(tmp_path, monkeypatch):
    def refused(*paths):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refused)
    _save(tmp_path, 1, 2, 3)
    assert _names(tmp_path) == ["last.ckpt", "previous.ckpt"]
    _check(tmp_path / "last.ckpt", 3)
    _check(tmp_path / "previous.ckpt", 2)


def test_two_names_of_one_file_become_two_files(tmp_path):
    _save(tmp_path, 1)
    os.link(tmp_path / "last.ckpt", tmp_path / "previous.ckpt")  # killed between the two renames
    _save(tmp_path, 2)
    assert _names(tmp_path) == ["last.ckpt", "previous.ckpt"]
    _check(tmp_path / "last.ckpt", 2)
    _check(tmp_path / "previous.ckpt", 1)


def test_a_last_one_that_is_a_link_is_replaced_and_what_it_points_to_stays(tmp_path):
    _save(tmp_path, 1, name="round=1.ckpt")
    (tmp_path / "last.ckpt").symlink_to("round=1.ckpt")
    _save(tmp_path, 2)
    assert _names(tmp_path) == ["last.ckpt", "round=1.ckpt"]
    assert not (tmp_path / "last.ckpt").is_symlink()
    _check(tmp_path / "round=1.ckpt", 1)


def test_a_broken_last_one_does_not_take_the_place_of_the_whole_one_before_it(tmp_path):
    _save(tmp_path, 1, 2)
    os.truncate(tmp_path / "last.ckpt", 1000)
    _save(tmp_path, 3)
    _check(tmp_path / "last.ckpt", 3)
    _check(tmp_path / "previous.ckpt", 1)


def test_the_plugin_reads_a_checkpoint_once_to_know_that_it_is_whole(tmp_path, monkeypatch):
    _save(tmp_path, 1)
    plugin = AtomicCheckpointIO()
    plugin.load_checkpoint(tmp_path / "last.ckpt")
    monkeypatch.setattr("lit_gan.runs.checkpoint_io.checkpoint_fault", lambda path: pytest.fail("read again"))
    _save(tmp_path, 2, 3, plugin=plugin)
    _check(tmp_path / "previous.ckpt", 2)


_MOMENTS = (
    "half written",
    "before the sync",
    "before the link",
    "before the first rename",
    "between the renames",
    "between the renames without links",
)
# One child dies at each moment.
_KILLED = """
import os, pathlib, signal, sys, warnings
import torch
from lit_gan.runs.checkpoint_io import AtomicCheckpointIO

warnings.simplefilter("error")
warnings.simplefilter("ignore", DeprecationWarning)  # of forking: no other thread does anything here
pwrite, replace = os.pwrite, pathlib.Path.replace

def content(step):
    return {"state_dict": {"w": torch.full((1000,), float(step))}, "global_step": step}

def die(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)

def write_half(descriptor, data, offset):
    if len(data) > 1000:
        pwrite(descriptor, data[: len(data) // 2], offset)
        die()
    return pwrite(descriptor, data, offset)

def die_at_rename(number):
    calls = iter(range(100))
    pathlib.Path.replace = lambda *paths: die() if next(calls) == number else replace(*paths)

def refuse(*paths):
    raise OSError(1, "Operation not permitted")

def replaced_until(moment, last):
    plugin = AtomicCheckpointIO()
    for step in (1, 2):
        plugin.save_checkpoint(content(step), last)
    if moment == "half written":
        os.pwrite = write_half
    elif moment == "before the sync":
        os.fsync = die
    elif moment == "before the link":
        os.link = die
    else:
        die_at_rename(0 if moment == "before the first rename" else 1)
        os.link = refuse if moment == "between the renames without links" else os.link
    plugin.save_checkpoint(content(3), last)

for moment in sys.argv[2:]:
    child = os.fork()
    if child == 0:
        replaced_until(moment, os.path.join(sys.argv[1], moment, "last.ckpt"))
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.slow
def test_killed_at_any_moment_the_old_one_is_whole_and_used(tmp_path):
    with nursery():
        command = [sys.executable, "-c", _KILLED, str(tmp_path), *_MOMENTS]
        done = subprocess.run(command, env={**os.environ, **ENVIRON}, stdout=subprocess.PIPE, text=True, check=True)
    codes = done.stdout.split()
    assert codes == [str(-signal.SIGKILL)] * len(_MOMENTS)
    for folder in (tmp_path / moment for moment in _MOMENTS):
        assert any(name.endswith(".tmp") for name in _names(folder)), folder
        _check(newest_checkpoint(folder), 2)
        _save(folder, 4)
        assert _names(folder) == ["last.ckpt", "previous.ckpt"], folder
        _check(folder / "last.ckpt", 4)
        _check(folder / "previous.ckpt", 2)


def test_what_a_killed_process_left_goes_with_the_next_checkpoint_of_any_name(tmp_path):
    for name in (".last.ckpt.1.tmp", ".best-epoch=3.ckpt.4711.tmp", ".previous.ckpt.2.tmp"):
        (tmp_path / name).write_bytes(b"half")
    (tmp_path / ".notes.1.tmp").touch()
    _save(tmp_path, 1)
    assert _names(tmp_path) == [".notes.1.tmp", "last.ckpt"]


def test_what_a_living_process_writes_is_left_alone(tmp_path, start_python):
    program = """
import os, sys
from pathlib import Path
from lit_gan.runs.atomic_write import replace_atomically

def wait(descriptor):
    os.write(descriptor, b"half")
    print("writing", flush=True)
    sys.stdin.readline()

replace_atomically(Path(sys.argv[1], "best.ckpt"), wait)
"""
    living = start_python(program, tmp_path)
    assert living.stdout.readline() == "writing\n"
    _save(tmp_path, 1)
    assert len(_names(tmp_path)) == 2
    living.communicate("\n")
    assert _names(tmp_path) == ["best.ckpt", "last.ckpt"]


def test_a_full_disk_costs_no_checkpoint_however_much_of_the_new_one_fits(tmp_path):
    with small_disk(tmp_path / "disk", 256 * _PAGE) as disk:
        plugin = AtomicCheckpointIO()
        for step in (1, 2):
            plugin.save_checkpoint(_content(step, 20_000), disk / "last.ckpt")
        size = (disk / "last.ckpt").stat().st_size
        for pages in range(size // _PAGE + 1):
            filler = fill(disk, pages * _PAGE)
            with pytest.raises(RunError) as caught:
                plugin.save_checkpoint(_content(3, 20_000), disk / "last.ckpt")
            assert str(caught.value) == (
                f"checkpoint {disk}/last.ckpt was not written (No space left on device); the earlier ones are intact, "
                "the newest is last.ckpt: free some space, and the same command goes on from there."
            )
            assert _names(disk) == ["filler", "last.ckpt", "previous.ckpt"]
            filler.unlink()
        _check(disk / "last.ckpt", 2)
        _check(disk / "previous.ckpt", 1)
        _save(disk, 3, plugin=plugin)
        _check(disk / "last.ckpt", 3)


def _failing(code):
    def fail(*arguments):
        raise OSError(code, os.strerror(code))

    return fail


@pytest.mark.parametrize("call", ["open", "pwrite", "fsync"])
@pytest.mark.parametrize(
    ("code", "cure"),
    [(errno.ENOSPC, "free some space"), (errno.EDQUOT, "free some space"), (errno.EIO, "mend that")],
)
def test_what_the_system_refuses_is_told_in_one_line(tmp_path, monkeypatch, call, code, cure):
    plugin = _save(tmp_path, 1)
    with monkeypatch.context() as patched:
        patched.setattr(os, call, _failing(code))
        with pytest.raises(RunError) as caught:
            _save(tmp_path, 2, plugin=plugin)
    message = str(caught.value)
    assert f"was not written ({os.strerror(code)}); the earlier ones are intact, the newest is last.ckpt: " in message
    assert f": {cure}, and the same command goes on from there." in message
    assert _names(tmp_path) == ["last.ckpt"]
    _check(tmp_path / "last.ckpt", 1)


def test_without_an_earlier_one_that_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", _failing(errno.ENOSPC))
    with pytest.raises(RunError, match=r"there is none before it: free some space, and the same command starts again"):
        _save(tmp_path, 1)
    assert _names(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"last\.ckpt was not written \(.*\); there is none before it: mend that"):
        _save(tmp_path / "file" / "below", 1)


def test_ctrl_c_in_the_middle_of_writing_is_ctrl_c(tmp_path, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    plugin = _save(tmp_path, 1)
    monkeypatch.setattr(os, "pwrite", interrupted)
    with pytest.raises(KeyboardInterrupt):
        _save(tmp_path, 2, plugin=plugin)
    assert _names(tmp_path) == ["last.ckpt"]
    _check(tmp_path / "last.ckpt", 1)


def test_what_cannot_be_stored_leaves_nothing_behind(tmp_path):
    plugin = _save(tmp_path, 1)
    with pytest.raises(AttributeError, match="lambda"):
        plugin.save_checkpoint({"state_dict": {}, "callback": lambda: None}, tmp_path / "last.ckpt")
    assert _names(tmp_path) == ["last.ckpt"]
    _check(tmp_path / "last.ckpt", 1)


def test_checksums_are_written_where_somebody_switched_them_off(tmp_path):
    torch.serialization.set_crc32_options(False)
    try:
        _save(tmp_path, 1)
        assert not torch.serialization.get_crc32_options()
    finally:
        torch.serialization.set_crc32_options(True)
    _check(tmp_path / "last.ckpt", 1)


class _Malicious:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.system, (f"touch {self.target}",)


@pytest.mark.parametrize("weights_only", [None, True, False])
def test_nothing_is_executed_whatever_was_asked_for(tmp_path, weights_only):
    path = tmp_path / "last.ckpt"
    torch.save({"state_dict": {}, "callbacks": _Malicious(tmp_path / "executed")}, path)
    with pytest.raises(UserError, match=r"holds more than tensors and plain values \(posix\.system\)"):
        AtomicCheckpointIO().load_checkpoint(path, weights_only=weights_only)
    assert not (tmp_path / "executed").exists()


def test_a_missing_checkpoint_is_told(tmp_path):
    with pytest.raises(UserError, match=r"gone\.ckpt does not exist"):
        AtomicCheckpointIO().load_checkpoint(tmp_path / "gone.ckpt")


def test_tensors_go_where_they_are_wanted(tmp_path):
    plugin = _save(tmp_path, 1)
    content = plugin.load_checkpoint(tmp_path / "last.ckpt", map_location=torch.device("meta"))
    assert content["state_dict"]["w0"].is_meta
    assert plugin.load_checkpoint(tmp_path / "last.ckpt")["state_dict"]["w0"].device == torch.device("cpu")


def test_what_is_loaded_does_not_hang_on_the_file(tmp_path):
    plugin = _save(tmp_path, 1)
    for map_location in ("cpu", None):
        content = plugin.load_checkpoint(tmp_path / "last.ckpt", map_location=map_location)
        os.truncate(tmp_path / "last.ckpt", 0)
        assert_close(content["state_dict"]["w0"], torch.ones(1000), rtol=0, atol=0)
        _save(tmp_path, 1, plugin=plugin)
    assert str(tmp_path) not in Path("/proc/self/maps").read_text()


def test_a_link_is_removed_and_not_what_it_points_to(tmp_path):
    plugin = _save(tmp_path, 1)
    (tmp_path / "link.ckpt").symlink_to("last.ckpt")
    (tmp_path / "folder.ckpt").symlink_to(tmp_path)
    for name in ("link.ckpt", "folder.ckpt", "gone.ckpt"):
        plugin.remove_checkpoint(tmp_path / name)
    assert _names(tmp_path) == ["last.ckpt"]
    plugin.remove_checkpoint(str(tmp_path / "last.ckpt"))
    assert _names(tmp_path) == []


def test_a_folder_is_never_removed(tmp_path):
    (tmp_path / "x.ckpt").mkdir()
    _save(tmp_path / "x.ckpt", 1)
    with pytest.warns(UserWarning, match=r"The checkpoint .*x\.ckpt was not removed \(Is a directory\)"):
        AtomicCheckpointIO().remove_checkpoint(tmp_path / "x.ckpt")
    _check(tmp_path / "x.ckpt", 1)


def test_addresses_with_a_scheme_are_lightnings(tmp_path):
    plugin, path = AtomicCheckpointIO(), "memory://checkpoints/last.ckpt"
    plugin.save_checkpoint(_content(1), path)
    assert plugin.load_checkpoint(path)["global_step"] == 1
    plugin.remove_checkpoint(path)
    with pytest.raises(FileNotFoundError):
        plugin.load_checkpoint(path)


def test_storage_options_are_refused_as_lightning_does(tmp_path):
    with pytest.raises(TypeError, match="storage_options"):
        AtomicCheckpointIO().save_checkpoint(_content(1), tmp_path / "last.ckpt", storage_options={})
