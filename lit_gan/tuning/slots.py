"""The slots of a sweep: one loop takes trials, runs as many at a time as there are slots, and tells how they ended."""

import math
import os
import signal
import socket
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass

from optuna.trial import TrialState

from lit_gan.errors import DISK_FULL, DONE, INTERRUPTED, PREEMPTED, USER_ERROR, UserError
from lit_gan.launch.ranks import fresh_id
from lit_gan.runs.atomic_write import write_atomically
from lit_gan.runs.heartbeat import BEAT_SECONDS
from lit_gan.runs.record import RunRecord
from lit_gan.runs.relative_path import relative_to_cwd
from lit_gan.tuning.command import json_of, trial_command
from lit_gan.tuning.journal import os_errors_as_user_errors
from lit_gan.tuning.logged_values import TrialRun
from lit_gan.tuning.study import SweepStudy, Trial
from lit_gan.tuning.trial_environment import trial_environment
from lit_gan.tuning.trial_process import TrialProcess

_LOOK_SECONDS = 0.25
_HOPELESS = 3  # so many failures, and nothing else: every other trial would fail as well


@dataclass
class _RunningTrial:
    """A trial in a slot, and what the journal has of it."""

    trial: Trial
    run: TrialRun
    process: TrialProcess
    devices: str | None
    reported: int
    pruned: bool = False


