"""The slots of one command, in the test's own process, with fake trials."""

import dataclasses
import itertools
import os
import re
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from fake_sweep import content, folder_of, rows, starts, states, status, with_options
from small_disk import fill, small_disk

from lit_gan.errors import DONE, INTERRUPTED, PREEMPTED, UserError
from lit_gan.runs.record import RunRecord
from lit_gan.tuning import slots as slots_module
from lit_gan.tuning.slots import Slots
from lit_gan.tuning.study import SweepStudy, Trial, error_of, worker_of
from lit_gan.tuning.sweep_file import read_sweep
from lit_gan.tuning.sweep_layout import SweepLayout
from lit_gan.tuning.trial_environment import trial_environment
from lit_gan.tuning.trial_process import TrialProcess

ONE = {"x": {"values": [0.5]}}


@pytest.fixture(autouse=True)
def _look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots_module, "_LOOK_SECONDS", 0.02)


def begin(journal: str = "s.journal", **changes: Any) -> SweepStudy:
    return SweepStudy.begin(read_sweep("s", content(**changes)), SweepLayout(Path(journal)))


def work(study: SweepStudy, total: int = 3, devices: Sequence[str | None] = (None,), asked: str = "") -> int:
    """What `lit-gan sweep` does; once the first trial has a round, the signals come, one at a turn."""
    slots, numbers = Slots(study, total, devices), [signal.Signals[f"SIG{name}"] for name in asked.split()]
    try:
        while slots.turn():
            if numbers and rows(study, 0):
                slots.ask(numbers.pop(0))
    finally:
        slots.close()
    return slots.code


def left(study: SweepStudy, total: int) -> Trial:
    """A trial whose command was killed."""
    trial = study.take("dead", total)
    assert trial is not None
    trial.lock.release()
    return trial


def test_all_trials_end_with_their_last_value() -> None:
    study = begin()

    assert work(study) == DONE
    assert states(study) == ["COMPLETE"] * 3
    assert sorted((trial.params["x"], trial.value) for trial in study.trials()) == [
        (0.2, 0.45),
        (0.5, 0.75),
        (0.9, 1.15),
    ]
    assert [list(trial.intermediate_values) for trial in study.trials()] == [[1, 2, 3, 4]] * 3
    assert {path.suffix for path in study.layout.workers.iterdir()} == {".out", ".err", ".lock"}


def test_as_many_trials_run_at_a_time_as_there_are_slots_each_with_its_own_gpus() -> None:
    study = begin(command=with_options("--gate=go"))
    slots, most = Slots(study, 3, ["0,1", "2,3"]), 0
    while slots.turn():
        most = max(most, sum(state == "RUNNING" for state in states(study)))
        if all(rows(study, number) for number in (0, 1)):
            Path("go").touch()
    slots.close()

    assert (most, states(study)) == (2, ["COMPLETE"] * 3)
    seen = [folder_of(study, number).joinpath("starts.txt").read_text().split()[1] for number in range(3)]
    assert sorted(seen[:2]) == ["0,1", "2,3"]
    assert seen[2] in seen[:2]
    assert {worker_of(trial) for trial in study.trials()} == {slots.name}


def test_a_trial_knows_what_it_is() -> None:
    environ = trial_environment({"A": "1", "WANDB_SWEEP_ID": "x", "LIT_GAN_RUN_DIR": "y"}, "lr", "lr-1-000", None)

    assert environ == {
        "A": "1",
        "WANDB_MODE": "offline",
        "WANDB_RUN_GROUP": "lr",
        "WANDB_RUN_ID": "lr-1-000",
        "LIT_GAN_SWEEP": "lr",
    }
    assert trial_environment({"WANDB_MODE": "online"}, "lr", "lr-1-000", None)["WANDB_MODE"] == "online"
    assert trial_environment({}, "lr", "lr-1-000", "3,5")["CUDA_VISIBLE_DEVICES"] == "3,5"


@pytest.mark.slow
def test_bad_trials_are_stopped_in_good_order() -> None:
    study = begin(
        parameters={"x": {"values": [0.1, 0.2, 0.3, 0.4, 0.5]}},
        early_terminate={"type": "hyperband", "min_iter": 2, "eta": 2},
        command=with_options("--rounds=40", "--pause=0.02"),
    )

    assert work(study, total=5) == DONE

    pruned = [trial for trial in study.trials() if trial.state.name == "PRUNED"]
    best = study.best()
    assert best is not None
    assert best.params == {"x": 0.1}
    assert pruned
    for trial in pruned:
        assert status(study, trial.number) == "stopped"
        assert 2 <= len(rows(study, trial.number)) < 40
        assert trial.value == list(trial.intermediate_values.values())[-1]


