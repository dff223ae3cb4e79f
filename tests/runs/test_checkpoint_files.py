import os
import pickle
import random
import zipfile
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from lit_gan import torch_files
from lit_gan.errors import UserError
from lit_gan.runs.checkpoint_files import best_checkpoints, load_checkpoint, newest_checkpoint, resolve_checkpoint


def _save(path, value=1.0, age=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"state_dict": {"w": torch.full((2000,), value)}, "global_step": 7}, path)
    os.utime(path, (1_000_000 - age, 1_000_000 - age))
    return path


def _cut(path, keep):
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])


def test_last_comes_first_even_if_another_one_is_newer(tmp_path):
    _save(tmp_path / "round=20.ckpt")
    last = _save(tmp_path / "last.ckpt", age=100)
    assert newest_checkpoint(tmp_path) == last


def test_without_last_the_newest_is_taken(tmp_path):
    _save(tmp_path / "round=9.ckpt", age=20)
    newest = _save(tmp_path / "round=20.ckpt", age=10)
    (tmp_path / "round=30.ckpt.tmp").write_bytes(b"being written")
    assert newest_checkpoint(tmp_path) == newest


def test_the_previous_one_and_the_best_one_come_by_time(tmp_path):
    best, previous = _save(tmp_path / "best-3.ckpt", age=20), _save(tmp_path / "previous.ckpt", age=10)
    assert newest_checkpoint(tmp_path) == previous
    os.utime(best, (1_000_000, 1_000_000))
    assert newest_checkpoint(tmp_path) == best


def _keep(path, step, best, monitor="val/parzen_nll"):
    """A checkpoint whose state names the best one; where the folder was, and whatever their names are."""
    state = {"monitor": monitor, "best_model_path": best and f"/where/it/was/{best}.ckpt"}
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"state_dict": {}, "global_step": step, "callbacks": {f"RunCheckpoint{monitor}": state}}, path)


def _names_of_best(folder, *known):
    return [path.name for path in best_checkpoints(folder, known)]


def test_the_best_is_what_the_last_one_says_whatever_the_names_are(tmp_path):
    _keep(tmp_path / "best-999900.ckpt", 999_900, "best-999900")
    _keep(tmp_path / "best-1000300.ckpt", 1_000_300, "best-1000300")
    _keep(tmp_path / "best-1000600.ckpt", 1_000_600, "best-1000300")
    _keep(tmp_path / "last.ckpt", 1_000_900, "best-1000300")
    assert _names_of_best(tmp_path) == ["best-1000300.ckpt"]


def test_a_best_one_under_a_name_of_the_users_is_found(tmp_path):
    _keep(tmp_path / "epoch=2.ckpt", 2, "epoch=2")
    _keep(tmp_path / "last.ckpt", 4, "epoch=2")
    assert _names_of_best(tmp_path) == ["epoch=2.ckpt"]


def test_without_the_last_one_the_newest_by_its_rounds_says_it(tmp_path):
    _keep(tmp_path / "best-000004.ckpt", 4, "best-000002")
    _keep(tmp_path / "best-000002.ckpt", 2, "best-000002")  # written after it: a copy
    assert _names_of_best(tmp_path) == ["best-000002.ckpt"]


def test_one_that_was_written_after_the_last_one_is_known(tmp_path):
    _keep(tmp_path / "best-000002.ckpt", 2, "best-000002")
    _keep(tmp_path / "best-000004.ckpt", 4, "best-000004")
    _keep(tmp_path / "last.ckpt", 2, "best-000002")  # it was killed before the next one
    assert _names_of_best(tmp_path) == ["best-000004.ckpt"]


def test_a_broken_one_says_nothing(tmp_path):
    _keep(tmp_path / "best-000002.ckpt", 2, "best-000002")
    _keep(tmp_path / "best-000004.ckpt", 4, "best-000004")
    _keep(tmp_path / "last.ckpt", 6, "best-000002")
    _cut(tmp_path / "last.ckpt", 0.5)
    assert _names_of_best(tmp_path) == ["best-000004.ckpt"]


