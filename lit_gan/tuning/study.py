"""The study of a sweep: what its journal says, who takes which trial, and how trials end."""

import dataclasses
import math
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from lit_gan.errors import UserError
from lit_gan.launch.ranks import fresh_id
from lit_gan.runs.lock import RunLock
from lit_gan.runs.record import read_record
from lit_gan.runs.relative_path import relative_to_cwd
from lit_gan.tuning.journal import damage_as_user_errors, open_journal, os_errors_as_user_errors
from lit_gan.tuning.logged_values import TrialRun
from lit_gan.tuning.sampling import pruner_for, sampler_for
from lit_gan.tuning.search_space import search_space, suggest
from lit_gan.tuning.sweep_file import Hyperband, Sweep
from lit_gan.tuning.sweep_layout import SweepLayout

# The names of what a journal keeps beside Optuna's own.
_SWEEP, _TOKEN = "sweep", "token"  # of the study
_WORKER, _ROUND, _PRUNED, _ERROR = "worker", "round", "pruned", "error"  # of a trial

# What makes two files the same sweep; `run_cap` may be changed between two starts.
_SAME = ("method", "metric", "goal", "parameters", "program", "command")
_PAUSE_SECONDS = 0.05


@dataclass(frozen=True)
class Trial:
    """One trial as the command that has it sees it.

    Args:
        number: From 0.
        run_id: Of its run at W&B, and the name of its run folder; the same however often it is taken up.
        parameters: By the names of the options, in the order of the file.
        values: How many values of the metric the journal has of it.
        pruned: Whether it was told to stop early by a command that did not live to write that down.
        lock: Held from here on, for nobody else to take the trial.
    """

    number: int
    run_id: str
    parameters: dict[str, Any]
    values: int
    pruned: bool
    lock: RunLock = field(compare=False)


