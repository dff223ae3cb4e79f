"""Child processes that do not outlive their parent."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from functools import partial

_PR_SET_PDEATHSIG = 1


def ends_with_parent(number: signal.Signals) -> Callable[[], None] | None:
    """What a new process does before it becomes its command (``preexec_fn``), so that it is told when its parent dies.

    Args:
        number: The signal that the kernel sends it then.

    Returns:
        None where the kernel offers nothing of the kind: elsewhere than on Linux.
    """
    if not sys.platform.startswith("linux"):
        return None
    return partial(_ask, number, os.getpid())


def _ask(number: signal.Signals, parent: int) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:  # it died meanwhile
        os._exit(1)
