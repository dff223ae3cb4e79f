"""The ranks of a job on this machine, under torchrun, with the exit code that they ended with."""

import logging
import signal
import sys
from collections.abc import Callable, Sequence

from torch.distributed.elastic.multiprocessing import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import parse_args, run

_DONE, _FAILED = 0, 1
# SIGUSR1 beside torchrun's own: it is passed on to the ranks, which save themselves, instead of ending torchrun alone.
_SIGNALS = "SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1"


def run_ranks(arguments: Sequence[str], processes: int, stopped: Callable[[], int | None]) -> int:
    """Runs one command of `lit-gan` on several ranks.

    torchrun itself makes 1 of every exit code but 0, and of every signal.

    Args:
        arguments: What follows `lit-gan`.
        processes: How many ranks.
        stopped: Asked when the ranks have ended by a signal: the exit code of a run that could save itself, or None.

    Returns:
        The exit code of the rank that was the first to end with another one than 0; 128 and the number of the signal,
        as a shell has it, where a signal ended the ranks otherwise.
    """
    # Tells of every failed rank over many lines; the ranks have told it themselves.
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    options = ["--standalone", f"--nproc-per-node={processes}", f"--signals-to-handle={_SIGNALS}"]
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        run(parse_args([*options, "-m", "lit_gan", *arguments]))  # type: ignore[no-untyped-call]  # torch has no types
    except ChildFailedError as failure:
        _, first = failure.get_first_failure()
        return first.exitcode if first.exitcode > 0 else _FAILED
    except SignalException as stop:
        code = stopped()
        return 128 + signal.Signals(stop.sigval).value if code is None else code
    return _DONE
