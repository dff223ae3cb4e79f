"""Who takes which trial: each point once, whatever is killed when."""

import dataclasses
import functools
import itertools
import os
import threading
from pathlib import Path
from typing import Any

import optuna
import pytest
from fake_sweep import content, states, study_of
from mutations import check_told, mutations
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileSymlinkLock
from optuna.trial import TrialState

from lit_gan.errors import UserError
from lit_gan.runs.record import RunRecord
from lit_gan.tuning import study as study_module
from lit_gan.tuning.journal import SweepJournal
from lit_gan.tuning.sampling import number_of_trials, sampler_for
from lit_gan.tuning.study import SweepStudy, Trial, current_value, error_of, rounds_of, worker_of
from lit_gan.tuning.sweep_file import Sweep, read_sweep
from lit_gan.tuning.sweep_layout import SweepLayout

LAYOUT = Path("runs/s.journal")
LONG_AGO = "2020-01-01T00:00:00+00:00"
SPACE = {"x": {"min": 0.0, "max": 1.0}, "lr": {"distribution": "log_uniform_values", "min": 1e-5, "max": 0.1}}
HYPERBAND = {"type": "hyperband", "min_iter": 2, "eta": 2}


def sweep(**changes: Any) -> Sweep:
    return read_sweep("s", content(**changes))


def begin(**changes: Any) -> SweepStudy:
    return SweepStudy.begin(sweep(**changes), SweepLayout(LAYOUT))


def take(study: SweepStudy, worker: str = "w", total: int = 3) -> Trial | None:
    return study.take(worker, total)


def left(study: SweepStudy, worker: str = "a", total: int = 3) -> Trial:
    """A trial whose command was killed: the kernel has freed its lock."""
    trial = study.take(worker, total)
    assert trial is not None
    trial.lock.release()
    return trial


def taken(study: SweepStudy, total: int) -> list[dict[str, Any]]:
    return [trial.parameters for trial in iter(lambda: take(study, total=total), None)]


# -- The points -------------------------------------------------------------------------------------------------------


def test_a_grid_has_each_point_once() -> None:
    study = begin(parameters={"x": {"values": [0.5, 0.2]}, "k": {"min": 1, "max": 3}, "c": {"value": "a"}})

    points = taken(study, 100)[:6]

    assert sorted((point["x"], point["k"]) for point in points) == list(itertools.product([0.2, 0.5], [1, 2, 3]))
    assert list(points[0]) == ["x", "k", "c"]


def test_the_number_of_trials_is_the_least_that_is_said() -> None:
    two_by_three = {"x": {"values": [0.5, 0.2]}, "k": {"min": 1, "max": 3}}

    assert number_of_trials(sweep(parameters=two_by_three), None) == 6
    assert number_of_trials(sweep(parameters=two_by_three), 4) == 4
    assert number_of_trials(sweep(parameters=two_by_three, run_cap=5), 9) == 5
    assert number_of_trials(sweep(method="random", run_cap=5), None) == 5
    assert number_of_trials(sweep(method="bayes"), None) is None


@pytest.mark.parametrize("method", ["grid", "random", "bayes"])
def test_the_same_sweep_again_has_the_same_points(method: str) -> None:
    points = []
    for name in ("a", "b"):
        study = SweepStudy.begin(
            sweep(method=method, parameters=SPACE if method != "grid" else {"x": {"values": list(range(20))}}),
            SweepLayout(Path(f"{name}.journal")),
        )
        for number in range(15):
            # Another process each time, as after an interruption.
            trial = take(study_of(Path(f"{name}.journal")), total=20)
            assert trial is not None
            study.complete(number, float(trial.parameters["x"]))
        points.append([trial.params for trial in study.trials()])

    assert points[0] == points[1]
    assert len({point["x"] for point in points[0]}) == 15


def test_bayes_looks_where_it_was_good() -> None:
    study = begin(method="bayes", parameters={"x": {"min": 0.0, "max": 1.0}})
    for number in range(40):
        trial = take(study, total=40)
        assert trial is not None
        study.complete(number, abs(trial.parameters["x"] - 0.3))

    last = [trial.params["x"] for trial in study.trials()[20:]]
    assert sum(abs(x - 0.3) < 0.15 for x in last) > 9  # six if it did not look


# -- Who has them -----------------------------------------------------------------------------------------------------


