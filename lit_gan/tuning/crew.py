"""The workers that one command starts: watched, replaced when they are killed, and stopped together."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress

from lit_gan.errors import DONE, INTERRUPTED, PREEMPTED, TERMINATED, USER_ERROR, RunError, UserError
from lit_gan.runs.shown_path import shown
from lit_gan.tuning.journal import told_of_the_disk
from lit_gan.tuning.presence import new_worker
from lit_gan.tuning.sweep_layout import SweepLayout

# A machine that has too little memory would kill worker after worker.
_KILLED_IN_A_ROW = 5
_LOOK_SECONDS = 0.1
# What a worker was told that ends with one of these.
_SIGNALS = {INTERRUPTED: signal.SIGINT, TERMINATED: signal.SIGTERM, PREEMPTED: signal.SIGUSR1}


class _Member:
    """One worker's process.

    Args:
        layout: Where everything is.
        total: How many trials the sweep has.
        devices: CUDA_VISIBLE_DEVICES of its trials; None: as it is.
    """

    def __init__(self, layout: SweepLayout, total: int, devices: str | None) -> None:
        self.name = new_worker()
        self.devices = devices
        self.err = layout.workers / f"{self.name}.err"
        environ = dict(os.environ) if devices is None else {**os.environ, "CUDA_VISIBLE_DEVICES": devices}
        with told_of_the_disk(layout.workers), self.err.open("wb") as err:
            self.process = subprocess.Popen(  # noqa: S603 -- this very package
                [sys.executable, "-m", "lit_gan.tuning", str(layout.journal), self.name, str(total), str(os.getpid())],
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=err,
                stderr=err,
                process_group=0,  # Ctrl-C in the terminal is the command's, which hands it on once
            )

    @property
    def last_line(self) -> str:
        """The last line that it printed."""
        lines = self.err.read_text(errors="replace").splitlines()
        return lines[-1].strip() if lines else f"exit code {self.process.returncode}"

    def send(self, number: int) -> None:
        """Hands a signal on, if it still runs."""
        with suppress(ProcessLookupError):
            self.process.send_signal(number)

    def forget(self) -> None:
        """Removes what it printed, and the signs of life that it could not take away itself."""
        for suffix in ("err", "lock", "json"):
            self.err.with_suffix(f".{suffix}").unlink(missing_ok=True)


class Crew:
    """The workers of one `lit-gan sweep`.

    Args:
        layout: Where everything is.
        total: How many trials the sweep has.
        devices: For each worker, the GPUs of its trials (:func:`lit_gan.tuning.devices.shares_of_devices`).
    """

    def __init__(self, layout: SweepLayout, total: int, devices: Sequence[str | None]) -> None:
        self._layout = layout
        self._total = total
        self._killed = self._ended = 0  # workers since the last trial that ended, and how many had ended then
        self._stopping = False
        self.code = DONE
        self.requeue = False  # whether Slurm is to be asked to start this again
        self.members = [_Member(layout, total, share) for share in devices]
        self.notes: list[str] = []

    def look(self, ended: int) -> bool:
        """Sees which workers have ended, and replaces those that were killed.

        Args:
            ended: How many trials have ended so far: progress, which forgives a killed worker.

        Returns:
            Whether any works on.

        Raises:
            UserError: What a worker said of the sweep.
            RunError: When workers end as they should not.
        """
        if ended > self._ended:
            self._killed = 0
        for member in list(self.members):
            code = member.process.poll()
            if code is not None:
                self.members.remove(member)
                self._heed(member, code, ended)
        return bool(self.members)

    def stop(self, number: signal.Signals) -> None:
        """Hands a signal on to all workers.

        Args:
            number: SIGINT, SIGTERM or SIGUSR1.
        """
        self._stopping = True
        self.code = INTERRUPTED if number == signal.SIGINT else PREEMPTED
        self.requeue |= number == signal.SIGUSR1  # SIGTERM may be `scancel`
        self._send(number)

    def close(self, asked: list[signal.Signals]) -> None:
        """Stops what still runs, in good order, and waits for it.

        Args:
            asked: The signals that this command gets meanwhile; each is taken out and handed on.
        """
        self._send(signal.SIGTERM)
        while self._forget_ended():
            if asked:  # one at a time: two of a kind that come together are one for who gets them
                self._send(asked.pop(0))
            time.sleep(_LOOK_SECONDS)

    def _forget_ended(self) -> bool:
        """Whether any runs on; what those say that do not is of no interest any more."""
        for member in list(self.members):
            if member.process.poll() is not None:
                self.members.remove(member)
                member.forget()
        return bool(self.members)

    def _send(self, number: signal.Signals) -> None:
        for member in self.members:
            member.send(number)

    def _heed(self, member: _Member, code: int, ended: int) -> None:
        line = member.last_line
        if code > 0 and code != USER_ERROR and code not in _SIGNALS:  # nothing that it should end with
            raise RunError(f"worker {member.name} ended with exit code {code}: {line} (see {shown(member.err)}).")
        member.forget()
        if code == USER_ERROR:
            raise UserError(line)
        if code in _SIGNALS:  # it, or a trial of its own, was told to stop, and the others go with it
            if not self._stopping:
                self.stop(_SIGNALS[code])
        elif code < 0 and not self._stopping:
            self._replace(member, -code, ended)

    def _replace(self, member: _Member, number: int, ended: int) -> None:
        self._killed, self._ended = self._killed + 1, ended
        if self._killed >= _KILLED_IN_A_ROW:
            raise RunError(
                f"{self._killed} workers were killed one after the other, the last by {signal.Signals(number).name} "
                "(too little memory?). No trial is lost: the same command goes on."
            )
        self.members.append(_Member(self._layout, self._total, member.devices))
        self.notes.append(f"worker {member.name} was killed: another one takes up its trial")
