"""The study of a sweep: what its journal says, who takes which trial, and how trials end."""

import dataclasses
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from lit_gan.errors import UserError
from lit_gan.launch.ranks import fresh_id
from lit_gan.runs.lock import RunLock
from lit_gan.runs.shown_path import shown
from lit_gan.tuning.journal import open_journal, told_of_the_disk
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
    """One trial as the worker that has it sees it.

    Args:
        number: From 0.
        run_id: Of its run at W&B, and the name of its run folder; the same however often it is taken up.
        parameters: By the names of the options, in the order of the file.
        values: How many values of the metric the journal has of it.
        pruned: Whether it was told to stop early by a worker that did not live to write that down.
    """

    number: int
    run_id: str
    parameters: dict[str, Any]
    values: int
    pruned: bool


class SweepStudy:
    """A sweep's journal.

    Args:
        sweep: What the sweep's file says.
        layout: Where everything is.
        storage: The open journal.
        study: The one study in it.
    """

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
        """Opens the journal of a sweep, or begins one.

        Args:
            sweep: What the sweep's file says.
            layout: Where everything is.

        Raises:
            UserError: When the journal is that of another sweep, is none, or cannot be written.
        """
        storage = open_journal(layout.journal)
        with told_of_the_disk(layout.workers):
            layout.workers.mkdir(exist_ok=True)
        with _locked(layout.claims):
            studies = [study.study_name for study in storage.get_all_studies()]
            if studies and studies != [sweep.name]:
                raise UserError(
                    f"--storage {shown(layout.journal)} is the journal of {', '.join(studies)}, not of {sweep.name}: "
                    "give another file."
                )
            if studies:
                study = optuna.load_study(study_name=sweep.name, storage=storage, pruner=pruner_for(sweep.hyperband))
            else:
                study = optuna.create_study(
                    study_name=sweep.name, storage=storage, pruner=pruner_for(sweep.hyperband), direction=sweep.goal
                )
            _check_same(sweep, study, layout)
        return cls(sweep, layout, storage, study)

    @classmethod
    def join(cls, layout: SweepLayout) -> "SweepStudy":
        """The study of a journal that has been begun, as its file was then; for the workers.

        Args:
            layout: Where everything is.
        """
        storage = open_journal(layout.journal)
        [name] = [study.study_name for study in storage.get_all_studies()]
        study = optuna.load_study(study_name=name, storage=storage)
        sweep = _sweep_of(study)
        study.pruner = pruner_for(sweep.hyperband)
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
        """Whether so many trials have ended.

        Args:
            total: How many the sweep has.
        """
        return sum(trial.state.is_finished() for trial in self.trials()) >= total

    def best(self) -> FrozenTrial | None:
        """The best of the trials that ran to their end; None if there is none."""
        complete = [trial for trial in self.trials() if trial.state == TrialState.COMPLETE]
        sign = 1 if self.sweep.goal == "minimize" else -1
        return min(complete, key=lambda trial: sign * (trial.value or 0.0), default=None)

    def run_id(self, number: int) -> str:
        """The id of a trial's run.

        Args:
            number: Of the trial.
        """
        return f"{self.sweep.word}-{self._token}-{number:03d}"

    # -- Taking -----------------------------------------------------------------------------------------------------

    def take(self, worker: str, total: int, is_alive: Callable[[str], bool]) -> Trial | None:
        """Takes a trial: one that was left by its worker, or else a new one.

        A trial that was left stays the trial that it was: the same number, parameters, values and run. So nothing has
        to be moved over, and what a worker that is killed here leaves half done is simply done again by the next.

        Args:
            worker: The name of the worker that takes it.
            total: How many trials the sweep has.
            is_alive: Whether a worker lives, by its name.

        Returns:
            None when there is none to be taken: all are over, or in the hands of others.
        """
        with _locked(self.layout.claims):
            trials = self.trials()
            for trial in trials:
                if trial.state == TrialState.RUNNING and self._is_left(trial, is_alive):
                    return self._claim(self._id_of(trial.number), worker)
            if len(trials) >= total:
                return None
            return self._claim(self._storage.create_new_trial(self._study_id), worker)

    def _is_left(self, trial: FrozenTrial, is_alive: Callable[[str], bool]) -> bool:
        owner = trial.user_attrs.get(_WORKER)
        if owner and is_alive(owner):
            return False
        # The process of a killed worker may outlive it for a moment; two must not write one run.
        if RunLock(self.layout.process_lock(trial.number)).is_held():
            return False
        # The run has a heartbeat of its own, which may be younger than the worker's when their machine is lost.
        return not TrialRun(self.run_id(trial.number)).is_written

    def _claim(self, trial_id: int, worker: str) -> Trial:
        self._storage.set_trial_user_attr(trial_id, _WORKER, worker)
        number = self._storage.get_trial_number_from_id(trial_id)
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
        )

    # -- Telling ----------------------------------------------------------------------------------------------------

    def report(self, number: int, index: int, rounds: int, value: float) -> bool:
        """Writes down a value of the metric, and asks whether the trial is to go on.

        Args:
            number: Of the trial.
            index: How many values the trial has logged with this one: what W&B's hyperband counts.
            rounds: The round in which it was logged.
            value: The value.

        Returns:
            Whether the trial is bad enough to be stopped now.
        """
        trial_id = self._id_of(number)
        self._storage.set_trial_user_attr(trial_id, _ROUND, rounds)
        self._storage.set_trial_intermediate_value(trial_id, index, value)
        end = self.sweep.hyperband.end if self.sweep.hyperband else None
        if end is not None and index >= end:
            return False
        return self._study.pruner.prune(self._study, self._storage.get_trial(trial_id))

    def mark_pruned(self, number: int) -> None:
        """Writes down that a trial is stopped early, before it is told: should this worker not live to see it end.

        Args:
            number: Of the trial.
        """
        self._storage.set_trial_user_attr(self._id_of(number), _PRUNED, True)

    def complete(self, number: int, value: float) -> None:
        """Ends a trial that ran to its end.

        Args:
            number: Of the trial.
            value: The last value of the metric.
        """
        self._study.tell(number, value)

    def prune(self, number: int) -> None:
        """Ends a trial that was stopped early.

        Args:
            number: Of the trial.
        """
        self._study.tell(number, state=TrialState.PRUNED)

    def fail(self, number: int, error: str) -> None:
        """Ends a trial that failed.

        Args:
            number: Of the trial.
            error: Why, in one line.
        """
        self._storage.set_trial_user_attr(self._id_of(number), _ERROR, error)
        self._study.tell(number, state=TrialState.FAIL)

    def give_back(self, number: int) -> None:
        """Leaves a trial to whoever comes next.

        Args:
            number: Of the trial.
        """
        self._storage.set_trial_user_attr(self._id_of(number), _WORKER, "")

    def _id_of(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)