def test_a_trial_that_fails_is_told_and_the_others_go_on() -> None:
    study = begin(command=with_options("--rounds=2"))
    assert work(study, total=1) == DONE
    script = 'if [ "$1" = "--x=0.9" ]; then echo boo >&2; echo no luck >&2; exit 1; fi; exec python "$0" "$@"'
    other = begin("t.journal", program="/bin/sh", command=["${program}", "-c", script, content()["program"], "${args}"])

    assert work(other) == DONE

    assert sorted(states(other)) == ["COMPLETE", "COMPLETE", "FAIL"]
    assert [error_of(trial) for trial in other.trials() if trial.state.name == "FAIL"] == ["no luck"]


def test_a_trial_that_was_killed_has_failed() -> None:
    study = begin(program="/bin/sh", command=["${program}", "-c", "kill -9 $$", "${args}"])

    with pytest.raises(UserError, match=r"the first 3 trials failed, the last of them with: killed by SIGKILL"):
        work(study)

    assert states(study) == ["FAIL"] * 3


def test_wrong_arguments_end_the_sweep_and_leave_the_trial() -> None:
    study = begin(command=with_options("--code=2", "--error=lit-gan: error: --modl: there is no such option."))

    with pytest.raises(
        UserError, match=r"trial 0 was refused: --modl: there is no such option \(what it printed is in"
    ):
        work(study)

    assert states(study) == ["RUNNING"]
    assert study.take("next", 3) is not None


def test_one_trial_that_is_refused_fails_when_others_have_shown_that_the_command_is_right() -> None:
    script = (
        'if [ "$1" != "--x=0.9" ]; then exec python "$0" "$@"; fi; '
        "echo 'lit-gan: error: --x 0.9: expected less.' >&2; exit 2"
    )
    command = ["${program}", "-c", script, content()["program"], "${args}"]
    study = begin(parameters={"x": {"values": [0.5]}}, program="/bin/sh", command=command, method="random")
    assert work(study, total=1) == DONE
    other = begin("t.journal", parameters={"x": {"values": [0.9, 0.5]}}, program="/bin/sh", command=command)
    taken = [other.take("dead", 2) for _ in range(2)]
    for trial in taken:
        assert trial is not None
        trial.lock.release()
        if trial.parameters["x"] == 0.5:
            other.complete(trial.number, 0.75)

    assert work(other, total=2) == DONE
    assert sorted(states(other)) == ["COMPLETE", "FAIL"]
    assert {error_of(trial) for trial in other.trials()} == {"", "refused: --x 0.9: expected less"}


def test_a_trial_whose_run_another_machine_writes_after_all_is_waited_for() -> None:
    dataclasses.replace(RunRecord.first({}), host="another").write(Path("record.json"))
    script = "mkdir -p runs/fake/$WANDB_RUN_ID; cp record.json runs/fake/$WANDB_RUN_ID/run.json; exit 2"
    study = begin(parameters=ONE, program="/bin/sh", command=["${program}", "-c", script, "${args}"])
    slots = Slots(study, 1, [None])
    while slots.turn() and not (study.trials() and worker_of(study.trials()[0]) == ""):
        pass

    assert slots.turn()  # nothing is taken, and it is not over
    assert states(study) == ["RUNNING"]
    assert study.trials()[0].user_attrs["worker"] == ""


def test_a_trial_that_finds_the_disk_full_is_left_and_ends_the_sweep_in_one_line() -> None:
    study = begin(parameters=ONE, command=with_options("--code=74", "--error=lit-gan: failed: last.ckpt: no space."))

    with pytest.raises(UserError, match=r"^trial 0 is left as it is: last\.ckpt: no space \(what it printed is in"):
        work(study, total=1)

    assert states(study) == ["RUNNING"]
    assert study.take("next", 1) is not None


def test_a_metric_that_is_never_logged_ends_the_sweep_with_what_is() -> None:
    study = begin(command=with_options("--metric=val/scor"))

    with pytest.raises(UserError, match=r"metric: trial 0 never logged val/score; it logs train/loss_d, val/scor\."):
        work(study)

    assert states(study) == ["RUNNING"]


def test_a_program_that_leaves_no_run_folder_is_told_where_one_is_looked_for() -> None:
    study = begin(program="/bin/true", command=["${program}", "${args}"])

    with pytest.raises(UserError, match=r"never logged val/score; it left no run folder under runs/ with the name in"):
        work(study)


@pytest.mark.parametrize(("last", "said"), [("nan", "NaN"), ("-inf", "-inf"), ("inf", "inf")])
def test_a_last_value_that_is_no_finite_number_is_a_failure(last: str, said: str) -> None:
    study = begin(parameters={"x": {"values": [last, 0.5]}})

    assert work(study, total=2) == DONE

    assert sorted(states(study)) == ["COMPLETE", "FAIL"]
    assert {error_of(trial) for trial in study.trials()} == {"", f"its last val/score is {said}"}


