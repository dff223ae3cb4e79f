"""Full disks, damaged files, hostile files and files of other models: told in one line, nothing lost, nothing run."""

import json
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import Ending, fit, lit_gan, metrics, repeatable, the_run, weights
from mutations import TIMES, mutated_checkpoint
from shared_runs import trained_once
from small_disk import fill, small_disk

from lit_gan.errors import DISK_FULL
from lit_gan.runs.checkpoint_files import load_checkpoint
from lit_gan.runs.folder import RunFolder

_MEGABYTE = 1 << 20
_STOPS = ("--trainer.callbacks+=own_modules.StopOnce", "--trainer.callbacks.init_args.rounds=10")


def _record(run: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((run / "run.json").read_text())
    return record


def _rounds(run: Path, name: str) -> int:
    return int(load_checkpoint(run / "checkpoints" / name)["global_step"])


def _check_same(one: Path, other: Path) -> None:
    assert repeatable(one) == repeatable(other)
    here, there = weights(one), weights(other)
    assert here.keys() == there.keys()
    assert all(torch.equal(here[name], there[name]) for name in here)


def _files(run: Path) -> dict[str, bytes]:
    """Everything of a run that a refused command must not touch."""
    own = ("run.json", "environment.json", "run.lock")  # how it stands, on what it was last started, who had it last
    return {str(path): path.read_bytes() for path in run.rglob("*") if path.is_file() and path.name not in own}


# -- A full disk ------------------------------------------------------------------------------------------------------


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 64 * _MEGABYTE) as folder:
        yield folder


def _check_failed(ending: Ending, *told: str) -> None:
    assert ending.code == 1, ending.err
    (line,) = ending.err.splitlines()
    assert line.startswith("lit-gan: failed: ")
    assert all(text in line for text in told), line


