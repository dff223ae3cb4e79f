"""Checks of what a user hands to a data module: whole numbers and ranges of values."""

import math

from lit_gan.errors import UserError


def check_whole(name: str, value: int, least: int) -> int:
    """A whole number that is large enough, or an error that names it.

    Example:
        >>> check_whole("batch_size", 100, least=1)
        100
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise UserError(f"{name} = {value!r}: expected a whole number of at least {least}.")
    return value


def check_value_range(value_range: tuple[float, float]) -> tuple[float, float]:
    """A pair (low, high) of finite numbers with low below high, or an error.

    Example:
        >>> check_value_range((-1, 1))
        (-1.0, 1.0)
    """
    return check_ascending("value_range", value_range, example="(0, 1)")


def check_ascending(name: str, pair: tuple[float, float], example: str) -> tuple[float, float]:
    """A pair of finite numbers with the lower one first, or an error that names it.

    Example:
        >>> check_ascending("levels", (0, 4095), example="(0, 4095)")
        (0.0, 4095.0)
    """
    message = f"{name} = {pair!r}: expected two finite numbers, the lower one first, such as {example}."
    try:
        low, high = (float(bound) for bound in pair)
    except (TypeError, ValueError) as error:
        raise UserError(message) from error
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise UserError(message)
    return low, high
