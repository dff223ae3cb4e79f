"""What is asked of glibc: to keep freed memory for the next round, to give it back, to end without destructors."""

import ctypes
import os
import sys
from collections.abc import Sequence
from typing import Any

_MIB = 2**20
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4  # of mallopt, as malloc.h has them
_OF_THE_USER = (
    *(f"MALLOC_{name}_" for name in ("TRIM_THRESHOLD", "MMAP_THRESHOLD", "MMAP_MAX", "TOP_PAD")),
    "GLIBC_TUNABLES",
)


def keep_freed_memory(weights: Sequence[int] = ()) -> None:
    """Lets a round have the pages of the round before, in a training on a CPU.

    Freed tensors of some megabytes go back to the system, and each page of the next ones is a fault: a fifth of a round
    of MNIST in bf16, a third of one of TFD, whose largest weight has 256 MiB. glibc keeps more as it meets larger ones,
    up to 64 MiB and none of more than 32 MiB; here it begins with that, and with large weights keeps what a round takes
    beside them: gradients, and copies in 16 bits. What the user has set stays.

    Args:
        weights: The bytes of each weight that is trained.
    """
    mallopt = None if any(name in os.environ for name in _OF_THE_USER) else _of_the_c_library("mallopt")
    if mallopt is None:
        return
    mallopt(_MMAP_THRESHOLD, 32 * _MIB)
    mallopt(_TRIM_THRESHOLD, min(max(64 * _MIB, 4 * sum(weights)), 2**31 - 1))
    if max(weights, default=0) >= 32 * _MIB:
        mallopt(_MMAP_MAX, 0)


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
