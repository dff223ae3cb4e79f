"""Waiting for what other processes and threads do: never for a time, always for something that becomes true."""

import time
from collections.abc import Callable


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 300.0) -> None:
    """Waits for something to become true.

    Args:
        condition: Whether it is.
        what: It in words, for the report of a test that fails.
        seconds: How long.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)
