"""What asks a run to stop, as a flag: a signal handler runs between any two lines, and must do nothing else."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from lit_gan.errors import RunStopped
from lit_gan.launch.sweep_trial import sweep_of

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)

# What a flag's value means; where ranks differ, the highest counts.
_STOPS = (
    RunStopped("stopped by the tracker"),
    RunStopped("preempted"),
    RunStopped("preempted", requeue=True),
    RunStopped("interrupted"),
)
_TRACKER, _TERMINATED, _REQUEUED, _INTERRUPTED = range(1, len(_STOPS) + 1)


class StopSignals:
    """Heeds Ctrl-C, SIGTERM, SIGUSR1 and the tracker by raising a flag; a second Ctrl-C ends the process at once.

    SIGUSR1 is what a Slurm job asks for before its time is over (``--signal=USR1@90``): the run wants to be queued
    again. SIGTERM comes from a scheduler that takes the machine back, or, inside a trial of a sweep, from its agent.
    SIGUSR2 is SIGTERM by another name, which ``srun`` hands on (``lit_gan.cli.srun``).

    Example:
        >>> signals = StopSignals()
        >>> signals.stop_by_tracker()
        >>> stop_of(signals.flag).reason
        'stopped by the tracker'
    """

    def __init__(self) -> None:
        self.flag = 0
        self._before: dict[signal.Signals, Any] = {}

    @property
    def is_listening(self) -> bool:
        """Whether it has signals that are to be given back."""
        return bool(self._before)

    def listen(self) -> None:
        """Takes the signals; again, where somebody else has taken them meanwhile. Only the main thread can."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in _SIGNALS:
            handler = signal.getsignal(number)
            if handler != self._heed and not (number == signal.SIGINT and self.flag == _INTERRUPTED):
                self._before.setdefault(number, handler)
                signal.signal(number, self._heed)

    def restore(self) -> None:
        """Gives the signals back to who had them; one that somebody else has taken meanwhile is theirs."""
        if threading.current_thread() is threading.main_thread():
            for number, handler in self._before.items():
                now = signal.getsignal(number)
                if now == self._heed or (number == signal.SIGINT and now == signal.SIG_DFL):
                    signal.signal(number, handler)
        self._before = {}

    def stop_by_tracker(self) -> None:
        """Raises the flag for the tracker; from any thread."""
        self.flag = max(self.flag, _TRACKER)

    def _heed(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # the next one is the kernel's to carry out
            if self.flag == _INTERRUPTED:  # this is the next one: after training Lightning has put us back
                os.kill(os.getpid(), signal.SIGINT)
            flag = _INTERRUPTED
            if os.environ.get("LOCAL_RANK", "0") == "0":
                sys.stderr.write("\nlit-gan: stopping at the end of a round; Ctrl-C again quits at once.\n")
        elif number == signal.SIGUSR1:
            flag = _REQUEUED
        else:
            flag = _TRACKER if sweep_of() else _TERMINATED
        self.flag = max(self.flag, flag)


@contextmanager
def stopped_at_once() -> Iterator[None]:
    """Within this context SIGUSR1 ends the work where it stands: an evaluation has nothing to save.

    Otherwise Lightning would answer it in a Slurm job, by a checkpoint and a requeue of its own.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        raise stop_of(_REQUEUED)

    before = signal.signal(signal.SIGUSR1, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR1, before)


def stop_of(flag: float) -> RunStopped:
    """What a raised flag asks for."""
    stop = _STOPS[int(flag) - 1]
    return RunStopped(stop.reason, requeue=stop.requeue)
