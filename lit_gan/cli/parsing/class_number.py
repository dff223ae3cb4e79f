"""Which class the user means, by its name or its number."""

from collections.abc import Sequence
from difflib import get_close_matches

from lit_gan.errors import UserError

_SHOWN = 20  # names, where there are more


def class_number(given: str, names: Sequence[str], num_classes: int) -> int:
    """The number of a class; a name counts before a number, for the rows of grids have names.

    Example:
        >>> class_number("dog", ["cat", "dog"], 2), class_number("0", ["cat", "dog"], 2)
        (1, 0)
    """
    if given in names:
        return list(names).index(given)
    if _is_number(given) and 0 <= int(given) < num_classes:
        return int(given)
    numbers = [str(number) for number in range(num_classes)]
    if not names or list(names) == numbers:
        unnamed = "" if names or _is_number(given) else " (the checkpoint holds no names of classes)"
        raise UserError(f"--condition {given}: expected a class from 0 to {num_classes - 1}{unnamed}.")
    shown = ", ".join(names[:_SHOWN]) + (f", ... ({len(names)} in all)" if len(names) > _SHOWN else "")
    by_small_letters = {name.lower(): name for name in names}
    close = get_close_matches(given.lower(), by_small_letters, n=1)
    hint = f"; did you mean {by_small_letters[close[0]]}?" if close else "."
    raise UserError(f"--condition {given}: expected one of {shown}, or its number from 0 to {num_classes - 1}{hint}")


def _is_number(text: str) -> bool:
    return text.lstrip("+-").isdecimal()
