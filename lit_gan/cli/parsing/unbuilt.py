"""What the classes of a configuration raise while they are built, as errors that the user can mend."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import Parameter, signature
from traceback import walk_tb
from typing import Any

from torch import nn

from lit_gan.cli.failures import place_of
from lit_gan.cli.parsing.explanation import causes, user_error_behind
from lit_gan.errors import UserError

# jsonargparse's report of what a constructor raised, a package that is not installed among it.
_PROBLEM = re.compile(r"Problem with given class_path '([^']*)': (.*?)(?= - Expected a <class 'NoneType'>|$)")
_LIBRARIES = ("lit_gan", "lightning", "torch", "torchmetrics", "torchvision")
_BUILDERS = ("jsonargparse.", "lightning.pytorch.cli", "lit_gan.cli.")


@contextmanager
def construction_errors() -> Iterator[None]:
    """Within this context the classes that a configuration names are built."""
    try:
        yield
    except (TypeError, ValueError) as error:
        told = user_error_behind(error) or _raised(error) or _refused(error)
        if told is None:
            raise
        raise told from error


def built_network(class_type: type[nn.Module], *args: Any, **given: Any) -> nn.Module:
    """Builds a network, of which jsonargparse demands no argument that has no type: it gives None in its place."""
    missing = [
        name
        for name, parameter in signature(class_type).parameters.items()
        if parameter.default is Parameter.empty
        and parameter.annotation is Parameter.empty
        and name in given
        and given[name] is None
    ]
    if missing:
        raise UserError(
            f"{_name(class_type)} needs {' and '.join(missing)}: give it within the init_args of the class, or a "
            "default in its __init__ (image_shape comes from the data, where they have one)."
        )
    return class_type(*args, **given)


def _raised(error: BaseException) -> UserError | None:
    """What the code of a class raised within its constructor, with the place."""
    for cause in causes(error):
        frames = [frame for frame, _ in walk_tb(cause.__traceback__)]
        last = max((i for i, frame in enumerate(frames) if _builds(frame.f_globals)), default=len(frames))
        own = frames[last + 1 :]
        if own and own[0].f_code.co_name == "__init__" and "self" in own[0].f_locals:
            text = " ".join(str(cause).split()).rstrip(".")
            kind = "" if text and isinstance(cause, (ValueError, ImportError)) else f"{type(cause).__name__}: "
            fault = f"{kind}{text}".removesuffix(": ")
            package = type(own[0].f_locals["self"]).__module__.partition(".")[0]
            # For a package to install nobody need look at a library's code.
            place = "" if isinstance(cause, ImportError) and package in _LIBRARIES else place_of(cause)
            return UserError(f"{_name(type(own[0].f_locals['self']))} cannot be built: {fault}{place}.")
    return None


def _builds(names: dict[str, Any]) -> bool:
    return str(names.get("__name__")).startswith(_BUILDERS)


def _name(class_type: type) -> str:
    return f"{class_type.__module__}.{class_type.__qualname__}"


def _refused(error: Exception) -> UserError | None:
    """The innermost class that could not be built, and why, in its own words."""
    found, text = None, " ".join(str(error).split())
    while match := _PROBLEM.search(text):
        found, text = match, match[2]
    return None if found is None else UserError(f"{found[1]} cannot be built: {found[2]}")