def test_a_trial_in_the_hands_of_another_is_left_alone() -> None:
    study = begin()
    numbers = [trial.number for trial in (take(study, "a"), take(study, "b"), take(study, "c")) if trial]

    assert numbers == [0, 1, 2]
    assert take(study, "d") is None
    assert [worker_of(trial) for trial in study.trials()] == ["a", "b", "c"]


def test_the_trial_of_a_dead_command_is_taken_up_as_it_was() -> None:
    study = begin()
    first = left(study)
    study.report(0, 1, 10, 0.7)

    second = take(study, "b")

    assert second == Trial(0, first.run_id, first.parameters, values=1, pruned=False, lock=first.lock)
    assert states(study) == ["RUNNING"]
    assert worker_of(study.trials()[0]) == "b"
    third = take(study, "c")
    assert third is not None
    assert third.number == 1


def test_a_trial_that_was_given_back_is_taken_first() -> None:
    study = begin()
    first = take(study, "a")
    assert first is not None
    take(study, "b")
    study.give_back(0)
    first.lock.release()

    trial = take(study, "c")

    assert trial is not None
    assert trial.number == 0


def test_the_trial_of_a_dead_command_is_left_alone_while_its_process_lives() -> None:
    study = begin(parameters={"x": {"values": [1]}})
    trial = take(study, "a", total=1)
    assert trial is not None
    [of_process] = trial.lock.duplicates()
    trial.lock.release()

    assert take(study, "b", total=1) is None
    os.close(of_process)
    assert take(study, "b", total=1) is not None


def test_the_trial_of_a_lost_machine_is_left_alone_while_the_heartbeat_of_its_run_is_young() -> None:
    study = begin(parameters={"x": {"values": [1]}})
    left(study, total=1)
    folder = Path("runs", "fake", study.run_id(0))
    folder.mkdir(parents=True)
    record = dataclasses.replace(RunRecord.first({}), host="lost")
    record.write(folder / "run.json")

    assert take(study, "b", total=1) is None
    dataclasses.replace(record, heartbeat=LONG_AGO).write(folder / "run.json")
    assert take(study, "b", total=1) is not None


def test_a_command_of_another_machine_whose_locks_cannot_be_seen_lives_by_its_heartbeat() -> None:
    study = begin(parameters={"x": {"values": [1]}})
    left(study, total=1)
    record = dataclasses.replace(RunRecord.first({}), host="elsewhere")
    record.write(study.layout.record("a"))

    assert take(study, "b", total=1) is None
    dataclasses.replace(record, heartbeat=LONG_AGO).write(study.layout.record("a"))
    assert take(study, "b", total=1) is not None


def test_a_killed_command_is_dead_at_once_on_its_machine_whatever_its_heartbeat_says() -> None:
    study = begin(parameters={"x": {"values": [1]}})
    left(study, total=1)
    RunRecord.first({}).write(study.layout.record("a"))

    assert take(study, "b", total=1) is not None


def test_a_trial_that_cannot_be_claimed_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    study = begin()

    def fails(*_: Any) -> None:
        raise UserError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(JournalStorage, "set_trial_user_attr", fails)
        with pytest.raises(UserError, match="full"):
            take(study)

    trial = take(study)
    assert trial is not None
    assert trial.number == 0


def test_a_trial_has_the_number_that_the_journal_gave_it(monkeypatch: pytest.MonkeyPatch) -> None:
    study = begin()
    create = JournalStorage.create_new_trial

    def create_after_another(storage: JournalStorage, study_id: int) -> int:
        create(storage, study_id)
        return create(storage, study_id)

    monkeypatch.setattr(JournalStorage, "create_new_trial", create_after_another)
    trial = take(study, "a")

    assert trial is not None
    assert (trial.number, trial.run_id) == (1, study.run_id(1))
    assert [worker_of(each) for each in study.trials()] == ["", "a"]


def test_a_trial_has_its_owner_before_it_has_its_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    study = begin()
    seen = []

    def suggest(trial: optuna.Trial, *names: Any) -> None:
        seen.append((worker_of(study.trials()[0]), dict(trial.params)))
        study_module_suggest(trial, *names)

    study_module_suggest = study_module.suggest
    monkeypatch.setattr(study_module, "suggest", suggest)
    take(study, "a")

    assert seen == [("a", {})]


