"""One worker, in the test's own process, with fake trials."""

import dataclasses
import itertools
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest
from fake_sweep import content, folder_of, rows, starts, states, status, with_options
from small_disk import fill, small_disk

from lit_gan.errors import DONE, INTERRUPTED, PREEMPTED, TERMINATED, UserError
from lit_gan.runs.record import RunRecord
from lit_gan.tuning.study import SweepStudy, error_of
from lit_gan.tuning.sweep_file import read_sweep
from lit_gan.tuning.sweep_layout import SweepLayout
from lit_gan.tuning.trial_environment import trial_environment
from lit_gan.tuning.trial_process import TrialProcess
from lit_gan.tuning.worker import Worker

ONE = {"x": {"values": [0.5]}}
_NUMBERS = itertools.count()  # no two workers have the same name


def begin(journal: str = "s.journal", **changes: Any) -> SweepStudy:
    return SweepStudy.begin(read_sweep("s", content(**changes)), SweepLayout(Path(journal)))


def work(study: SweepStudy, total: int = 3) -> int:
    return Worker(study, f"host-{next(_NUMBERS)}", total).run()


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
    assert not list(study.layout.workers.glob("host-*"))


def test_a_trial_knows_what_it_is() -> None:
    environ = trial_environment({"A": "1", "WANDB_SWEEP_ID": "x", "LIT_GAN_RUN_DIR": "y"}, "lr", "lr-1-000")

    assert environ == {
        "A": "1",
        "WANDB_MODE": "offline",
        "WANDB_RUN_GROUP": "lr",
        "WANDB_RUN_ID": "lr-1-000",
        "LIT_GAN_SWEEP": "lr",
    }
    assert trial_environment({"WANDB_MODE": "online"}, "lr", "lr-1-000")["WANDB_MODE"] == "online"


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
    assert study.take("host-2", 3, lambda _: False) is not None


def test_one_trial_that_is_refused_fails_when_others_have_shown_that_the_command_is_right() -> None:
    script = (
        'if [ "$1" != "--x=0.9" ]; then exec python "$0" "$@"; fi; '
        "echo 'lit-gan: error: --x 0.9: expected less.' >&2; exit 2"
    )
    command = ["${program}", "-c", script, content()["program"], "${args}"]
    study = begin(parameters={"x": {"values": [0.5]}}, program="/bin/sh", command=command, method="random")
    assert work(study, total=1) == DONE
    other = begin("t.journal", parameters={"x": {"values": [0.9, 0.5]}}, program="/bin/sh", command=command)
    first = other.take("dead", 2, lambda _: True)
    assert first is not None
    second = other.take("dead", 2, lambda _: True)
    assert second is not None
    right = first if first.parameters["x"] == 0.5 else second
    other.complete(right.number, 0.75)

    assert work(other, total=2) == DONE
    assert sorted(states(other)) == ["COMPLETE", "FAIL"]
    assert {error_of(trial) for trial in other.trials()} == {"", "refused: --x 0.9: expected less"}


def test_a_trial_whose_run_another_machine_writes_after_all_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    dataclasses.replace(RunRecord.first({}), host="another").write(Path("record.json"))
    script = "mkdir -p runs/fake/$WANDB_RUN_ID; cp record.json runs/fake/$WANDB_RUN_ID/run.json; exit 2"
    study = begin(parameters=ONE, program="/bin/sh", command=["${program}", "-c", script, "${args}"])
    monkeypatch.setattr("lit_gan.tuning.worker.time.sleep", lambda _: os.kill(os.getpid(), signal.SIGTERM))

    assert work(study, total=1) == TERMINATED
    assert states(study) == ["RUNNING"]
    assert study.trials()[0].user_attrs["worker"] == ""


def test_a_trial_that_finds_the_disk_full_is_left_and_ends_the_sweep_in_one_line() -> None:
    study = begin(parameters=ONE, command=with_options("--code=74", "--error=lit-gan: failed: last.ckpt: no space."))

    with pytest.raises(UserError, match=r"^trial 0 is left as it is: last\.ckpt: no space \(what it printed is in"):
        work(study, total=1)

    assert states(study) == ["RUNNING"]
    assert study.take("next", 1, lambda _: True) is not None


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