def worker_of(trial: FrozenTrial) -> str:
    """The worker that has, or had, a trial; "" if it was given back.

    Args:
        trial: The trial.
    """
    return str(trial.user_attrs.get(_WORKER, ""))


def rounds_of(trial: FrozenTrial) -> int:
    """The round of a trial's last value.

    Args:
        trial: The trial.
    """
    return int(trial.user_attrs.get(_ROUND, 0))


def error_of(trial: FrozenTrial) -> str:
    """Why a trial failed; "" if it did not.

    Args:
        trial: The trial.
    """
    return str(trial.user_attrs.get(_ERROR, ""))


def current_value(trial: FrozenTrial) -> float:
    """The last value of a trial; NaN if there is none.

    Args:
        trial: The trial.
    """
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
            f"--storage {shown(layout.journal)} was begun with other {' and '.join(differing)} in {sweep.name}: its "
            "trials cannot be compared; give another file, or put the sweep back as it was."
        )
    if kept != content:
        study.set_user_attr(_SWEEP, content)
    if _TOKEN not in study.user_attrs:
        study.set_user_attr(_TOKEN, fresh_id().rpartition("-")[2])


def _plain(sweep: Sweep) -> dict[str, Any]:
    """As JSON gives it back."""
    return {**dataclasses.asdict(sweep), "command": list(sweep.command)}


def _sweep_of(study: Study) -> Sweep:
    kept = dict(study.user_attrs[_SWEEP])
    hyperband = None if kept["hyperband"] is None else Hyperband(**kept["hyperband"])
    return Sweep(**{**kept, "command": tuple(kept["command"]), "hyperband": hyperband})


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Waits for the lock of claims; the kernel frees that of a killed worker."""
    lock = RunLock(path)
    with told_of_the_disk(path):
        while not lock.acquire():
            time.sleep(_PAUSE_SECONDS)
    try:
        yield
    finally:
        lock.release()