def test_the_last_value_reported_is_pruned_by_whoever_takes_it_up() -> None:
    study = begin(early_terminate=HYPERBAND)
    left(study)
    study.mark_pruned(0)

    trial = take(study, "b")

    assert trial is not None
    assert trial.pruned


class Killed(BaseException):
    """Stands for SIGKILL: nothing after it is done."""


@pytest.mark.parametrize("method", ["grid", "random", "bayes"])
def test_no_trial_is_lost_whatever_is_written_last_before_a_kill(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    parameters = {"x": {"values": [0.5, 0.2, 0.9]}, "k": {"values": [1, 2]}}
    begin(method=method, parameters=parameters)
    append = SweepJournal.append_logs
    budget = itertools.count()

    def killed_after(lines: int) -> None:
        left = iter(range(lines))

        def append_some(journal: SweepJournal, logs: list[dict[str, Any]]) -> None:
            next(budget)
            if next(left, None) is None:
                raise Killed
            append(journal, logs)

        monkeypatch.setattr(SweepJournal, "append_logs", append_some)

    deaths = 0
    for lines in itertools.cycle(range(6)):
        killed_after(lines)
        study = study_of(LAYOUT)
        try:
            trial = take(study, f"w{deaths}", 6)
            if trial is None:
                break
            trial.lock.release()
            study.complete(trial.number, trial.parameters["x"])
        except Killed:
            deaths += 1

    monkeypatch.setattr(SweepJournal, "append_logs", append)
    assert deaths > 10
    assert states(study_of(LAYOUT)) == ["COMPLETE"] * 6
    points = [(trial.params["x"], trial.params["k"]) for trial in study_of(LAYOUT).trials()]
    undisturbed = SweepStudy.begin(sweep(method=method, parameters=parameters), SweepLayout(Path("other.journal")))
    for number in range(6):
        trial = take(undisturbed, total=6)
        assert trial is not None
        undisturbed.complete(number, trial.parameters["x"])
    assert points == [(trial.params["x"], trial.params["k"]) for trial in undisturbed.trials()]


def test_commands_that_ask_at_the_same_time_get_different_trials() -> None:
    begin(parameters={"x": {"values": list(range(12))}})
    found: list[int] = []

    def work(name: str) -> None:
        study = study_of(LAYOUT)
        while (trial := study.take(name, 12)) is not None:
            found.append(trial.number)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(found) == list(range(12))
    assert len({trial.params["x"] for trial in study_of(LAYOUT).trials()}) == 12


@pytest.mark.filterwarnings("ignore:The existing lock file has not been released")  # Optuna 4's
def test_a_lock_that_a_killed_process_left_on_the_journal_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    study = begin()
    left = Path(f"{study.layout.journal}.lock")
    left.symlink_to(study.layout.journal)
    clock = itertools.count(step=20.0)  # seconds between two looks at the clock
    monkeypatch.setattr("optuna.storages.journal._file.time.monotonic", lambda: next(clock))
    monkeypatch.setattr("optuna.storages.journal._file.time.sleep", lambda _: None)

    assert take(study) is not None
    assert not left.is_symlink()
    assert JournalFileSymlinkLock(str(study.layout.journal)).grace_period == 30


# -- How they end -----------------------------------------------------------------------------------------------------


def test_how_trials_end_is_kept() -> None:
    study = begin(parameters={"x": {"values": [1, 2, 3, 4]}})
    for _ in range(4):
        take(study, total=4)
    study.report(0, 1, 10, 0.7)
    study.complete(0, 0.6)
    study.report(1, 1, 10, 0.9)
    study.prune(1)
    study.fail(2, "no memory")
    study.report(3, 1, 10, 0.8)

    again = study_of(LAYOUT).trials()

    assert [trial.state for trial in again] == [
        TrialState.COMPLETE,
        TrialState.PRUNED,
        TrialState.FAIL,
        TrialState.RUNNING,
    ]
    assert [current_value(trial) for trial in again if trial.number != 2] == [0.6, 0.9, 0.8]
    assert [rounds_of(trial) for trial in again] == [10, 10, 0, 10]
    assert [error_of(trial) for trial in again] == ["", "", "no memory", ""]
    assert not study.is_over(4)
    study.complete(3, 0.8)
    assert study.is_over(4)


@pytest.mark.parametrize(("goal", "number"), [("minimize", 1), ("maximize", 2)])
def test_the_best_is_that_of_the_goal(goal: str, number: int) -> None:
    study = begin(metric={"name": "v", "goal": goal})
    assert study.best() is None
    for trial, value in enumerate([0.5, 0.2, 0.9]):
        take(study)
        study.complete(trial, value)

    best = study.best()
    assert best is not None
    assert best.number == number


# -- Hyperband --------------------------------------------------------------------------------------------------------


def pruned_at(study: SweepStudy, number: int, values: list[float]) -> int | None:
    """After how many values a trial is stopped; they are logged every hundred rounds."""
    take(study, total=10)
    for index, value in enumerate(values, 1):
        if study.report(number, index, 100 * index, value):
            study.prune(number)
            return index
    study.complete(number, values[-1])
    return None


def test_hyperband_counts_logged_values_and_not_rounds() -> None:
    study = begin(method="random", parameters=SPACE, early_terminate={"type": "hyperband", "min_iter": 2, "eta": 2})

    assert pruned_at(study, 0, [5, 4, 3, 2, 1, 1]) is None
    assert pruned_at(study, 1, [5, 5, 5, 5, 5, 5]) == 2  # at min_iter, where the other had 4
    assert pruned_at(study, 2, [5, 3, 3, 3, 3, 3]) == 4  # at min_iter * eta, where the other had 2
    assert pruned_at(study, 3, [9, 1, 1, 1, 1, 1]) is None


def test_from_max_iter_on_nothing_is_stopped() -> None:
    study = begin(
        method="random", parameters=SPACE, early_terminate={"type": "hyperband", "max_iter": 4, "s": 1, "eta": 2}
    )

    assert pruned_at(study, 0, [1, 1, 1, 1]) is None
    assert pruned_at(study, 1, [1, 1, 1, 9]) is None
    assert pruned_at(study, 2, [1, 2, 1, 1]) == 2


def test_without_hyperband_nothing_is_stopped() -> None:
    study = begin(method="random", parameters=SPACE)

    assert pruned_at(study, 0, [1] * 9) is None
    assert pruned_at(study, 1, [9] * 9) is None


# -- Another sweep ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"parameters": {"x": {"values": [0.5, 0.2]}}}, "parameters"),
        ({"metric": {"name": "val/other"}}, "metric"),
        ({"metric": {"name": "val/score", "goal": "maximize"}}, "goal"),
        ({"method": "random", "program": "a.py"}, "method and program"),
        ({"command": ["${program}", "${args}", "--more"]}, "command"),
    ],
)
def test_the_journal_of_another_sweep_is_refused(changes: dict[str, Any], named: str) -> None:
    begin()
    before = SweepLayout(LAYOUT).journal.read_bytes()

    with pytest.raises(UserError, match=rf"--storage runs/s\.journal was begun with other {named} in s: its trials"):
        begin(**changes)

    assert SweepLayout(LAYOUT).journal.read_bytes() == before