def test_the_json_file_of_a_trial_is_there() -> None:
    script = "import json, runpy, sys; sys.argv[1:] = ['--x=%s' % json.load(open(sys.argv[2]))['x']];"
    study = begin(
        parameters=ONE,
        command=[
            "${interpreter}",
            "-c",
            f"{script} runpy.run_path({content()['program']!r}, run_name='__main__')",
            "-",
            "${args_json_file}",
        ],
    )

    assert work(study, total=1) == DONE
    assert study.trials()[0].value == 0.75


# -- Stopped and taken up again ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("asked", "code"), [("INT", INTERRUPTED), ("TERM", PREEMPTED), ("USR1", PREEMPTED)])
def test_a_command_that_is_stopped_gives_its_trial_back_and_the_next_goes_on_with_it(asked: str, code: int) -> None:
    study = begin(parameters=ONE, command=with_options("--gate=go"))
    assert work(study, total=1, asked=asked) == code

    assert (states(study), status(study, 0), rows(study, 0)) == (["RUNNING"], "stopped", ["10"])
    assert worker_of(study.trials()[0]) == ""
    Path("go").touch()
    assert work(study, total=1) == DONE
    assert states(study) == ["COMPLETE"]
    assert rows(study, 0) == ["10", "20", "30", "40"]
    assert starts(study, 0) == 2
    assert study.trials()[0].value == 0.75


@pytest.mark.parametrize(("asked", "requeue"), [("INT", False), ("TERM", False), ("USR1", True), ("USR1 TERM", True)])
def test_slurm_is_asked_to_start_it_again_only_after_its_own_signal(asked: str, requeue: bool) -> None:
    slots = Slots(begin(), 3, [None])
    for name in asked.split():
        slots.ask(signal.Signals[f"SIG{name}"])

    assert not slots.turn()
    assert slots.requeue == requeue


_STUBBORN = """
    trap '' TERM USR1; mkdir -p runs/fake/$WANDB_RUN_ID; cd runs/fake/$WANDB_RUN_ID
    printf 'step,epoch,val/score\\n1,1,0.5\\n' > metrics.csv
    while :; do sleep 0.05; done
"""


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ("INT INT", INTERRUPTED),
        ("TERM INT INT", INTERRUPTED),
        ("INT TERM INT", INTERRUPTED),
        ("USR1 INT INT", PREEMPTED),
    ],
)
def test_a_second_interruption_does_not_wait(asked: str, code: int) -> None:
    study = begin(parameters=ONE, program="/bin/sh", command=["${program}", "-c", _STUBBORN, "${args}"])

    assert work(study, total=1, asked=asked) == code
    assert states(study) == ["RUNNING"]


