"""How hypothesis is asked: the same examples every time, without a deadline, and few of them."""

import os

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.internal.conjecture import providers

# It would also try the constants of all modules that the process happens to have imported: others in each.
providers.is_local_module_file = lambda path: False  # type: ignore[assignment]

#: LIT_GAN_FUZZ=50 tries fifty times as many.
_TIMES = int(os.environ.get("LIT_GAN_FUZZ", "1"))


def examples(number: int) -> settings:
    """So many examples of a property."""
    return settings(
        max_examples=number * _TIMES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


def numbers(low: float, high: float) -> st.SearchStrategy[float]:
    """Numbers that float32 holds."""
    return st.floats(low, high, allow_nan=False, width=32)
