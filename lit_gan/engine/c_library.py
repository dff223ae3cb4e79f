"""What is asked of glibc: to keep freed memory for the next round, to give it back, to end without destructors."""

import ctypes
import os
import sys
from typing import Any

_MIB = 2**20
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of mallopt, as malloc.h has them
_OF_THE_USER = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TOP_PAD_", "GLIBC_TUNABLES")


def keep_freed_memory() -> None:
    """Lets a round have the pages of the round before: a fifth of its time, for MNIST in bf16 on a CPU.

    Freed tensors of some megabytes go back to the system, and each page of the next ones is a fault. glibc keeps more
    as it meets larger ones; here it begins with the most that it would come to, 64 MiB. What the user has set stays.
    """
    mallopt = None if any(name in os.environ for name in _OF_THE_USER) else _of_the_c_library("mallopt")
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, 32 * _MIB)
        mallopt(_TRIM_THRESHOLD, 64 * _MIB)


def give_memory_back() -> None:
    """To the system: glibc would keep 150 MiB of what an evaluation of MNIST took, beside all that comes later."""
    trim = _of_the_c_library("malloc_trim")
    if trim is not None:
        trim(0)


def end_without_destructors() -> None:
    """At the end of this process, those of C++ libraries that are loaded by now have nothing to do any more.

    Torch's take a tenth of a second, and touch 125 MiB that nothing had needed before. Python ends as ever, with its
    objects and files, and so does what C has yet to print. Not where somebody looks on from within (``LD_PRELOAD``) or
    a GPU is in use, whose driver may want to be told.
    """
    torch = sys.modules.get("torch")
    on_exit = _of_the_c_library("on_exit")
    if torch is None or on_exit is None or "LD_PRELOAD" in os.environ or torch.cuda.is_initialized():
        return
    # The last that is registered comes first: what C holds back is written, and then nothing comes after `_exit`, which
    # is handed the exit code.
    on_exit(_of_the_c_library("_exit"), None)
    _of_the_c_library("__cxa_atexit")(_of_the_c_library("fflush"), None, None)


def _of_the_c_library(name: str) -> Any:
    """A function of glibc's; None where the C library is another."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