def test_a_second_interruption_does_not_wait_when_the_command_has_to_leave_anyway(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    study = begin(parameters=ONE, program="/bin/sh", command=["${program}", "-c", _STUBBORN, "${args}"])
    slots, numbers = Slots(study, 1, [None]), [signal.SIGINT, signal.SIGINT]

    def report(*_: object) -> bool:
        raise UserError("the disk is full")

    def poll(process: TrialProcess) -> int | None:
        if numbers:
            slots.ask(numbers.pop())
        return look(process)

    monkeypatch.setattr(SweepStudy, "report", report)
    with pytest.raises(UserError, match=r"^the disk is full$"):
        all(slots.turn() for _ in itertools.count())
    look = TrialProcess.poll
    monkeypatch.setattr(TrialProcess, "poll", poll)
    slots.close()

    assert states(study) == ["RUNNING"]
    assert not slots.are_busy


def test_what_ends_the_sweep_stops_the_other_trials_in_good_order() -> None:
    script = """
        if [ "$1" = "--x=0.9" ]; then until [ -s runs/fake/*/metrics.csv ]; do sleep 0.02; done; exit 2; fi
        exec python "$0" --gate=go "$@"
    """
    command = ["${program}", "-c", script, content()["program"], "${args}"]
    study = begin(parameters={"x": {"values": [0.9, 0.5]}}, program="/bin/sh", command=command)
    slots = Slots(study, 2, [None, None])

    with pytest.raises(UserError, match=r"trial \d was refused"):
        all(slots.turn() for _ in itertools.count())
    assert slots.are_busy
    slots.close()

    assert states(study) == ["RUNNING"] * 2
    [other] = [trial.number for trial in study.trials() if trial.params["x"] == 0.5]
    assert status(study, other) == "stopped"
    assert {worker_of(trial) for trial in study.trials()} == {""}


def test_a_trial_that_somebody_else_stopped_has_ended() -> None:
    study = begin(parameters=ONE, command=with_options("--gate=go"))
    slots, stopped = Slots(study, 1, [None]), False
    while slots.turn():
        if not stopped and rows(study, 0):
            os.kill(int(folder_of(study, 0).joinpath("starts.txt").read_text().split()[0]), signal.SIGTERM)
            stopped = True
    slots.close()

    assert slots.code == DONE
    assert (states(study), status(study, 0), starts(study, 0)) == (["PRUNED"], "stopped", 1)
    assert study.trials()[0].value == 1.5
    assert study.best() is None


@pytest.mark.parametrize("left", ["running", "failed"])
def test_a_trial_that_says_it_ended_well_and_did_not_is_not_started_again(left: str) -> None:
    script = f"""
        mkdir -p runs/fake/$WANDB_RUN_ID; echo . >> runs/fake/$WANDB_RUN_ID/starts.txt
        echo '{{"status": "{left}"}}' > runs/fake/$WANDB_RUN_ID/run.json
    """
    study = begin(parameters=ONE, program="/bin/sh", command=["${program}", "-c", script, "${args}"])

    assert work(study, total=1) == DONE
    assert (states(study), starts(study, 0)) == (["FAIL"], 1)
    assert error_of(study.trials()[0]) == "exit code 0"


@pytest.mark.parametrize(("code", "ending", "requeue"), [(75, PREEMPTED, True), (130, INTERRUPTED, False)])
def test_a_trial_that_was_told_to_stop_itself_takes_the_others_along(code: int, ending: int, requeue: bool) -> None:
    script = f'mkdir first 2> /dev/null && exit {code}; exec python "$0" --gate=go "$@"'
    study = begin(program="/bin/sh", command=["${program}", "-c", script, content()["program"], "${args}"])
    slots = Slots(study, 3, [None, None])
    while slots.turn():
        pass
    slots.close()

    assert (slots.code, slots.requeue) == (ending, requeue)
    assert states(study) == ["RUNNING"] * 2
    assert {worker_of(trial) for trial in study.trials()} == {""}


def test_what_the_command_is_told_comes_before_what_its_trials_were_told() -> None:
    study = begin(parameters=ONE, command=with_options("--code=75", "--error=preempted"))
    slots = Slots(study, 1, [None])
    slots.turn()
    slots.ask(signal.SIGTERM)
    while slots.turn():
        pass

    assert (slots.code, slots.requeue, states(study)) == (PREEMPTED, False, ["RUNNING"])


def test_a_run_that_finished_before_its_command_could_say_so_is_not_run_again() -> None:
    study = begin(parameters=ONE)
    assert work(study, total=1) == DONE
    other = begin("t.journal", parameters=ONE)
    left(other, 1)
    folder_of(study, 0).rename(folder_of(other, 0))

    assert work(other, total=1) == DONE
    assert (states(other), starts(other, 0)) == (["COMPLETE"], 1)
    assert other.trials()[0].value == 0.75


def test_a_trial_that_was_to_be_stopped_early_by_a_dead_command_is_not_run_again() -> None:
    study = begin(parameters=ONE)
    left(study, 1)
    study.report(0, 1, 10, 0.7)
    study.mark_pruned(0)

    assert work(study, total=1) == DONE
    assert states(study) == ["PRUNED"]
    assert not folder_of(study, 0).exists()


def test_a_full_disk_stops_the_trial_in_good_order_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with small_disk(tmp_path / "disk", 1 << 20) as disk:
        study = begin(str(disk / "s.journal"), parameters=ONE, command=with_options("--gate=go", "--gated=3"))
        report, fillers = SweepStudy.report, []

        def report_on_a_full_disk(self: SweepStudy, *values: Any) -> bool:
            fillers.append(fill(disk, leave=0))
            size = study.layout.journal.stat().st_size
            with fillers[0].open("ab"):  # up to the end of its last page the journal still has room
                while True:
                    report(self, *values)
                    assert study.layout.journal.stat().st_size > size

        monkeypatch.setattr(SweepStudy, "report", report_on_a_full_disk)
        with pytest.raises(UserError, match=r"s\.journal: the disk is full .* the same command goes on"):
            work(study, total=1)
        monkeypatch.setattr(SweepStudy, "report", report)

        assert status(study, 0) == "stopped"
        fillers[0].unlink()
        Path("go").touch()
        again = begin(str(disk / "s.journal"), parameters=ONE, command=with_options("--gate=go", "--gated=3"))
        assert work(again, total=1) == DONE
        assert (states(again), rows(again, 0)) == (["COMPLETE"], ["10", "20", "30", "40"])
        assert re.fullmatch(r"s-\w{6}-000", again.run_id(0))
