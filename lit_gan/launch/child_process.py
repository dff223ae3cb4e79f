"""Child processes that do not outlive their parent."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from functools import partial

_PR_SET_PDEATHSIG = 1
# Looked up here: a process that is about to become another command may take no lock of the loader's.
_prctl = ctypes.CDLL(None).prctl if sys.platform.startswith("linux") else None


def ends_with_parent(number: signal.Signals) -> Callable[[], None] | None:
    """``preexec_fn`` for a process that is to get a signal when its parent dies; None elsewhere than on Linux."""
    return None if _prctl is None else partial(_ask, number, os.getpid())


def _ask(number: signal.Signals, parent: int) -> None:
    assert _prctl is not None  # noqa: S101 -- or it is not called
    _prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:  # it died meanwhile
        os._exit(1)