class _Signalled:
    """Sends a signal to the worker when the trial has its second round, as a scheduler would."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, study: SweepStudy, *numbers: signal.Signals) -> None:
        wait, left = TrialProcess.wait, list(numbers)

        def wait_and_signal(process: TrialProcess, seconds: float) -> int | None:
            if left and len(rows(study, 0)) >= 1:
                os.kill(os.getpid(), left.pop(0))
            return wait(process, min(seconds, 0.02))

        monkeypatch.setattr(TrialProcess, "wait", wait_and_signal)


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, INTERRUPTED), (signal.SIGTERM, TERMINATED), (signal.SIGUSR1, PREEMPTED)],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_worker_that_is_stopped_gives_its_trial_back_and_the_next_goes_on_with_it(
    number: signal.Signals, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = begin(parameters=ONE, command=with_options("--gate=go"))
    _Signalled(monkeypatch, study, number)

    assert work(study, total=1) == code

    assert (states(study), status(study, 0), rows(study, 0)) == (["RUNNING"], "stopped", ["10"])
    Path("go").touch()
    assert work(study, total=1) == DONE
    assert states(study) == ["COMPLETE"]
    assert rows(study, 0) == ["10", "20", "30", "40"]
    assert starts(study, 0) == 2
    assert study.trials()[0].value == 0.75


def test_a_worker_whose_command_was_killed_before_it_began_takes_no_trial() -> None:
    study = begin(parameters=ONE)

    assert Worker(study, "host-orphan", 1, starter=os.getpid()).run() == TERMINATED  # its parent is another
    assert states(study) == []


_STUBBORN = """
    trap '' TERM USR1; mkdir -p runs/fake/$WANDB_RUN_ID; cd runs/fake/$WANDB_RUN_ID
    printf 'step,epoch,val/score\\n1,1,0.5\\n' > metrics.csv
    while :; do sleep 0.05; done
"""


@pytest.mark.parametrize(
    ("numbers", "code"),
    [
        ([signal.SIGINT, signal.SIGINT], INTERRUPTED),
        ([signal.SIGTERM, signal.SIGINT, signal.SIGINT], INTERRUPTED),
        ([signal.SIGINT, signal.SIGTERM, signal.SIGINT], INTERRUPTED),
        ([signal.SIGUSR1, signal.SIGINT, signal.SIGINT], PREEMPTED),
    ],
    ids=["INT INT", "TERM INT INT", "INT TERM INT", "USR1 INT INT"],
)
def test_a_second_interruption_does_not_wait(
    numbers: list[signal.Signals], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = begin(parameters=ONE, program="/bin/sh", command=["${program}", "-c", _STUBBORN, "${args}"])
    _Signalled(monkeypatch, study, *numbers)

    assert work(study, total=1) == code
    assert states(study) == ["RUNNING"]


def test_a_second_interruption_does_not_wait_when_the_worker_has_to_leave_anyway(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    study = begin(parameters=ONE, program="/bin/sh", command=["${program}", "-c", _STUBBORN, "${args}"])

    def report(*_: object) -> bool:
        _Signalled(monkeypatch, study, signal.SIGINT, signal.SIGINT)
        raise UserError("the disk is full")

    monkeypatch.setattr(SweepStudy, "report", report)

    with pytest.raises(UserError, match=r"^the disk is full$"):
        work(study, total=1)
    assert states(study) == ["RUNNING"]


def test_a_trial_that_somebody_else_stopped_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    study = begin(parameters=ONE, command=with_options("--gate=go"))
    wait, left = TrialProcess.wait, [signal.SIGTERM]

    def wait_and_stop(process: TrialProcess, seconds: float) -> int | None:
        if left and len(rows(study, 0)) == 1:
            os.kill(int(folder_of(study, 0).joinpath("starts.txt").read_text().split()[0]), left.pop())
        return wait(process, min(seconds, 0.02))

    monkeypatch.setattr(TrialProcess, "wait", wait_and_stop)

    assert work(study, total=1) == DONE
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


def test_a_trial_that_was_preempted_itself_takes_the_worker_along() -> None:
    study = begin(command=with_options("--code=75", "--error=preempted"))

    assert work(study) == PREEMPTED
    assert states(study) == ["RUNNING"]


def test_a_run_that_finished_before_its_worker_could_say_so_is_not_run_again() -> None:
    study = begin(parameters=ONE)
    assert work(study, total=1) == DONE
    other = begin("t.journal", parameters=ONE)
    trial = other.take("dead", 1, lambda _: True)
    assert trial is not None
    folder_of(study, 0).rename(folder_of(other, 0))

    assert work(other, total=1) == DONE
    assert (states(other), starts(other, 0)) == (["COMPLETE"], 1)
    assert other.trials()[0].value == 0.75


def test_a_trial_that_was_to_be_stopped_early_by_a_dead_worker_is_not_run_again() -> None:
    study = begin(parameters=ONE)
    study.take("dead", 1, lambda _: True)
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
