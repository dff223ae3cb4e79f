"""What the classes of a configuration raise while they are built, as errors that the user can mend."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from traceback import walk_tb

from lit_gan.cli.explanation import user_error_behind
from lit_gan.errors import UserError

# jsonargparse's report of what a constructor raised, a package that is not installed among it.
_PROBLEM = re.compile(r"Problem with given class_path '([^']*)': (.*)")

_BUILDERS = ("jsonargparse", "lightning")


@contextmanager
def told_of_what_is_built() -> Iterator[None]:
    """Within this context the classes that a configuration names are built.

    Raises:
        UserError: What an argument's own class says of it, without the report around it.
    """
    try:
        yield
    except (TypeError, ValueError) as error:
        told = user_error_behind(error) or _refused(error) or _stumbled(error)
        if told is None:
            raise
        raise told from error


def _refused(error: Exception) -> UserError | None:
    """The innermost class that could not be built, and why, in its own words."""
    found, text = None, " ".join(str(error).split())
    while match := _PROBLEM.search(text):
        found, text = match, match[2]
    return None if found is None else UserError(f"{found[1]} cannot be built: {found[2]}")


def _stumbled(error: Exception) -> UserError | None:
    """The class in whose constructor an argument was of no use: a null where it counts, say."""
    frames = [frame for frame, _ in walk_tb(error.__traceback__) if frame.f_code.co_name == "__init__"]
    built = frames[-1].f_locals.get("self") if frames else None
    if built is None or type(built).__module__.partition(".")[0] in _BUILDERS:
        return None
    return UserError(f"{type(built).__name__} cannot be built of its arguments: {error}")