def test_the_journal_of_a_sweep_of_another_name_is_refused() -> None:
    begin()

    with pytest.raises(UserError, match=r"--storage runs/s\.journal is the journal of s, not of t: give another file"):
        SweepStudy.begin(read_sweep("t", content()), SweepLayout(LAYOUT))


@pytest.mark.parametrize("changed", [{**HYPERBAND, "min_iter": 3}, {**HYPERBAND, "eta": 3}, None], ids=str)
def test_early_termination_may_not_change_once_there_are_trials(changed: dict[str, Any] | None) -> None:
    begin(early_terminate={**HYPERBAND, "min_iter": 5})
    take(begin(early_terminate=HYPERBAND))
    before = SweepLayout(LAYOUT).journal.read_bytes()

    with pytest.raises(UserError, match=r"s\.journal was begun with other early_terminate in s: its trials"):
        begin(early_terminate=changed)

    assert SweepLayout(LAYOUT).journal.read_bytes() == before
    assert begin(early_terminate=HYPERBAND).sweep.hyperband is not None


def test_a_sweep_without_early_termination_may_be_given_one() -> None:
    take(begin())

    assert begin(early_terminate=HYPERBAND).sweep.hyperband == study_of(LAYOUT).sweep.hyperband is not None


def test_a_study_whose_beginning_was_killed_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    append = SweepJournal.append_logs

    def once(journal: SweepJournal, logs: list[dict[str, Any]]) -> None:
        append(journal, logs)
        raise Killed

    monkeypatch.setattr(SweepJournal, "append_logs", once)
    for _ in range(3):
        with pytest.raises(Killed):
            begin()
    monkeypatch.setattr(SweepJournal, "append_logs", append)

    trial = take(begin())

    assert trial is not None
    assert trial.run_id == study_of(LAYOUT).run_id(0)


