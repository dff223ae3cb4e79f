"""A call that is given up when it takes too long."""

import math
from collections.abc import Callable
from concurrent.futures import Future, wait
from threading import Thread
from typing import TypeVar

_Result = TypeVar("_Result")

_SLICE = 0.5


def call_with_timeout(seconds: float, call: Callable[[], _Result]) -> _Result:
    """What ``call`` returns or raises, or ``TimeoutError`` after so long, rounded up to half a second.

    Its thread is then left behind: nothing ends one that is blocked in C++, and a daemon keeps no process alive. The
    time is counted in slices, not read from a clock: a process that was stopped for an hour (a suspended job) has
    waited for one slice more.

    Example:
        >>> call_with_timeout(10, lambda: 6 * 7)
        42
    """
    future: Future[_Result] = Future()
    Thread(target=_fulfil, args=(future, call), name="lit-gan call with timeout", daemon=True).start()
    for _ in range(max(1, math.ceil(seconds / _SLICE))):
        if wait([future], timeout=_SLICE).done:
            return future.result()
    raise TimeoutError(f"no answer for {seconds:g} s")


def _fulfil(future: Future[_Result], call: Callable[[], _Result]) -> None:
    try:
        future.set_result(call())
    except BaseException as error:  # handed to the one who waits
        future.set_exception(error)
