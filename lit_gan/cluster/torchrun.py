"""The ranks of a job on this machine, under torchrun, with the exit code that they ended with."""

import logging
import signal
import sys
from collections.abc import Callable, Sequence

from torch.distributed.elastic.multiprocessing import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import get_args_parser, parse_args, run

from lit_gan.errors import DONE, FAILED
from lit_gan.functional.torch_seam import let_heartbeats_end_anywhere

# SIGUSR1 beside torchrun's own: it is passed on to the ranks, which save themselves, instead of ending torchrun alone.
_SIGNALS = "SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1"
# From a signal on torchrun gives the ranks 30 s, and then kills them: a validation that is under way may take longer,
# and so may a large checkpoint. A week is no limit.
_PATIENCE = ("--shutdown-timeout", 7 * 24 * 3600)
# Each has a level of its own. They tell of every signal, and of a failed rank over many lines: the ranks have told it.
_LOUD = ("torch.distributed.elastic", "torch.distributed.elastic.agent.server.api")


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
    for name in _LOUD:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    let_heartbeats_end_anywhere()
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        run(parse_args([*torchrun_options(processes), "-m", "lit_gan", *arguments]))  # type: ignore[no-untyped-call]  # torch has no types
    except ChildFailedError as failure:
        _, first = failure.get_first_failure()
        return first.exitcode if first.exitcode > 0 else FAILED
    except SignalException as stop:
        code = stopped()
        return 128 + signal.Signals(stop.sigval).value if code is None else code
    return DONE


def torchrun_options(processes: int) -> list[str]:
    """What torchrun is told beside the command.

    Args:
        processes: How many ranks.
    """
    options = ["--standalone", f"--nproc-per-node={processes}", f"--signals-to-handle={_SIGNALS}"]
    name, seconds = _PATIENCE
    known = any(name in action.option_strings for action in get_args_parser()._actions)  # noqa: SLF001 -- no other way
    return [*options, f"{name}={seconds}"] if known else options  # the first torch that we take did not know it