def test_run_ids_name_run_folders_whatever_the_sweep_is_called() -> None:
    study = SweepStudy.begin(read_sweep("my sweep (2)", content()), SweepLayout(LAYOUT))

    assert study.run_id(7).startswith("my-sweep-2--")
    assert study.run_id(7).endswith("-007")


def test_optuna_is_quiet_about_what_is_experimental(recwarn: pytest.WarningsRecorder) -> None:
    sampler_for(sweep(method="bayes"), 0)

    assert not [warning for warning in recwarn if issubclass(warning.category, optuna.exceptions.ExperimentalWarning)]


# -- A journal that is damaged -----------------------------------------------------------------------------------------


def _journal(**changes: Any) -> bytes:
    """Of a sweep with trials that ended, failed and were left."""
    study = begin(method="random", **changes)
    for number in range(3):
        trial = left(study, total=10)
        for index in (1, 2):
            study.report(number, index, 10 * index, 1 / (index + number))
        if number == 0:
            study.complete(number, 0.5)
        elif number == 1:
            study.fail(number, "x")
        else:
            study.mark_pruned(trial.number)
    return LAYOUT.read_bytes()


def test_any_damage_to_a_journal_is_told_or_its_trials_can_be_looked_at_and_taken() -> None:
    changes = {"parameters": SPACE, "early_terminate": HYPERBAND}
    for damaged in mutations(_journal(**changes), 80):
        for opened in (SweepStudy.join, functools.partial(SweepStudy.begin, sweep(method="random", **changes))):
            LAYOUT.write_bytes(damaged)
            try:
                study = opened(SweepLayout(LAYOUT))
                trial = study.take("w", 10)
            except UserError as error:
                check_told(error)
                continue
            assert trial is None or trial.parameters.keys() == SPACE.keys()
            for each in study.trials():
                assert isinstance(current_value(each), int | float)
                assert isinstance(worker_of(each) + error_of(each), str)
                assert isinstance(rounds_of(each), int)
            study.best()
            if trial is not None:
                trial.lock.release()


def test_a_trial_whose_parameter_had_other_values_is_told_when_it_is_taken() -> None:
    study = begin(parameters={"x": {"values": [0.5, 0.2]}, "y": {"value": 1}})
    left(study)
    lines = LAYOUT.read_bytes().splitlines(keepends=True)
    [of_y] = [place for place, line in enumerate(lines) if b'"param_name":"y"' in line]
    left_halfway = b"".join(lines[:of_y])
    assert left_halfway.count(b"[0.5, 0.2]") == 1
    LAYOUT.write_bytes(left_halfway.replace(b"[0.5, 0.2]", b"[0.5, 0.3]"))
    with pytest.raises(UserError, match=r"s\.journal is no journal of Optuna's, or is damaged \(ValueError: "):
        SweepStudy.join(SweepLayout(LAYOUT)).take("w", 3)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (b'"hyperband":', b'"hyperbend":', "KeyError: 'hyperband'"),
        (b'"op_code":4', b'"op_code":99', "Error: "),
        (b'"round":20', b'"round":"x"', "ValueError: invalid literal for int"),
        (b'"op_code":4', b'"op_code":' + b"[" * 5000, "Error: "),
    ],
    ids=["key", "kind", "number", "nested"],
)
def test_what_is_wrong_in_a_journal_is_told_in_short(before: bytes, after: bytes, told: str) -> None:
    whole = _journal(parameters=SPACE, early_terminate=HYPERBAND)
    assert before in whole
    LAYOUT.write_bytes(whole.replace(before, after))
    with pytest.raises(UserError, match=r"s\.journal is no journal of Optuna's, or is damaged \(") as raised:
        SweepStudy.join(SweepLayout(LAYOUT))
    assert told in str(raised.value)
    check_told(raised.value)
