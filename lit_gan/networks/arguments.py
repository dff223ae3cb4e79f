"""Checks of what a user writes in YAML: each names the argument, what was got and what was expected."""

import math
from collections.abc import Sequence
from typing import TypeVar, cast

from lit_gan.errors import UserError

T = TypeVar("T")


def whole_number(name: str, value: object, minimum: int = 1) -> int:
    """``value`` itself, where it is an integer of at least ``minimum``.

    Example:
        >>> whole_number("latent_size", 0)
        Traceback (most recent call last):
        ...
        lit_gan.errors.UserError: latent_size = 0: expected a whole number of at least 1.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
        raise UserError(f"{name} = {value!r}: expected a whole number of at least {minimum}.")
    return value


def whole_numbers(name: str, values: object, minimum: int = 1) -> tuple[int, ...]:
    """The sequence ``values`` as a tuple, where all are integers of at least ``minimum``."""
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise UserError(f"{name} = {values!r}: expected a list of whole numbers, one per layer.")
    return tuple(whole_number(f"{name}[{i}]", value, minimum) for i, value in enumerate(values))


def shape(name: str, value: object) -> tuple[int, int, int]:
    """A shape ``(C, H, W)`` as a tuple."""
    numbers = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else ()
    if len(numbers) != 3 or not all(type(n) is int and n >= 1 for n in numbers):
        raise UserError(f"{name} = {value!r}: expected three whole numbers of at least 1, (C, H, W).")
    channels, height, width = numbers
    return channels, height, width


def finite(name: str, value: object) -> float:
    """``value`` as a float, where it is a finite number."""
    if not _is_number(value) or not math.isfinite(cast("float", value)):
        raise UserError(f"{name} = {value!r}: expected a finite number.")
    return float(cast("float", value))


def non_negative(name: str, value: object) -> float:
    """``value`` as a float, where it is finite and at least 0."""
    if not _is_number(value) or not 0 <= cast("float", value) < math.inf:
        raise UserError(f"{name} = {value!r}: expected a finite number of at least 0.")
    return float(cast("float", value))


def keep_probability(name: str, value: object) -> float:
    """``value`` as a float in (0, 1]."""
    if not _is_number(value) or not 0 < cast("float", value) <= 1:
        raise UserError(f"{name} = {value!r}: expected the probability of keeping a value, in (0, 1].")
    return float(cast("float", value))


def norm_limit(name: str, value: object) -> float | None:
    """``value`` as a positive float, or None where there is no limit."""
    if value is None:
        return None
    if not _is_number(value) or not 0 < cast("float", value) < math.inf:
        raise UserError(f"{name} = {value!r}: expected a number above 0, or null for no limit.")
    return float(cast("float", value))


def per_layer(name: str, value: T | Sequence[T], layers: int, which: str) -> tuple[T, ...]:
    """One value for each layer: a single value is meant for all of them, a sequence has one for each.

    Example:
        >>> per_layer("hidden_keep", 0.5, 2, "hidden layers")
        (0.5, 0.5)
        >>> per_layer("hidden_keep", [0.5, 0.5, 1.0], 2, "hidden layers")
        Traceback (most recent call last):
        ...
        lit_gan.errors.UserError: hidden_keep has 3 values, but there are 2 layers (hidden layers): ...
    """
    if isinstance(value, str) or not isinstance(value, Sequence):
        return (value,) * layers
    if len(value) != layers:
        raise UserError(
            f"{name} has {len(value)} values, but there are {layers} layers ({which}): "
            "give one value for all of them, or a list with one for each."
        )
    return tuple(value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
