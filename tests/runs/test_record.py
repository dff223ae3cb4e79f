import dataclasses
import json
import os
from datetime import UTC, datetime, timedelta

import pytest
from mutations import check_told, mutations
from run_folders import make_run

from lit_gan.errors import UserError
from lit_gan.runs.record import NAN, RunRecord, read_record
from lit_gan.runs.summary import RunSummary


def _beat_at(age_seconds, **changes):
    beat = datetime.now(UTC) - timedelta(seconds=age_seconds)
    return dataclasses.replace(RunRecord.first({}), heartbeat=beat.isoformat(), **changes)


@pytest.mark.parametrize(
    ("status", "reason", "resumable"),
    [
        ("running", "", True),  # its process is gone: that is for the lock to say
        ("stopped", "preempted", True),
        ("finished", "", False),
        ("failed", "No space left on device", True),
        ("failed", NAN, False),
        ("failed", "NaN in loss_d at round 120", False),
        ("stopped", "nan", True),
    ],
)
def test_which_runs_auto_goes_on_with(status, reason, resumable):
    assert RunRecord.first({}).marked(status, reason).resumable is resumable


@pytest.mark.parametrize(
    ("age", "changes", "locks_work", "alive"),
    [
        (0, {"host": "elsewhere"}, True, True),
        (110, {"host": "elsewhere"}, True, True),
        (130, {"host": "elsewhere"}, True, False),
        (-60, {"host": "elsewhere"}, True, True),  # a clock ahead of ours
        (-3600, {"host": "elsewhere"}, True, False),  # a clock gone wrong does not block the run for an hour
        (0, {"host": "elsewhere", "status": "stopped"}, True, False),
        (0, {}, True, False),  # the free lock proves the process of this machine dead
        (0, {}, False, True),
        (0, {"pid": 2**22 + 1}, False, False),  # above the kernel's highest process id
        (0, {"pid": 1}, False, True),
    ],
)
def test_when_a_heartbeat_counts(age, changes, locks_work, alive):
    assert _beat_at(age, **changes).beats(locks_work=locks_work) is alive


def test_another_users_process_counts_as_alive(monkeypatch):
    def not_yours(pid, number):
        raise PermissionError

    monkeypatch.setattr(os, "kill", not_yours)
    assert _beat_at(0).beats(locks_work=False)


def test_a_record_survives_its_file(tmp_path):
    record = RunRecord.first({"lr": 0.1, "betas": (0.5, 0.9)}, launch="slurm 1.0 restart 0")
    record.write(tmp_path / "run.json")
    assert read_record(tmp_path / "run.json") == record


def test_an_early_record_without_an_owner_is_nobodys(tmp_path):
    path = tmp_path / "run.json"
    RunRecord.first({}, owner="slurm:7").write(path)
    content = json.loads(path.read_text())
    del content["owner"]
    path.write_text(json.dumps(content))
    assert read_record(path).owner is None


def test_going_on_keeps_the_start_and_counts():
    first = dataclasses.replace(RunRecord.first({"lr": 0.1}), started="2014-06-10T00:00:00+00:00", pid=1, reason="x")
    first = dataclasses.replace(first, owner="slurm:1")
    assert first.again("slurm 1.0 restart 1", "slurm:2").owner == "slurm:2"
    again = first.again("slurm 1.0 restart 1").again()
    assert (again.started, again.resumed, again.pid, again.reason) == (first.started, 2, os.getpid(), "")
    assert (again.status, again.fingerprint, again.config) == ("running", first.fingerprint, {"lr": 0.1})
    assert again.owner is None


def test_keys_of_a_later_version_are_left_aside(tmp_path):
    path = tmp_path / "run.json"
    RunRecord.first({}).write(path)
    path.write_text(json.dumps({**json.loads(path.read_text()), "later": 1}))
    assert read_record(path).status == "running"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"status": "running"}', "\0\0"])
def test_a_broken_record_is_named(tmp_path, text):
    path = tmp_path / "run.json"
    path.write_text(text)
    with pytest.raises(UserError, match=r"run\.json is not the record of a run \(.*: put it back .*--resume never"):
        read_record(path)


def test_no_file_is_no_record(tmp_path):
    assert read_record(tmp_path / "run.json") is None


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"pid": "7"}, "TypeError: pid is '7', expected a whole number"),
        ({"pid": -1}, "ValueError: process -1, resumed 0 times, cannot be"),
        ({"pid": 2**40}, "ValueError: process 1099511627776"),
        ({"resumed": None}, "TypeError: resumed is None, expected a whole number"),
        ({"config": []}, r"TypeError: config is \[\], expected a mapping"),
        ({"reason": None}, "TypeError: reason is None, expected a text"),
        ({"owner": 7}, "TypeError: owner is 7, expected a text or null"),
        ({"status": "runing"}, "ValueError: status is 'runing', expected one of running, stopped, finished, failed"),
        ({"heartbeat": "2014-06-10T00:00:00"}, "ValueError: heartbeat '2014-06-10T00:00:00' has no time zone"),
    ],
)
def test_what_cannot_stand_in_a_record_is_told(tmp_path, changes, told):
    path = tmp_path / "run.json"
    RunRecord.first({}).write(path)
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    with pytest.raises(UserError, match=rf"run\.json is not the record of a run \({told}"):
        read_record(path)


def test_a_record_that_nests_too_deep_is_told(tmp_path):
    (tmp_path / "run.json").write_text("[" * 99_999 + "]" * 99_999)
    with pytest.raises(UserError, match=r"is not the record of a run \(ValueError: it is nested more than 100 deep"):
        read_record(tmp_path / "run.json")


def test_any_damage_is_told_or_can_be_looked_at(tmp_path):
    run = make_run(tmp_path / "runs" / "mnist" / "x", status="stopped")
    for content in mutations((run / "run.json").read_bytes(), 200):
        (run / "run.json").write_bytes(content)
        try:
            record = read_record(run / "run.json")
        except UserError as error:
            check_told(error)
            continue
        assert record.again().resumed == record.resumed + 1
        assert record.beats(locks_work=False) in (True, False)
        summary = RunSummary.of(run)
        assert summary.as_dict()["rounds"] == 1000
        assert (summary.seconds, summary.score) >= (0.0, "")