class SweepStudy:
    """A sweep's journal."""

    def __init__(self, sweep: Sweep, layout: SweepLayout, storage: BaseStorage, study: Study) -> None:
        self.sweep = sweep
        self.layout = layout
        self._storage = storage
        self._study = study
        self._study_id = storage.get_study_id_from_name(study.study_name)
        self._token = str(study.user_attrs[_TOKEN])
        self._space = search_space(sweep.parameters)

    @classmethod
    def begin(cls, sweep: Sweep, layout: SweepLayout) -> "SweepStudy":
        """Opens the journal of a sweep, or begins one."""
        storage = open_journal(layout.journal)
        with os_errors_as_user_errors(layout.workers):
            layout.workers.mkdir(exist_ok=True)
        with damage_as_user_errors(layout.journal), _locked(layout.claims):
            studies = [study.study_name for study in storage.get_all_studies()]
            if studies and studies != [sweep.name]:
                raise UserError(
                    f"--storage {relative_to_cwd(layout.journal)} is the journal of {', '.join(studies)}, not of "
                    f"{sweep.name}: give another file."
                )
            if studies:
                study = optuna.load_study(study_name=sweep.name, storage=storage, pruner=pruner_for(sweep.hyperband))
            else:
                study = optuna.create_study(
                    study_name=sweep.name, storage=storage, pruner=pruner_for(sweep.hyperband), direction=sweep.goal
                )
            _check_same(sweep, study, layout)
            _check_trials(study)
            return cls(sweep, layout, storage, study)

    @classmethod
    def join(cls, layout: SweepLayout) -> "SweepStudy":
        """The study of a journal that has been begun, as its file was then."""
        storage = open_journal(layout.journal)
        with damage_as_user_errors(layout.journal):
            [name] = [study.study_name for study in storage.get_all_studies()]
            study = optuna.load_study(study_name=name, storage=storage)
            sweep = _sweep_of(study)
            study.pruner = pruner_for(sweep.hyperband)
            _check_trials(study)
            return cls(sweep, layout, storage, study)

    @property
    def study(self) -> Study:
        """Optuna's own view, for what only looks."""
        return self._study

    # -- Looking ----------------------------------------------------------------------------------------------------

    def trials(self) -> list[FrozenTrial]:
        """All trials so far."""
        return self._study.get_trials(deepcopy=False)

    def is_over(self, total: int) -> bool:
        """Whether so many trials have ended."""
        return sum(trial.state.is_finished() for trial in self.trials()) >= total

    def best(self) -> FrozenTrial | None:
        """The best of the trials that ran to their end; None if there is none."""
        complete = [trial for trial in self.trials() if trial.state == TrialState.COMPLETE]
        sign = 1 if self.sweep.goal == "minimize" else -1
        return min(complete, key=lambda trial: sign * (trial.value or 0.0), default=None)

    def run_id(self, number: int) -> str:
        """The id of a trial's run."""
        return f"{self.sweep.word}-{self._token}-{number:03d}"

    # -- Taking -----------------------------------------------------------------------------------------------------

    def take(self, owner: str, total: int) -> Trial | None:
        """Takes a trial: one that was left by the command that had it, else a new one; None if others have the rest.

        A trial that was left stays the trial that it was: the same number, parameters, values and run. So nothing has
        to be moved over, and what a command that is killed here leaves half done is simply done again by the next.
        """
        with damage_as_user_errors(self.layout.journal), _locked(self.layout.claims):
            trials = self.trials()
            for trial in trials:
                if trial.state == TrialState.RUNNING and self._is_left(trial):
                    return self._claim(self._id_of(trial.number), owner)
            if len(trials) >= total:
                return None
            return self._claim(self._storage.create_new_trial(self._study_id), owner)

    def _is_left(self, trial: FrozenTrial) -> bool:
        held = RunLock(self.layout.lock(trial.number)).is_held()
        if held:
            return False
        owner = worker_of(trial)
        record = read_record(self.layout.record(owner)) if owner else None
        if record is not None and record.beats(locks_work=held is not None):  # on a machine whose locks cannot be seen
            return False
        # The run has a heartbeat of its own, which may be younger than the command's when their machine is lost.
        return not TrialRun(self.run_id(trial.number)).is_written

    def _claim(self, trial_id: int, owner: str) -> Trial:
        number = self._storage.get_trial_number_from_id(trial_id)
        lock = RunLock(self.layout.lock(number))
        with ExitStack() as unless_claimed:
            with os_errors_as_user_errors(lock.path):
                lock.acquire()
            unless_claimed.callback(lock.release)
            self._storage.set_trial_user_attr(trial_id, _WORKER, owner)
            trial = self._with_parameters(trial_id, number, lock)
            unless_claimed.pop_all()
        return trial

    def _with_parameters(self, trial_id: int, number: int, lock: RunLock) -> Trial:
        frozen = self._storage.get_trial(trial_id)
        if set(frozen.params) != set(self._space):  # new, or left before it had all its parameters
            self._study.sampler = sampler_for(self.sweep, number)
            asked = optuna.Trial(self._study, trial_id)
            for place, (name, distribution) in enumerate(self._space.items()):
                self._study.sampler = sampler_for(self.sweep, number, place)
                suggest(asked, name, distribution)
        frozen = self._storage.get_trial(trial_id)
        return Trial(
            number=number,
            run_id=self.run_id(number),
            parameters={name: frozen.params[name] for name in self._space},
            values=len(frozen.intermediate_values),
            pruned=bool(frozen.user_attrs.get(_PRUNED)),
            lock=lock,
        )

    # -- Telling ----------------------------------------------------------------------------------------------------

    def report(self, number: int, index: int, rounds: int, value: float) -> bool:
        """Writes down a trial's ``index``-th value (W&B's hyperband counts them); whether it is bad enough to stop."""
        trial_id = self._id_of(number)
        self._storage.set_trial_user_attr(trial_id, _ROUND, rounds)
        self._storage.set_trial_intermediate_value(trial_id, index, value)
        end = self.sweep.hyperband.end if self.sweep.hyperband else None
        if end is not None and index >= end:
            return False
        return self._study.pruner.prune(self._study, self._storage.get_trial(trial_id))

    def mark_pruned(self, number: int) -> None:
        """Writes down that a trial is stopped early, before it is told: should this command not live to see it end."""
        self._storage.set_trial_user_attr(self._id_of(number), _PRUNED, True)

    def complete(self, number: int, value: float) -> None:
        """Ends a trial that ran to its end."""
        self._study.tell(number, value)

    def prune(self, number: int) -> None:
        """Ends a trial that was stopped early."""
        self._study.tell(number, state=TrialState.PRUNED)

    def fail(self, number: int, error: str) -> None:
        """Ends a trial that failed."""
        self._storage.set_trial_user_attr(self._id_of(number), _ERROR, error)
        self._study.tell(number, state=TrialState.FAIL)

    def give_back(self, number: int) -> None:
        """Leaves a trial to whoever comes next."""
        self._storage.set_trial_user_attr(self._id_of(number), _WORKER, "")

    def _id_of(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)


