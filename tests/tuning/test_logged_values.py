"""The metric is read from a file that is being written, and nothing is changed in it."""

import dataclasses
import json
from pathlib import Path

import pytest
from mutations import mutations

from lit_gan.loggers.metrics_table import MetricsTable
from lit_gan.runs.record import RunRecord, Status
from lit_gan.tuning.logged_values import LoggedValue, TrialRun


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "runs" / "quickstart" / "s-1-000"
    made.mkdir(parents=True)
    return made


def test_before_there_is_a_folder_there_is_nothing() -> None:
    run = TrialRun("s-1-000")

    assert (run.folder, run.status, run.values("v"), run.names()) == (None, None, [], [])
    assert not run.has_changed()


def test_the_values_of_a_table_that_a_run_writes(folder: Path) -> None:
    table, run = MetricsTable(folder / "metrics.csv"), TrialRun("s-1-000")
    table.log(9, {"epoch": 0, "train/loss_d": 0.5})
    table.flush()
    assert run.values("val/v") == []

    table.log(9, {"val/v": 3.0})
    table.log(19, {"train/loss_d": 0.5})
    table.log(29, {"val/v": float("nan")})
    table.log(39, {"val/v": float("-inf")})
    table.flush()

    first, second, third = run.values("val/v")
    assert first == LoggedValue(10, 3.0)
    assert (second.rounds, str(second.value)) == (30, "nan")
    assert third == LoggedValue(40, float("-inf"))
    assert run.names() == ["train/loss_d", "val/v"]


def test_a_line_in_the_middle_of_being_written_is_left_for_later_and_left_alone(folder: Path) -> None:
    file, run = folder / "metrics.csv", TrialRun("s-1-000")
    file.write_text("step,epoch,v\n9,0,1.5\n19,0,2")
    assert run.values("v") == [LoggedValue(10, 1.5)]
    file.write_text("step,epoch,v\n9,0,1.5\n19,0,2.5\n0,\n")

    assert run.values("v") == [LoggedValue(10, 1.5), LoggedValue(20, 2.5)]
    assert file.read_text().endswith("\n0,\n")


def test_it_is_told_whether_there_may_be_something_new(folder: Path) -> None:
    file, run = folder / "metrics.csv", TrialRun("s-1-000")
    assert not run.has_changed()
    file.write_text("step,epoch\n")
    assert (run.has_changed(), run.has_changed()) == (True, False)
    file.write_text("step,epoch,v\n")
    assert run.has_changed()


@pytest.mark.parametrize(
    ("text", "expected"),
    [(json.dumps({"status": "stopped"}), "stopped"), ("", None), ("{}", None), ("[1]", None), ("no json", None)],
)
def test_the_status_is_that_of_the_record(folder: Path, text: str, expected: str | None) -> None:
    (folder / "run.json").write_text(text)

    assert TrialRun("s-1-000").status == expected


def test_the_folder_of_another_trial_is_another(folder: Path) -> None:
    assert TrialRun("s-1-00").folder is None
    assert TrialRun("s-1-000").folder == folder


@pytest.mark.parametrize(
    ("status", "reason", "counts_as"),
    [("stopped", "max_time", "finished"), ("stopped", "preempted", "stopped"), ("failed", "max_time", "failed")],
)
def test_a_trial_that_has_used_up_its_time_has_finished(
    status: Status, reason: str, counts_as: str, folder: Path
) -> None:
    RunRecord.first({}).marked(status, reason).write(folder / "run.json")
    assert TrialRun("s-1-000").status == counts_as


@pytest.mark.parametrize(("status", "written"), [("running", True), ("stopped", False), ("finished", False)])
def test_a_run_on_another_machine_is_written_while_its_heartbeat_is_young(
    folder: Path, status: Status, written: bool
) -> None:
    record = dataclasses.replace(RunRecord.first({}), host="another", status=status)
    record.write(folder / "run.json")

    assert TrialRun("s-1-000").is_written is written


@pytest.mark.parametrize("text", ["{", '{"status": "running"}'])
def test_a_run_whose_record_is_damaged_is_not_written(folder: Path, text: str) -> None:
    (folder / "run.json").write_text(text)

    assert not TrialRun("s-1-000").is_written
    assert not TrialRun("s-1-001").is_written


def test_whatever_is_damaged_there_are_values_or_none(folder: Path) -> None:
    written = b"step,epoch,val/v,a\n9,0,3.0,\n19,1,,1\n29,1,nan,\n39,1,2,\n"
    for content in mutations(written, 150):
        (folder / "metrics.csv").write_bytes(content)
        run = TrialRun("s-1-000")
        assert all(value.rounds > 0 and isinstance(value.value, float) for value in run.values("val/v"))
        assert "step" not in run.names()


def test_a_text_in_place_of_a_value_and_a_step_of_too_many_digits_are_left_out(folder: Path) -> None:
    (folder / "metrics.csv").write_text("step,epoch,v\n1,0,red\n\u00b2,0,1\n" + "9" * 5000 + ",0,1\n4,0,2.5\n")
    assert TrialRun("s-1-000").values("v") == [LoggedValue(5, 2.5)]


def test_a_record_that_nests_too_deep_is_none(folder: Path) -> None:
    (folder / "run.json").write_text("[" * 5000)
    run = TrialRun("s-1-000")
    assert (run.status, run.is_written) == (None, False)
