"""One entry under ``parameters:`` of a sweep file: which forms there are, and what is wrong with the others."""

import math
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from lit_gan.errors import UserError

#: Distributions of W&B that have a counterpart, and the keys that each needs.
DISTRIBUTIONS: dict[str, tuple[str, ...]] = {
    "constant": ("value",),
    "categorical": ("values",),
    "int_uniform": ("min", "max"),
    "uniform": ("min", "max"),
    "q_uniform": ("min", "max"),
    "log_uniform_values": ("min", "max"),
    "q_log_uniform_values": ("min", "max"),
}
#: Those that have none: Optuna knows ranges, with or without steps and logarithms, and choices.
WITHOUT_COUNTERPART = (
    *("beta", "q_beta", "normal", "q_normal", "log_normal", "q_log_normal", "categorical_w_probabilities"),
    *("log_uniform", "q_log_uniform", "inv_log_uniform", "inv_log_uniform_values"),
)

_KEYS = ("value", "values", "min", "max", "q", "distribution")
_LARGEST_WHOLE = 2**53  # Optuna keeps whole numbers as floats
# YAML 1.1, which W&B reads as well, wants a dot in a number with an exponent.
_NUMBER_READ_AS_TEXT = re.compile(r"[-+]?\d[\d_]*[eE][-+]?\d+")


def check_parameter(place: str, entry: Any) -> None:
    """Refuses what cannot be searched; ``place`` is what the entry is called in a message."""
    if not isinstance(entry, Mapping):
        raise UserError(f"{place}: expected value, values, or min and max under it, got {entry!r}.")
    if "parameters" in entry:
        raise UserError(
            f"{place}: nested parameters reach no option; write the keys in full, as in {_last(place)}.KEY."
        )
    if "probabilities" in entry:
        raise UserError(f"{place}: probabilities have no counterpart in Optuna; leave them out.")
    _check_distribution(place, entry.get("distribution"))
    check_keys(place, entry, _KEYS)
    if "value" in entry and "values" in entry:
        raise UserError(f"{place}: value and values exclude each other; give one of them.")
    distribution = distribution_of(entry)
    missing = [key for key in DISTRIBUTIONS[distribution] if key not in entry]
    if missing:
        raise UserError(f"{place}: {' and '.join(missing)} missing: expected value, values, or min and max.")
    _check_nothing_is_passed_over(place, entry, distribution)
    if distribution == "constant":
        _check_choices(f"{place}.value", [entry["value"]])
    elif distribution == "categorical":
        _check_choices(f"{place}.values", entry["values"])
    else:
        _check_range(place, entry, distribution)


def distribution_of(entry: Mapping[str, Any]) -> str:
    """The distribution of an entry, as W&B infers it where none is named.

    Example:
        >>> distribution_of({"min": 1, "max": 4}), distribution_of({"min": 0.1, "max": 4})
        ('int_uniform', 'uniform')
    """
    if "value" in entry:
        return "constant"
    if entry.get("distribution") is not None:
        return str(entry["distribution"])
    if "values" in entry:
        return "categorical"
    whole = is_whole(entry.get("min")) and is_whole(entry.get("max"))
    return "int_uniform" if whole else "uniform"


def is_whole(number: object) -> bool:
    """Whether it is a whole number by its type; true and false are none."""
    return isinstance(number, int) and not isinstance(number, bool)


def check_keys(place: str, entry: Mapping[Any, Any], known: Iterable[str]) -> None:
    """Refuses keys that nothing reads; ``place`` is what the mapping is called in a message, "" for the file itself."""
    known = tuple(known)
    for key in entry:
        if key not in known:
            where = f"{place}: " if place else ""
            raise UserError(f"{where}there is no key {key}{nearest(str(key), known)}")


def nearest(word: str, known: Iterable[str]) -> str:
    """What may have been meant, as the rest of a sentence, its end included.

    Example:
        >>> nearest("methd", ["method", "metric"])
        '; did you mean method?'
        >>> nearest("x", ["method", "metric"])
        ': expected one of method, metric.'
    """
    known = tuple(known)
    close = get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]}?" if close else f": expected one of {', '.join(known)}."


def check_number(place: str, number: Any) -> None:
    """Refuses what is no finite number; ``place`` is what it is called in a message."""
    _refuse_number_as_text(place, number)
    if is_whole(number) and abs(number) > _LARGEST_WHOLE:
        digits = len(str(abs(number)))
        raise UserError(
            f"{place}: got a whole number of {digits} digits: expected one of at most {_LARGEST_WHOLE}, or one with a "
            "dot, as in 1.0e+20."
        )
    if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
        raise UserError(f"{place}: expected a number, got {number!r}.")


def _check_distribution(place: str, distribution: Any) -> None:
    if distribution in WITHOUT_COUNTERPART:
        raise UserError(
            f"{place}: the distribution {distribution} has no counterpart in Optuna: expected one of "
            f"{', '.join(DISTRIBUTIONS)}."
        )
    if distribution is not None and distribution not in tuple(DISTRIBUTIONS):  # a list has no hash
        raise UserError(f"{place}: there is no distribution {distribution}{nearest(str(distribution), DISTRIBUTIONS)}")


def _check_nothing_is_passed_over(place: str, entry: Mapping[str, Any], distribution: str) -> None:
    if "q" in entry and not distribution.startswith("q_"):
        raise UserError(f"{place}: q belongs to q_uniform and q_log_uniform_values, not to {distribution}.")
    for key in entry:
        if key not in ("distribution", "q", *DISTRIBUTIONS[distribution]):
            raise UserError(f"{place}: {key} says nothing beside {distribution}; leave it out.")


def _check_choices(place: str, choices: Any) -> None:
    if not isinstance(choices, list) or not choices:
        raise UserError(f"{place}: expected a list of at least one value, got {choices!r}.")
    for number, choice in enumerate(choices):
        _refuse_number_as_text(place, choice)
        if isinstance(choice, float) and not math.isfinite(choice):
            raise UserError(f"{place}: expected finite numbers, got {choice}.")
        if choice is not None and not isinstance(choice, str | int | float):
            raise UserError(f"{place}: {choice!r} is no single value; put it in quotes, and it is passed on as it is.")
        if choice in choices[:number]:
            raise UserError(f"{place}: {choice!r} stands there twice.")


def _check_range(place: str, entry: Mapping[str, Any], distribution: str) -> None:
    for key in ("min", "max", "q"):
        if key in entry:
            check_number(f"{place}.{key}", entry[key])
    low, high, step = entry["min"], entry["max"], entry.get("q", 1)
    if low > high:
        raise UserError(f"{place}: min {low} lies above max {high}.")
    if distribution == "int_uniform" and not (is_whole(low) and is_whole(high)):
        raise UserError(f"{place}: int_uniform expects whole numbers, got min {low} and max {high}.")
    if "log" in distribution and low <= 0:
        raise UserError(f"{place}: {distribution} expects min above 0, got {low}.")
    if step <= 0:
        raise UserError(f"{place}: q {step}: expected a step above 0.")
    if not math.isfinite((float(high) - float(low)) / step):
        raise UserError(f"{place}: from min {low} to max {high} in steps of {step} are more than can be counted.")


def _refuse_number_as_text(place: str, value: Any) -> None:
    if isinstance(value, str) and _NUMBER_READ_AS_TEXT.fullmatch(value):
        digits, _, exponent = value.lower().partition("e")
        raise UserError(f"{place}: YAML reads {value} as a text, not a number; write {digits}.0e{exponent}.")


def _last(place: str) -> str:
    return place.rpartition("parameters.")[2]