def test_a_training_that_knows_its_best_one_is_asked_first(tmp_path):
    _keep(tmp_path / "last.ckpt", 4, "best-000002")
    for name in ("best-000002", "best-000004"):
        _save(tmp_path / f"{name}.ckpt")
    assert _names_of_best(tmp_path, "", str(tmp_path / "best-000004.ckpt")) == ["best-000004.ckpt"]
    assert _names_of_best(tmp_path, "/elsewhere/best-000004.ckpt") == ["best-000002.ckpt"]


def test_where_nothing_says_which_all_are_told_in_the_order_of_their_rounds(tmp_path):
    for name in ("best-1000300", "best-999900", "epoch=3", "last"):
        _save(tmp_path / f"{name}.ckpt")
    assert _names_of_best(tmp_path) == ["best-999900.ckpt", "best-1000300.ckpt"]
    (tmp_path / "best-999900.ckpt").unlink()
    assert _names_of_best(tmp_path) == ["best-1000300.ckpt"]


def test_the_best_by_two_monitors_are_two(tmp_path):
    states = {name: {"monitor": name, "best_model_path": f"{name}.ckpt"} for name in ("a", "b")}
    for name in states:
        _save(tmp_path / f"{name}.ckpt")
    torch.save({"state_dict": {}, "global_step": 9, "callbacks": states}, tmp_path / "last.ckpt")
    assert _names_of_best(tmp_path) == ["a.ckpt", "b.ckpt"]


def test_without_a_monitor_none_is_best(tmp_path):
    _keep(tmp_path / "epoch=2.ckpt", 2, "epoch=2", monitor=None)
    assert _names_of_best(tmp_path) == _names_of_best(tmp_path / "nowhere") == []


def _flip(path, position):
    content = bytearray(path.read_bytes())
    content[position] ^= 0x10
    path.write_bytes(content)


def _middle_of_the_weights(path):
    with zipfile.ZipFile(path) as archive:
        info = max(archive.infolist(), key=lambda info: info.file_size)
    return info.header_offset + 1000


def _one_bit(path):
    _flip(path, _middle_of_the_weights(path))


def _a_block_of_zeros(path):
    middle, content = _middle_of_the_weights(path), path.read_bytes()
    path.write_bytes(content[:middle] + bytes(512) + content[middle + 512 :])


@pytest.mark.parametrize("damage", [_one_bit, _a_block_of_zeros])
def test_damage_inside_a_whole_file_is_found_by_its_checksum(tmp_path, damage):
    older, last = _save(tmp_path / "previous.ckpt", age=10), _save(tmp_path / "last.ckpt")
    damage(last)
    assert torch.load(last, weights_only=True)["global_step"] == 7  # torch itself sees nothing
    with pytest.warns(UserWarning, match=r"last\.ckpt is left out: its content is damaged \(.*/data/0 is not what was"):
        assert newest_checkpoint(tmp_path) == older
    with pytest.raises(UserError, match=r"last\.ckpt cannot be read as a checkpoint: its content is damaged"):
        load_checkpoint(last)


def test_a_whole_file_is_read_once_until_it_is_another(tmp_path, monkeypatch):
    opened, look = [], torch_files._fault_of_content
    monkeypatch.setattr(torch_files, "_fault_of_content", lambda file: opened.append(Path(file.filename)) or look(file))
    path = _save(tmp_path / "last.ckpt")
    for _ in range(2):
        assert newest_checkpoint(tmp_path) == path
        load_checkpoint(path)
    assert opened == [path]
    for _ in range(2):
        os.utime(path)  # written just now: what is written next may have the same time
        load_checkpoint(path)
    assert opened == 3 * [path]
    _one_bit(path)
    with pytest.warns(UserWarning, match="its content is damaged"):
        assert newest_checkpoint(tmp_path) is None


@pytest.mark.filterwarnings("ignore:The checkpoint .* is left out")
def test_no_single_byte_can_be_wrong_without_being_found_or_without_effect(tmp_path):
    path = tmp_path / "last.ckpt"
    torch.save({"state_dict": {"w": torch.arange(8.0)}, "global_step": 7}, path)
    whole, found = path.read_bytes(), 0
    for position in range(0, len(whole), 3):
        _flip(path, position)
        if newest_checkpoint(tmp_path) is None:
            found += 1
        else:
            content = load_checkpoint(path)
            assert content["global_step"] == 7
            assert_close(content["state_dict"]["w"], torch.arange(8.0), rtol=0, atol=0)
        path.write_bytes(whole)
    assert found > len(whole) // 8  # the rest is padding, and fields that no reader looks at


