"""The exceptions that end a command in one line, and the exit codes that they end it with."""

from typing import Literal

# -- Exit codes, of the command and of the processes that it starts
#: Done, or stopped by the tracker, which has what it wanted.
DONE = 0
#: A failure during a run.
FAILED = 1
#: Something that the user can mend, told in one line.
USER_ERROR = 2
#: A trial that had no room for what it writes (EX_IOERR of sysexits.h), for the `lit-gan sweep` that started it; nobody
#: else sees it.
DISK_FULL = 74
#: Preempted and saved, to be queued again (EX_TEMPFAIL of sysexits.h).
PREEMPTED = 75
#: Stopped by Ctrl-C: 128 + SIGINT, as every shell has it.
INTERRUPTED = 130

#: Who asked a run to stop: Ctrl-C, a scheduler that wants its machine back, the tracker of a sweep, or the time that
#: the command was given.
StopReason = Literal["interrupted", "preempted", "stopped by the tracker", "max_time"]

_EXIT_CODES: dict[StopReason, int] = {
    "interrupted": INTERRUPTED,
    "preempted": PREEMPTED,
    "stopped by the tracker": DONE,
    "max_time": DONE,
}


class UserError(ValueError):
    """Something that the user can mend, told in one message: what was got, what was expected, what to do.

    The command line prints the message on one line and exits with code 2, without a traceback. From Python it is an
    ordinary ``ValueError``.

    Example:
        >>> from lit_gan.errors import UserError
        >>> raise UserError("k = 0: expected at least 1 discriminator step per round.")
        Traceback (most recent call last):
        ...
        lit_gan.errors.UserError: k = 0: expected at least 1 discriminator step per round.
    """


class RunError(RuntimeError):
    """A run that cannot go on, told in one message: where it failed, and what to try.

    The command line prints the message on one line and exits with code 1. A message that begins with ``nan`` marks the
    run as one that is never continued: its weights are lost.
    """


class RunStopped(Exception):  # noqa: N818 -- no error: what was asked for
    """Training was left at the end of a round because somebody asked for it; its checkpoint is written.

    Args:
        reason: Who asked.
        requeue: Whether the scheduler is to be told to start the same job again, which it does not do by itself.

    Example:
        >>> RunStopped("preempted").exit_code
        75
    """

    def __init__(self, reason: StopReason, *, requeue: bool = False) -> None:
        super().__init__(reason)
        self.reason: StopReason = reason
        self.requeue = requeue

    @property
    def exit_code(self) -> int:
        """130 by Ctrl-C, 75 for a preempted run that wants to be queued again, 0 by the tracker and by max_time."""
        return _EXIT_CODES[self.reason]


_LONGEST = 200  # letters


def in_short(text: object) -> str:
    """What a library says of a damaged file, on one line: it may quote all that it has read.

    Example:
        >>> in_short("bad  header"), len(in_short("x" * 5000))
        ('bad header', 203)
    """
    line = " ".join(str(text).split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."