class Slots:
    """The trials of one command, a slot for each share of GPUs; other commands and machines may work on the journal."""

    def __init__(self, study: SweepStudy, total: int, devices: Sequence[str | None]) -> None:
        self.name = f"{socket.gethostname().partition('.')[0]}-{os.getpid()}-{fresh_id()[-4:]}"
        self._study, self._total = study, total
        self._free = list(devices)
        self._running: list[_RunningTrial] = []
        self._asked: signal.Signals | None = None
        self._interruptions = 0
        self._record, self._next_beat = RunRecord.first({}), 0.0

    @property
    def are_busy(self) -> bool:
        """Whether any trial runs here."""
        return bool(self._running)

    @property
    def code(self) -> int:
        """0 as long as nobody has asked to stop, then 130 (interrupted) or 75 (preempted)."""
        return DONE if self._asked is None else INTERRUPTED if self._asked == signal.SIGINT else PREEMPTED

    @property
    def requeue(self) -> bool:
        """Whether Slurm is to be asked to start this again: not after SIGTERM, which may be `scancel`."""
        return self._asked == signal.SIGUSR1

    def ask(self, number: signal.Signals) -> None:
        """Has the trials stop at the end of a round; a second SIGINT, whatever comes between, ends them at once."""
        self._interruptions += number == signal.SIGINT
        # Being queued again is the stronger wish: SIGUSR1 is followed by SIGTERM when the time is over.
        if self._asked != signal.SIGUSR1:
            self._asked = number

    def turn(self) -> bool:
        """Looks at every trial, fills the free slots, and waits a moment; False when there is nothing left to do.

        When the sweep cannot go on (``UserError``), what has ended is kept, and what has not can be gone on with.
        """
        self._beat()
        for running in list(self._running):
            self._look_at(running)
        while self._free and self._asked is None and (trial := self._study.take(self.name, self._total)) is not None:
            self._begin(trial)
        # Others may yet leave a trial that runs with them.
        if not self._running and (self._asked is not None or self._study.is_over(self._total)):
            return False
        time.sleep(_LOOK_SECONDS)
        return True

    def close(self) -> None:
        """Stops what still runs, in good order, and waits for it; an error that it meets here is one too many."""
        if self._running and self._asked is None:
            self._asked = signal.SIGTERM
        while self._running:
            with suppress(UserError):
                self._beat()
            for running in list(self._running):
                with suppress(UserError):
                    self._look_at(running)
            time.sleep(_LOOK_SECONDS)
        self._study.layout.record(self.name).unlink(missing_ok=True)

    def _beat(self) -> None:
        """For the commands of machines that cannot see this one's locks."""
        if time.monotonic() >= self._next_beat:
            self._record = self._record.beaten()
            with os_errors_as_user_errors(self._study.layout.workers):
                self._record.write(self._study.layout.record(self.name))
            self._next_beat = time.monotonic() + BEAT_SECONDS

    # -- One trial --------------------------------------------------------------------------------------------------

    def _begin(self, trial: Trial) -> None:
        """Starts a trial, unless the command that had it before left no more than its end to be told."""
        run = TrialRun(trial.run_id)
        with ExitStack() as at_the_end:
            at_the_end.callback(trial.lock.release)
            if run.status == "finished":
                self._complete(trial, run)
            elif trial.pruned:
                self._study.prune(trial.number)
            else:
                process = self._start(trial, self._free[0])
                self._running.append(_RunningTrial(trial, run, process, self._free.pop(0), trial.values))
                at_the_end.pop_all()

    def _start(self, trial: Trial, devices: str | None) -> TrialProcess:
        layout, sweep = self._study.layout, self._study.sweep
        arguments = layout.arguments(trial.number)
        command = trial_command(sweep.command, sweep.program, trial.parameters, arguments)
        with os_errors_as_user_errors(layout.workers):
            if "${args_json_file}" in sweep.command:
                write_atomically(arguments, json_of(trial.parameters))
            return TrialProcess(
                command,
                trial_environment(os.environ, sweep.name, trial.run_id, devices),
                out=layout.output(trial.number),
                err=layout.errors(trial.number),
                lock=trial.lock,
            )

    def _look_at(self, running: _RunningTrial) -> None:
        code = running.process.poll()
        if code is None:
            self._steer(running)
            return
        self._running.remove(running)
        try:
            if not running.pruned:
                self._report(running)
            self._conclude(running, code)
        finally:
            self._free.append(running.devices)
            running.trial.lock.release()

    def _steer(self, running: _RunningTrial) -> None:
        """Reports what a trial has logged, and stops it where it is bad or all are to stop."""
        if self._interruptions > 1:
            running.process.kill()
        elif self._asked is not None:
            running.process.stop(signal.SIGUSR1 if self.requeue else signal.SIGTERM)
        elif not running.pruned and running.run.has_changed() and self._report(running):
            running.process.stop(signal.SIGTERM)

    def _report(self, running: _RunningTrial) -> bool:
        """Tells the journal what is new; whether a value is bad enough to stop the trial, which ends the report."""
        number, values = running.trial.number, running.run.values(self._study.sweep.metric)
        for logged in values[running.reported :]:
            running.reported += 1
            if self._study.report(number, running.reported, logged.rounds, logged.value):
                self._study.mark_pruned(number)
                running.pruned = True
                return True
        return False

    def _conclude(self, running: _RunningTrial, code: int) -> None:
        """Tells the journal how a trial ended."""
        study, trial, run, process = self._study, running.trial, running.run, running.process
        status, stopped = run.status, self._asked is not None
        # A program that keeps no record of its own has finished where it ends well and nobody has stopped it.
        undisturbed = status is None and code == DONE and not running.pruned and not stopped
        if status == "finished" or undisturbed:
            self._complete(trial, run)
        elif running.pruned:
            study.prune(trial.number)
        elif stopped:
            study.give_back(trial.number)
        elif status == "stopped" and code == DONE:  # by somebody else: on its page at W&B, or by its process
            study.prune(trial.number)
        elif code in (PREEMPTED, INTERRUPTED, -signal.SIGINT):  # it was told itself, and the others go with it
            study.give_back(trial.number)
            self._asked = signal.SIGUSR1 if code == PREEMPTED else signal.SIGINT
        elif code == DISK_FULL:
            study.give_back(trial.number)
            raise UserError(f"trial {trial.number} is left as it is: {_error_line(process)} ({self._where(trial)}).")
        elif code in (DONE, USER_ERROR) and run.is_written:  # by another machine, which was believed to be lost
            study.give_back(trial.number)
        elif code == USER_ERROR:
            self._refused(trial, _error_line(process))
        else:
            self._fail(trial, _error_line(process) or _ending(code))

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

    def _refused(self, trial: Trial, error: str) -> None:
        """Ends the sweep where its command is wrong, and no more than the trial where its command has worked."""
        if any(other.state in (TrialState.COMPLETE, TrialState.PRUNED) for other in self._study.trials()):
            self._study.fail(trial.number, f"refused: {error}")
            return
        self._study.give_back(trial.number)
        raise UserError(f"trial {trial.number} was refused: {error} ({self._where(trial)}).")

    def _fail(self, trial: Trial, error: str) -> None:
        self._study.fail(trial.number, error)
        ended = [other.state for other in self._study.trials() if other.state.is_finished()]
        if len(ended) >= _HOPELESS and set(ended) == {TrialState.FAIL}:
            raise UserError(
                f"the first {len(ended)} trials failed, the last of them with: {error} ({self._where(trial)}). Mend "
                "the command, and begin anew with another --storage."
            )

    def _where(self, trial: Trial) -> str:
        return f"what it printed is in {relative_to_cwd(self._study.layout.errors(trial.number))}"


def _error_line(process: TrialProcess) -> str:
    return process.last_line_of_errors().removeprefix("lit-gan: error: ").removeprefix("lit-gan: failed: ").rstrip(".")


def _ending(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _logged(run: TrialRun) -> str:
    if run.folder is None:
        return "it left no run folder under runs/ with the name in WANDB_RUN_ID"
    names = run.names()
    return f"it logs {', '.join(names)}" if names else f"there is nothing in {relative_to_cwd(run.folder)}/metrics.csv"