@pytest.mark.parametrize("keep", [0, 0.5, 0.99])
def test_a_broken_last_is_left_out_with_a_warning_that_names_it(tmp_path, keep):
    older = _save(tmp_path / "round=20.ckpt", age=10)
    _cut(_save(tmp_path / "last.ckpt"), keep)
    with pytest.warns(UserWarning, match=r"The checkpoint .*last\.ckpt is left out: it is (empty|cut short)"):
        assert newest_checkpoint(tmp_path) == older


def test_a_link_to_nothing_is_left_out_with_a_warning(tmp_path):
    older = _save(tmp_path / "round=20.ckpt")
    (tmp_path / "last.ckpt").symlink_to(tmp_path / "gone.ckpt")
    with pytest.warns(UserWarning, match=r"last\.ckpt is left out: it cannot be opened \(No such file"):
        assert newest_checkpoint(tmp_path) == older


def test_a_link_to_a_checkpoint_is_one(tmp_path):
    _save(tmp_path / "round=20.ckpt")
    (tmp_path / "last.ckpt").symlink_to("round=20.ckpt")
    assert newest_checkpoint(tmp_path) == tmp_path / "last.ckpt"


def test_no_folder_and_an_empty_one_have_no_checkpoint(tmp_path):
    assert newest_checkpoint(tmp_path) is None
    assert newest_checkpoint(tmp_path / "none") is None


def test_a_checkpoint_a_run_and_a_folder_of_checkpoints_resolve(tmp_path):
    _save(tmp_path / "checkpoints" / "round=20.ckpt")
    last = _save(tmp_path / "checkpoints" / "last.ckpt")
    assert resolve_checkpoint(last) == last
    assert resolve_checkpoint(str(tmp_path)) == last
    assert resolve_checkpoint(tmp_path / "checkpoints") == last


def test_what_does_not_exist_is_told(tmp_path):
    with pytest.raises(UserError, match=r"gone\.ckpt does not exist: give the path of a checkpoint \(\.ckpt\) or"):
        load_checkpoint(tmp_path / "gone.ckpt")


@pytest.mark.parametrize("inside", ["", "checkpoints"])
def test_a_folder_without_checkpoints_is_told(tmp_path, inside):
    (tmp_path / inside).mkdir(exist_ok=True)
    with pytest.raises(UserError, match=rf"{tmp_path.name} holds no checkpoint that can be read: give a run folder"):
        load_checkpoint(tmp_path)


def test_a_checkpoint_is_read_whole(tmp_path):
    content = load_checkpoint(_save(tmp_path / "last.ckpt", 0.25))
    assert content["global_step"] == 7
    assert_close(content["state_dict"]["w"], torch.full((2000,), 0.25), rtol=0, atol=0)


def test_reading_does_not_disturb_a_file_that_is_replaced(tmp_path):
    content = load_checkpoint(_save(tmp_path / "last.ckpt", 0.25))
    _save(tmp_path / "next", 0.5).replace(tmp_path / "last.ckpt")
    content["state_dict"]["w"][0] = 9.0  # mapped for this process alone
    assert_close(content["state_dict"]["w"][1:], torch.full((1999,), 0.25), rtol=0, atol=0)
    assert_close(load_checkpoint(tmp_path)["state_dict"]["w"], torch.full((2000,), 0.5), rtol=0, atol=0)


def _text(path):
    path.write_text("hello")


def _empty(path):
    path.touch()


def _truncated(path):
    _cut(_save(path), 0.7)


def _plain_pickle(path):
    path.write_bytes(pickle.dumps({"state_dict": {}}))


