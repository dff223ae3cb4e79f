"""What glibc does with memory that was freed: keeps it for the next round, and gives it back after an evaluation."""

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


def _of_the_c_library(name: str) -> Any:
    """A function of glibc's; None where the C library is another."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