def worker_of(trial: FrozenTrial) -> str:
    """The command that has, or had, a trial; "" if it was given back."""
    return str(trial.user_attrs.get(_WORKER, ""))


def rounds_of(trial: FrozenTrial) -> int:
    """The round of a trial's last value."""
    return int(trial.user_attrs.get(_ROUND, 0))


def error_of(trial: FrozenTrial) -> str:
    """Why a trial failed; "" if it did not."""
    return str(trial.user_attrs.get(_ERROR, ""))


def current_value(trial: FrozenTrial) -> float:
    """The last value of a trial; NaN if there is none."""
    if trial.value is not None:
        return trial.value
    return trial.intermediate_values[trial.last_step] if trial.last_step is not None else math.nan


def _check_same(sweep: Sweep, study: Study, layout: SweepLayout) -> None:
    """Keeps what the file says with a new study, and compares it with what an old one was begun with."""
    kept = study.user_attrs.get(_SWEEP)
    content = _plain(sweep)
    differing = [key for key in _SAME if kept is not None and kept[key] != content[key]]
    # The trials so far were compared at the old numbers of values, and Optuna would take these for the new ones. One
    # that never had any may have them now.
    if kept is not None and kept["hyperband"] not in (None, content["hyperband"]) and study.get_trials(deepcopy=False):
        differing.append("early_terminate")
    if differing:
        raise UserError(
            f"--storage {relative_to_cwd(layout.journal)} was begun with other {' and '.join(differing)} in "
            f"{sweep.name}: its trials cannot be compared; give another file, or put the sweep back as it was."
        )
    if kept != content:
        study.set_user_attr(_SWEEP, content)
    if _TOKEN not in study.user_attrs:
        study.set_user_attr(_TOKEN, fresh_id().rpartition("-")[2])


def _check_trials(study: Study) -> None:
    """What later looks take for granted of each trial."""
    for trial in study.get_trials(deepcopy=False):
        numbers = [rounds_of(trial), *trial.intermediate_values, *trial.intermediate_values.values()]
        if not all(isinstance(number, int | float) for number in numbers):
            raise TypeError(f"trial {trial.number} has values that are no numbers")


def _plain(sweep: Sweep) -> dict[str, Any]:
    """As JSON gives it back."""
    return {**dataclasses.asdict(sweep), "command": list(sweep.command)}


def _sweep_of(study: Study) -> Sweep:
    kept = dict(study.user_attrs[_SWEEP])
    hyperband = None if kept["hyperband"] is None else Hyperband(**kept["hyperband"])
    return Sweep(**{**kept, "command": tuple(kept["command"]), "hyperband": hyperband})


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Waits for the lock of claims; the kernel frees that of a killed command."""
    lock = RunLock(path)
    with os_errors_as_user_errors(path):
        while not lock.acquire():
            time.sleep(_PAUSE_SECONDS)
    try:
        yield
    finally:
        lock.release()
