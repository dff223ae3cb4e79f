"""What a run folder says of its run at a glance, and which of its weights are needed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lit_gan.errors import UserError
from lit_gan.runs.folder import RunFolder
from lit_gan.runs.pruning import delete, superfluous_weights
from lit_gan.runs.record import RunRecord
from lit_gan.runs.summary import RunSummary, differences, find_runs

_MONITORS = {"parzen": {"monitor": "val/parzen_nll"}, "accuracy": {"monitor": "val/accuracy", "mode": "max"}}
_METRICS = "step,epoch,val/parzen_nll,val/accuracy\n9,0,5,0.25\n19,1,-4,0.5\n29,2,3,0.75\n"

Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def made(name: str, status: Any = "finished", reason: str = "", config: dict[str, Any] | None = None) -> Path:
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        RunRecord.first(config or {}).marked(status, reason).write(folder / "run.json")
        (folder / "metrics.csv").write_text(_METRICS)
        return folder

    return made


@pytest.mark.parametrize(
    ("status", "reason", "shown", "continues"),
    [
        ("running", "", "killed", True),  # nobody holds its lock
        ("stopped", "interrupted", "stopped", True),
        ("finished", "", "finished", False),
        ("failed", "No space left on device", "failed", True),
        ("failed", "NaN in loss_d", "failed", False),
    ],
)
def test_how_a_run_stands_and_whether_it_goes_on(
    make: Make, status: str, reason: str, shown: str, continues: bool
) -> None:
    run = RunSummary.of(make("a/1", status, reason))
    assert (run.status, run.reason, run.continues) == (shown, reason, continues)


def test_a_run_that_is_being_written_runs_and_does_not_go_on(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "a", {}, environ={})
    run = RunSummary.of(folder.path)
    folder.release()
    assert (run.status, run.continues) == ("running", False)


@pytest.mark.parametrize(
    ("monitor", "best", "score"), [("parzen", (-4.0, 20), "4.0 nats"), ("accuracy", (0.75, 30), "0.75")]
)
def test_the_best_is_that_of_the_runs_own_monitor(make: Make, monitor: str, best: Any, score: str) -> None:
    run = RunSummary.of(make("a/1", config={"checkpoint": _MONITORS[monitor]}))
    assert (run.rounds, run.best, run.score) == (30, best, score)


def test_without_metrics_there_is_no_score(make: Make) -> None:
    folder = make("a/1")
    (folder / "metrics.csv").unlink()
    run = RunSummary.of(folder)
    assert (run.rounds, run.best, run.score) == (0, None, "")


def test_the_command_and_the_size_are_read(make: Make) -> None:
    folder = make("a/1")
    (folder / "environment.json").write_text(json.dumps({"argv": ["/somewhere/bin/lit-gan", "fit", "--x", "a b"]}))
    (folder / "samples").mkdir()
    (folder / "samples" / "one.png").write_bytes(b"." * 1000)
    run = RunSummary.of(folder)
    assert run.command == ("lit-gan", "fit", "--x", "a b")
    assert run.num_bytes == sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("environment", [None, "[]", "{", '{"argv": []}', '{"argv": null}'])
def test_a_command_that_is_not_known_is_no_fault(make: Make, environment: str | None) -> None:
    folder = make("a/1")
    if environment is not None:
        (folder / "environment.json").write_text(environment)
    assert RunSummary.of(folder).command == ()


def test_all_runs_below_a_folder_are_found_and_broken_ones_told(make: Make, tmp_path: Path) -> None:
    older, deep = make("a/1"), make("b/deeper/than/that")
    make("a/broken").joinpath("run.json").write_text("{}")
    (older / "checkpoints").mkdir()
    runs, faults = find_runs(tmp_path)
    assert [run.path for run in runs] == [deep, older]  # the newest first
    assert len(faults) == 1
    assert "a/broken/run.json is not the record of a run (KeyError: 'status')" in faults[0]


def test_a_folder_without_a_run_is_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a run folder"):
        RunSummary.of(tmp_path)


def test_what_sets_runs_apart(make: Make) -> None:
    same = {"model": {"class_path": "lit_gan.GAN"}}
    one = make("a/1", config={**same, "lr": 0.1})
    two = make("a/2", config={**same, "lr": 0.2, "data": {"root": "x"}, "penalties": []})
    assert differences([RunSummary.of(one), RunSummary.of(two)]) == {"lr": [0.1, 0.2], "data.root": [None, "x"]}


# -- Weights -----------------------------------------------------------------------------------------------------------


def _weights(folder: Path, *names: str) -> None:
    (folder / "checkpoints").mkdir()
    for name in names:
        (folder / "checkpoints" / f"{name}.ckpt").write_bytes(b"." * 10)


def _named(found: dict[Path, int]) -> set[str]:
    return {f"{path.parts[-3]}/{path.stem}" for path in found}


def _needless(*folders: Path) -> set[str]:
    return _named(superfluous_weights([RunSummary.of(folder) for folder in folders]))


def test_the_best_of_a_finished_run_stays(make: Make) -> None:
    folder = make("a/1")
    _weights(folder, "last", "previous", "best-000020", "epoch=3")
    assert _needless(folder) == {"1/last", "1/previous", "1/epoch=3"}


def test_where_there_is_no_best_the_last_stays(make: Make) -> None:
    folder = make("a/1")
    _weights(folder, "last", "previous", "epoch=3")
    assert _needless(folder) == {"1/previous"}


@pytest.mark.parametrize("status", ["running", "stopped", "failed"])
def test_what_has_not_finished_keeps_everything(make: Make, status: str) -> None:
    folder = make("a/1", status)
    _weights(folder, "last", "previous", "best-000020")
    assert _needless(folder) == set()


def test_files_that_the_user_has_named_stay(make: Make) -> None:
    folder = make("a/1", config={"checkpoint": {"filename": "{epoch}"}})
    _weights(folder, "last", "previous", "best-000020", "epoch=3")
    assert _needless(folder) == {"1/last", "1/previous"}


@pytest.mark.parametrize("what", ["checkpoints/last.ckpt", "checkpoints", "."])
def test_what_another_run_was_told_to_read_stays(make: Make, what: str) -> None:
    folder = make("a/1")
    _weights(folder, "last", "previous", "best-000020")
    other = make("a/2", config={"init_from": str(folder / what)})
    assert _needless(folder, other) == ({"1/previous"} if what.endswith("last.ckpt") else set())


@pytest.mark.parametrize("option", ["init_from", "ckpt_path"])
def test_what_a_run_starts_from_stays_though_its_name_looks_like_a_word(
    option: str, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make("mine")
    _weights(folder, "last", "best-000020")
    monkeypatch.chdir(folder.parent)
    assert _needless(folder, make("other", config={option: "mine"})) == set()


def test_what_stands_in_a_list_of_another_runs_configuration_stays(make: Make) -> None:
    folder = make("a/1")
    _weights(folder, "last", "previous", "best-000020")
    callback = {"class_path": "mine.Teacher", "init_args": {"teachers": [str(folder / "checkpoints" / "last.ckpt")]}}
    assert _needless(folder, make("a/2", config={"trainer": {"callbacks": [callback]}})) == {"1/previous"}


def test_a_name_from_where_the_other_run_was_started_is_understood_elsewhere(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make("a/1")
    _weights(folder, "last", "previous", "best-000020")
    other = make("a/2", config={"init_from": "runs/a/1/checkpoints/last.ckpt"})
    monkeypatch.chdir(tmp_path / "runs")
    assert _needless(folder, other) == {"1/previous"}


def test_a_link_to_the_best_goes_and_the_best_stays(make: Make) -> None:
    folder = make("a/1")
    _weights(folder, "best-000020")
    (folder / "checkpoints" / "last.ckpt").symlink_to("best-000020.ckpt")
    assert _needless(folder) == {"1/last"}


def test_what_a_best_that_is_a_link_points_to_stays(make: Make) -> None:
    folder = make("a/1")
    _weights(folder, "last")
    (folder / "checkpoints" / "best-000020.ckpt").symlink_to("last.ckpt")
    assert _needless(folder) == set()


def test_nothing_is_deleted_of_a_run_that_goes_on_meanwhile(make: Make) -> None:
    done, goes_on = make("a/1"), make("a/2")
    for folder in (done, goes_on):
        _weights(folder, "last", "best-000020")
    runs = [RunSummary.of(folder) for folder in (done, goes_on)]
    files = list(superfluous_weights(runs))
    RunRecord.first({}).marked("running", "").write(goes_on / "run.json")
    assert delete(runs, files) == 10
    assert [path.exists() for path in files] == [False, True]