@pytest.mark.parametrize("leave", [0, 40_000], ids=["for nothing", "for the first files"])
def test_the_worker_of_a_trial_is_told_that_the_disk_is_full(
    leave: int, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIT_GAN_SWEEP", "s")
    fill(disk, leave=leave)

    ending = fit(f"--run_dir={disk / 'run'}")

    assert ending.code == DISK_FULL, ending.err
    assert "No space left on device" in ending.err


def test_a_full_disk_stops_the_run_and_once_there_is_space_the_same_command_ends_it(disk: Path) -> None:
    assert fit("--run_dir=whole", epochs=4).code == 0
    run, size = disk / "run", Path("whole/checkpoints/last.ckpt").stat().st_size
    filler = fill(disk, leave=size * 5 // 2)  # the first two checkpoints fit, and half of the third
    _check_failed(
        fit(f"--run_dir={run}", epochs=4),
        f"checkpoint {run}/checkpoints/last.ckpt was not written (No space left on device)",
        "the earlier ones are intact, the newest is last.ckpt: free some space, and the same command goes on from",
    )
    assert sorted(path.name for path in (run / "checkpoints").iterdir()) == ["last.ckpt", "previous.ckpt"]
    assert (_rounds(run, "previous.ckpt"), _rounds(run, "last.ckpt")) == (4, 8)
    assert [int(row["step"]) for row in metrics(run)] == list(range(12))
    assert _record(run)["status"] == "failed"
    assert not RunFolder(run).is_alive()

    filler.unlink()
    ending = fit(f"--run_dir={run}", epochs=4)
    assert ending.code == 0, ending.err
    assert f"continuing {run.relative_to(Path.cwd())} after round 8" in ending.out
    _check_same(run, Path("whole"))


def test_a_disk_without_a_single_byte_left_costs_nothing_either(disk: Path) -> None:
    flags = (
        "--trainer.callbacks+=own_modules.FillOnce",
        "--trainer.callbacks.init_args.rounds=6",
        f"--trainer.callbacks.init_args.disk={disk}",
    )
    run = disk / "run"
    _check_failed(fit(f"--run_dir={run}", *flags, epochs=3), "was not written (No space left on device)", "intact")
    assert _rounds(run, "last.ckpt") == 4
    assert [int(row["step"]) for row in metrics(run)][:6] == list(range(6))
    assert not RunFolder(run).is_alive()

    (disk / "filler").unlink()
    assert fit(f"--run_dir={run}", *flags, epochs=3).code == 0
    assert fit("--run_dir=whole", *flags, epochs=3).code == 0
    _check_same(run, Path("whole"))


def test_a_run_whose_first_checkpoint_does_not_fit_starts_again(disk: Path) -> None:
    filler = fill(disk, leave=128 * 1024)
    _check_failed(
        fit(f"--run_dir={disk / 'run'}"),
        "there is none before it: free some space, and the same command starts again",
    )
    filler.unlink()
    ending = fit(f"--run_dir={disk / 'run'}")
    assert ending.code == 0, ending.err
    assert "after round 0" in ending.out
    assert _rounds(disk / "run", "last.ckpt") == 8


# -- A run whose newest checkpoint is not what it was -----------------------------------------------------------------


@pytest.fixture
def stopped(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three epochs that Ctrl-C stopped in the third one, with checkpoints of rounds 8 and 4."""
    place, ending = trained_once(tmp_path_factory, "stopped-after-10", lambda: fit(*_STOPS, epochs=3))
    shutil.copytree(place, tmp_path, dirs_exist_ok=True)
    assert ending.code == 130
    run = the_run()
    assert (_rounds(run, "previous.ckpt"), _rounds(run, "last.ckpt")) == (4, 8)
    return run


def _cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size * 2 // 3)


def _flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def _empty(path: Path) -> None:
    os.truncate(path, 0)


@pytest.mark.parametrize("damage", [_cut, _flip_a_bit, _empty])
def test_a_damaged_newest_one_is_named_and_the_one_before_it_leads_to_the_same_end(
    stopped: Path, whole: Path, damage: Any
) -> None:
    damage(stopped / "checkpoints" / "last.ckpt")
    with pytest.warns(UserWarning, match=r"The checkpoint .*/last\.ckpt is left out: it"):
        ending = fit(*_STOPS, epochs=3)
    assert ending.code == 0, ending.err
    assert f"continuing {stopped} after round 4" in ending.out
    assert (_rounds(stopped, "previous.ckpt"), _rounds(stopped, "last.ckpt")) == (8, 12)
    _check_same(stopped, whole)


class _Malicious:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch executed",)


def _poison(checkpoint: Path) -> None:
    content = torch.load(checkpoint, weights_only=True)
    torch.save({**content, "callbacks": {"own": _Malicious()}}, checkpoint)


_NOTHING_RUN = "holds more than tensors and plain values (posix.system), and nothing of it was run"


def _check_left_alone(run: Path, before: dict[str, bytes]) -> None:
    assert _files(run) == before
    assert _record(run)["status"] == "stopped"
    assert not RunFolder(run).is_alive()


def test_a_malicious_newest_one_is_refused_and_the_run_goes_on_without_it(stopped: Path) -> None:
    last = stopped / "checkpoints" / "last.ckpt"
    _poison(last)
    before = _files(stopped)
    for command in (("test", stopped), ("sample", stopped), ("predict", stopped)):
        assert _NOTHING_RUN in lit_gan(*command).line
    line = fit(*_STOPS, epochs=3).line
    assert line.startswith(f"{last.absolute()} {_NOTHING_RUN}")
    assert not Path("executed").exists()
    _check_left_alone(stopped, before)

    last.unlink()
    ending = fit(*_STOPS, epochs=3)
    assert ending.code == 0, ending.err
    assert f"continuing {stopped} after round 4" in ending.out


@pytest.mark.parametrize("verb", ["fit", "validate", "test", "predict", "sample"])
def test_a_malicious_one_that_is_named_is_refused(finished_run: Path, verb: str) -> None:
    evil = Path("evil.ckpt")
    shutil.copy(finished_run / "checkpoints" / "last.ckpt", evil)
    _poison(evil)
    ending = fit(f"--ckpt_path={evil}", "--run_dir=never") if verb == "fit" else lit_gan(verb, evil)
    assert ending.line.startswith(f"{evil} {_NOTHING_RUN}")
    assert sorted(path.name for path in Path().iterdir()) == ["evil.ckpt", "runs"]
    torch.load(evil, weights_only=False)  # the trap does work
    assert Path("executed").exists()


_NARROW = ("--model.init_args.generator.init_args.hidden=[32,32]",)
_MISFIT = (
    "does not fit the model: size mismatch for generator.hidden.0.weight: copying a param with shape "
    "torch.Size([256, 32]) from checkpoint, the shape in current model is torch.Size([32, 32]) (and 4 more)"
)


def test_a_newest_one_of_another_architecture_is_refused_and_the_run_goes_on_without_it(finished_run: Path) -> None:
    other = (finished_run / "checkpoints" / "last.ckpt").read_bytes()
    shutil.rmtree("runs")
    assert fit(*_STOPS, *_NARROW, epochs=3).code == 130
    run, last = the_run(), the_run() / "checkpoints" / "last.ckpt"
    own = last.read_bytes()
    last.write_bytes(other)
    before = _files(run)
    assert fit(*_STOPS, *_NARROW, epochs=3).line.startswith(f"checkpoint {last.absolute()} {_MISFIT}")
    _check_left_alone(run, before)  # the row of metrics after the checkpoint's round, too

    last.write_bytes(own)
    assert fit(*_STOPS, *_NARROW, epochs=3).code == 0


def test_a_given_one_of_another_architecture_is_refused(finished_run: Path) -> None:
    before = _files(finished_run)
    given = finished_run / "checkpoints" / "last.ckpt"
    line = fit(f"--ckpt_path={given}", "--run_dir=never", *_NARROW, epochs=3).line
    assert line.startswith(f"checkpoint {given} {_MISFIT}")
    for verb in ("validate", "test", "predict"):
        assert _MISFIT in lit_gan(verb, finished_run, *_NARROW).line
    assert not Path("never").exists()
    assert _files(finished_run) == before
    assert _record(finished_run)["status"] == "finished"


@pytest.mark.parametrize(
    ("left_out", "fault"),
    [
        ("optimizer_states", "it holds weights only, and training goes on from a whole one"),
        ("lr_schedulers", "it holds weights only, and training goes on from a whole one"),
        ("pytorch-lightning_version", "no Trainer wrote it; give one that was written by `lit-gan fit`"),
    ],
)
def test_a_given_one_that_is_not_complete_is_refused_and_leaves_no_folder(
    finished_run: Path, left_out: str, fault: str
) -> None:
    content = torch.load(finished_run / "checkpoints" / "last.ckpt", weights_only=True)
    del content[left_out]
    torch.save(content, "part.ckpt")
    line = fit("--ckpt_path=part.ckpt", "--run_dir=never", epochs=3).line
    assert line == f"checkpoint part.ckpt does not fit the model: {fault}."
    assert not Path("never").exists()


_USES = {
    "sample": lambda stopped, path: lit_gan("sample", path, "--num=1", "--out=samples.png"),
    "test": lambda stopped, path: lit_gan("test", stopped),
    "fit": lambda stopped, path: fit(f"--ckpt_path={path}", "--run_dir=new", *_STOPS, epochs=3),
    "resume": lambda stopped, path: fit(*_STOPS, epochs=3),
}


@pytest.mark.filterwarnings("ignore")  # what weights and moments of anything overflow to
@pytest.mark.parametrize("use", _USES)
def test_a_checkpoint_of_which_something_is_something_else_is_taken_or_refused_in_one_line(
    use: str, stopped: Path, tmp_path: Path
) -> None:
    last, record = stopped / "checkpoints" / "last.ckpt", (stopped / "run.json").read_bytes()
    content = torch.load(last, weights_only=True)
    codes = set()
    for number in range(8 * TIMES):
        shutil.rmtree("new", ignore_errors=True)
        (stopped / "run.json").write_bytes(record)
        torch.save(mutated_checkpoint(content, random.Random(f"{use} {number}")), last)  # noqa: S311 -- no secret
        ending = _USES[use](stopped, last)
        codes.add(ending.code)
        if ending.code == 1:  # moments of anything are numbers, too: that they are none that go on is found in a round
            assert ending.err.startswith("lit-gan: failed: "), (number, ending.err)
        elif ending.code not in (0, 130):  # or the callback stops a second time
            assert ending.line, number
        assert "Traceback" not in ending.err, number
    assert 2 in codes


def test_bare_weights_in_the_place_of_the_newest_one_are_refused(stopped: Path) -> None:
    torch.save({"state_dict": weights(stopped)}, stopped / "checkpoints" / "last.ckpt")
    before = _files(stopped)
    assert "last.ckpt does not fit the model: no Trainer wrote it" in fit(*_STOPS, epochs=3).line
    _check_left_alone(stopped, before)


# -- Whose plugin writes ----------------------------------------------------------------------------------------------


def test_a_plugin_of_the_users_own_for_checkpoints_wins() -> None:
    ending = fit("--trainer.plugins=lightning.pytorch.plugins.TorchCheckpointIO")
    assert ending.code == 0, ending.err
    assert [path.name for path in (the_run() / "checkpoints").iterdir()] == ["last.ckpt"]


def test_other_plugins_of_the_users_own_stand_beside_ours() -> None:
    ending = fit("--trainer.plugins=lightning.pytorch.plugins.environments.LightningEnvironment")
    assert ending.code == 0, ending.err
    assert sorted(path.name for path in (the_run() / "checkpoints").iterdir()) == ["last.ckpt", "previous.ckpt"]