def _other_zip(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")


def _packed(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:  # a bomb may be small on disk
        archive.writestr("m/data.pkl", pickle.dumps({"state_dict": {}}))


def _not_a_pickle(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("m/data.pkl", "hello")
        archive.writestr("m/version", "3")
        archive.writestr("m/byteorder", "little")


def _bare_tensor(path):
    torch.save(torch.ones(2), path)


def _bare_weights(path):
    torch.save({"w": torch.ones(2)}, path)


def _torch_script(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("m/data.pkl", pickle.dumps({}))
        archive.writestr("m/constants.pkl", pickle.dumps(()))
        archive.writestr("m/version", "3")


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (_text, r"cannot be read as a checkpoint: it is cut short, or no checkpoint at all"),
        (_empty, r"cannot be read as a checkpoint: it is empty; give another one"),
        (_truncated, r"cannot be read as a checkpoint: it is cut short"),
        (_plain_pickle, r"cannot be read as a checkpoint: it is cut short, or no checkpoint at all"),
        (_other_zip, r"cannot be read as a checkpoint: it is a zip file, but not one written by torch\.save"),
        (_torch_script, r"cannot be read as a checkpoint: it is a TorchScript archive"),
        (_packed, r"cannot be read as a checkpoint: it is a zip file, but not one written by torch\.save"),
        (_not_a_pickle, r"cannot be loaded \(\w+: .*\): give another checkpoint\.$"),
        (_bare_tensor, r"is no Lightning checkpoint: it holds a Tensor without a state_dict"),
        (_bare_weights, r"is no Lightning checkpoint: it holds a dict without a state_dict; give one"),
    ],
)
def test_what_is_no_checkpoint_is_told_in_one_line(tmp_path, write, message):
    path = tmp_path / "x.ckpt"
    write(path)
    with pytest.raises(UserError, match=message) as caught:
        load_checkpoint(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


class _Malicious:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.system, (f"touch {self.target}",)


def test_nothing_in_a_checkpoint_is_executed(tmp_path):
    target, path = tmp_path / "executed", tmp_path / "last.ckpt"
    torch.save({"state_dict": {}, "callbacks": _Malicious(target)}, path)
    with pytest.raises(UserError, match=r"holds more than tensors and plain values \(posix\.system\), and nothing"):
        load_checkpoint(path)
    with pytest.raises(UserError, match="nothing of it was run"):
        load_checkpoint(tmp_path)
    assert not target.exists()
    torch.load(path, weights_only=False)  # the trap does work
    assert target.exists()


def test_a_last_one_that_would_execute_something_is_not_passed_over_in_silence(tmp_path):
    _save(tmp_path / "previous.ckpt")
    torch.save({"state_dict": {}, "callbacks": _Malicious(tmp_path / "executed")}, tmp_path / "last.ckpt")
    assert newest_checkpoint(tmp_path) == tmp_path / "last.ckpt"
    assert not (tmp_path / "executed").exists()


def _refusal(path):
    try:
        load_checkpoint(path)
    except UserError as error:
        return str(error)
    return None


def test_damaged_bytes_inside_are_told_in_one_line(tmp_path):
    path = _save(tmp_path / "last.ckpt")
    with zipfile.ZipFile(path) as archive:
        info = next(info for info in archive.infolist() if info.filename.endswith("data.pkl"))
    whole, draw = path.read_bytes(), random.Random(0)  # noqa: S311 - reproducible, not secret
    refusals = []
    for _ in range(60):
        damaged = bytearray(whole)
        for _ in range(3):
            damaged[info.header_offset + 64 + draw.randrange(info.file_size)] = draw.randrange(256)
        path.write_bytes(damaged)
        refusals.append(_refusal(path))
    told = [text for text in refusals if text is not None]
    assert len(told) > 30
    assert all(text.startswith(str(path)) and "\n" not in text for text in told)


def test_lack_of_memory_is_not_called_damage(tmp_path, monkeypatch):
    def no_memory(*args, **kwargs):
        raise MemoryError

    path = _save(tmp_path / "last.ckpt")
    monkeypatch.setattr(torch, "load", no_memory)
    with pytest.raises(MemoryError):
        load_checkpoint(path)


def test_a_file_that_may_not_be_opened_is_told(tmp_path, monkeypatch):
    def denied(file, *args, **kwargs):
        raise PermissionError(13, "Permission denied")

    path = _save(tmp_path / "last.ckpt")
    monkeypatch.setattr(zipfile, "ZipFile", denied)
    with pytest.raises(UserError, match=r"cannot be read as a checkpoint: it cannot be opened \(Permission denied\)"):
        load_checkpoint(path)


def test_an_empty_name_is_no_folder():
    with pytest.raises(UserError, match=r"^expected a run folder or a checkpoint, got an empty name\.$"):
        resolve_checkpoint("")
