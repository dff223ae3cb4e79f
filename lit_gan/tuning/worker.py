"""A worker of a sweep: takes a trial, runs it, reports its values, tells how it ended, and takes the next."""

import math
import os
import signal
import time
from functools import partial
from types import FrameType

from optuna.trial import TrialState

from lit_gan.errors import DISK_FULL, DONE, INTERRUPTED, PREEMPTED, TERMINATED, USER_ERROR, UserError
from lit_gan.runs.atomic_write import write_atomically
from lit_gan.runs.shown_path import shown
from lit_gan.tuning.command import json_of, trial_command
from lit_gan.tuning.journal import told_of_the_disk
from lit_gan.tuning.logged_values import TrialRun
from lit_gan.tuning.presence import Presence, is_alive
from lit_gan.tuning.study import SweepStudy, Trial
from lit_gan.tuning.trial_environment import trial_environment
from lit_gan.tuning.trial_process import TrialProcess

_LOOK_SECONDS = 0.25
_IDLE_SECONDS = 0.5
_HOPELESS = 3  # so many failures, and nothing else: every other trial would fail as well
_EXIT_CODES = {signal.SIGINT: INTERRUPTED, signal.SIGTERM: TERMINATED, signal.SIGUSR1: PREEMPTED}


class Worker:
    """One worker, which ends when all trials are over, when it is told to, or when something is wrong with the sweep.

    Args:
        study: The journal.
        name: Of this worker.
        total: How many trials the sweep has.
        starter: The process that started it, which may be gone before this one has imported anything; None: whichever
            has it now.
    """

    def __init__(self, study: SweepStudy, name: str, total: int, starter: int | None = None) -> None:
        self._study = study
        self._name = name
        self._total = total
        self._presence = Presence(study.layout.workers, name)
        self._is_alive = partial(is_alive, study.layout.workers)
        self._starter = os.getppid() if starter is None else starter
        self._asked: signal.Signals | None = None
        self._interruptions = 0

    def run(self) -> int:
        """Works until there is nothing left to do.

        Returns:
            0 when all trials are over, 75 after SIGUSR1, 143 after SIGTERM, 130 interrupted.

        Raises:
            UserError: When the sweep cannot go on: its first trial is refused, its metric is never logged, its
                first trials all fail, or the disk is full. What has ended is kept, and what has not is left to be gone
                on with.
        """
        for number in _EXIT_CODES:
            signal.signal(number, self._heed)
        with told_of_the_disk(self._study.layout.workers):
            self._presence.begin()
        try:
            while self._stop_asked is None:
                trial = self._study.take(self._name, self._total, self._is_alive)
                if trial is not None:
                    self._work_on(trial)
                elif self._study.is_over(self._total):
                    return DONE
                else:  # somebody else may yet leave one
                    self._beat()
                    time.sleep(_IDLE_SECONDS)
            return _EXIT_CODES[self._stop_asked]
        finally:
            self._presence.end()

    # -- Signals ----------------------------------------------------------------------------------------------------

    def _heed(self, number: int, frame: FrameType | None) -> None:
        self._interruptions += number == signal.SIGINT
        # Being queued again is the stronger wish: SIGUSR1 is followed by SIGTERM when the time is over.
        if self._asked != signal.SIGUSR1:
            self._asked = signal.Signals(number)

    @property
    def _at_once(self) -> bool:
        """Whether the trial is not to be waited for: after the second Ctrl-C, whatever came before or between."""
        return self._interruptions > 1

    @property
    def _stop_asked(self) -> signal.Signals | None:
        """The signal by which this worker is to stop; SIGTERM, too, when the command that started it is gone."""
        if self._asked is None and os.getppid() != self._starter:
            self._asked = signal.SIGTERM
        return self._asked

    def _beat(self) -> None:
        with told_of_the_disk(self._study.layout.workers):
            self._presence.beat()

    # -- One trial --------------------------------------------------------------------------------------------------

    def _work_on(self, trial: Trial) -> None:
        """Runs a trial, unless the worker that had it before left no more than its end to be told."""
        run = TrialRun(trial.run_id)
        if trial.pruned and run.status != "finished":
            self._study.prune(trial.number)
        elif run.status == "finished":
            self._complete(trial, run)
        else:
            self._run(trial, run)

    def _run(self, trial: Trial, run: TrialRun) -> None:
        process = self._start(trial)
        try:
            reported, pruned = trial.values, False
            while (code := process.wait(_LOOK_SECONDS)) is None:
                self._beat()
                stop = self._stop_asked
                if self._at_once:
                    process.kill()
                elif stop is not None:
                    process.stop(signal.SIGUSR1 if stop == signal.SIGUSR1 else signal.SIGTERM)
                elif not pruned and run.has_changed():
                    reported, pruned = self._report(trial, run, reported)
                    if pruned:
                        process.stop(signal.SIGTERM)
            if not pruned:
                self._report(trial, run, reported)
        except BaseException:  # nothing can be written down any more: the trial is left as the next worker finds it
            self._end(process)
            raise
        self._conclude(trial, run, process, code, pruned)

    def _end(self, process: TrialProcess) -> None:
        """Stops a trial in good order, when this worker has to leave."""
        process.stop(signal.SIGTERM)
        while process.wait(_LOOK_SECONDS) is None:
            if self._at_once:
                process.kill()

    def _start(self, trial: Trial) -> TrialProcess:
        layout, sweep = self._study.layout, self._study.sweep
        arguments = layout.arguments(trial.number)
        command = trial_command(sweep.command, sweep.program, trial.parameters, arguments)
        with told_of_the_disk(layout.workers):
            if "${args_json_file}" in sweep.command:
                write_atomically(arguments, json_of(trial.parameters))
            return TrialProcess(
                command,
                trial_environment(os.environ, sweep.name, trial.run_id),
                out=layout.output(trial.number),
                err=layout.errors(trial.number),
                lock=layout.process_lock(trial.number),
            )

    def _report(self, trial: Trial, run: TrialRun, reported: int) -> tuple[int, bool]:
        """Tells the journal what is new; how many values it has now, and whether the trial is to stop."""
        values = run.values(self._study.sweep.metric)
        for index, logged in enumerate(values[reported:], reported + 1):
            if self._study.report(trial.number, index, logged.rounds, logged.value):
                self._study.mark_pruned(trial.number)
                return index, True
        return max(reported, len(values)), False

    def _conclude(self, trial: Trial, run: TrialRun, process: TrialProcess, code: int, pruned: bool) -> None:
        """Tells the journal how a trial ended."""
        study, status = self._study, run.status
        # A program that keeps no record of its own has finished where it ends well and nobody has stopped it.
        undisturbed = status is None and code == DONE and not pruned and self._stop_asked is None
        if status == "finished" or undisturbed:
            self._complete(trial, run)
        elif pruned:
            study.prune(trial.number)
        elif self._stop_asked is not None:
            study.give_back(trial.number)
        elif status == "stopped" and code == DONE:  # by somebody else: on its page at W&B, or by its process
            study.prune(trial.number)
        elif code in (PREEMPTED, INTERRUPTED, -signal.SIGINT):
            study.give_back(trial.number)
            self._asked = signal.SIGUSR1 if code == PREEMPTED else signal.SIGINT
        elif code == DISK_FULL:
            study.give_back(trial.number)
            raise UserError(f"trial {trial.number} is left as it is: {_told(process)} ({self._where(trial)}).")
        elif code in (DONE, USER_ERROR) and run.is_written:  # by another machine, which was believed to be lost
            study.give_back(trial.number)
        elif code == USER_ERROR:
            self._refused(trial, _told(process))
        else:
            self._fail(trial, _told(process) or _ending(code))

    def _complete(self, trial: Trial, run: TrialRun) -> None:
        metric = self._study.sweep.metric
        values = run.values(metric)
        if not values:
            self._study.give_back(trial.number)
            raise UserError(f"metric: trial {trial.number} never logged {metric}; {_logged(run)}.")
        last = values[-1].value
        if math.isfinite(last):
            self._study.complete(trial.number, last)
        else:  # minus infinity would be the best of all
            self._fail(trial, f"its last {metric} is {'NaN' if math.isnan(last) else last}")

    def _refused(self, trial: Trial, told: str) -> None:
        """Ends the sweep where its command is wrong, and no more than the trial where its command has worked."""
        if any(other.state in (TrialState.COMPLETE, TrialState.PRUNED) for other in self._study.trials()):
            self._study.fail(trial.number, f"refused: {told}")
            return
        self._study.give_back(trial.number)
        raise UserError(f"trial {trial.number} was refused: {told} ({self._where(trial)}).")

    def _fail(self, trial: Trial, error: str) -> None:
        self._study.fail(trial.number, error)
        ended = [other.state for other in self._study.trials() if other.state.is_finished()]
        if len(ended) >= _HOPELESS and set(ended) == {TrialState.FAIL}:
            raise UserError(
                f"the first {len(ended)} trials failed, the last of them with: {error} ({self._where(trial)}). Mend "
                "the command, and begin anew with another --storage."
            )

    def _where(self, trial: Trial) -> str:
        return f"what it printed is in {shown(self._study.layout.errors(trial.number))}"


def _told(process: TrialProcess) -> str:
    return process.last_line_of_errors().removeprefix("lit-gan: error: ").removeprefix("lit-gan: failed: ").rstrip(".")


def _ending(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _logged(run: TrialRun) -> str:
    if run.folder is None:
        return "it left no run folder under runs/ with the name in WANDB_RUN_ID"
    names = run.names()
    return f"it logs {', '.join(names)}" if names else f"there is nothing in {shown(run.folder)}/metrics.csv"
