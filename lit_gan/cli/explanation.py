"""What went wrong on the command line, in one line and in the user's words, from jsonargparse's nested reports."""

import re
from collections.abc import Iterator

from lit_gan.errors import UserError

# The parts of a report that only repeat what was given, or name the alternative "no value at all".
_UNION = re.compile(r"Does not validate against any of the Union subtypes Subtypes: \[.*?\] Errors: - ")
_NOISE = (
    re.compile(r" Given value type: .*$"),
    re.compile(r" - Expected a <class 'NoneType'>.*$"),
    re.compile(r"Problem with given class_path '[^']*': "),
)
_KEY = re.compile(r"""Parser key ["']([\w.]+)["']: ?""")
_CLASS = re.compile(r"<class '(?:[\w.]+\.)?(\w+)'>")


class ArgumentError(UserError):
    """An option that cannot be used as it was given.

    Args:
        keys: The option's path, from the outermost key inwards.
        fault: What is wrong with it.
    """

    def __init__(self, keys: tuple[str, ...], fault: str) -> None:
        option = f"--{'.'.join(keys)}: " if keys else ""
        super().__init__(f"{option}{fault}; `--help` lists the options.")
        self.keys = keys
        self.fault = fault


def explain(report: str, error: BaseException | None = None) -> UserError:
    r"""The heart of an error report.

    Args:
        report: What jsonargparse says, over many lines.
        error: The exception behind it. Where one of its causes is a :class:`lit_gan.errors.UserError` of the class
            whose argument it is, that one has said it best.

    Returns:
        An error whose text is one line: the option, and what is wrong with it.

    Example:
        >>> str(explain("Parser key 'model':\n  Parser key 'k':\n    Expected a <class 'int'>. Got value: x"))
        '--model.k: Expected a int. Got value: x; `--help` lists the options.'
    """
    told = user_error_behind(error)
    if told is not None and not isinstance(told, ArgumentError):
        return told
    text = " ".join(report.split())
    if told is not None:  # an inner parser has explained its part of the report
        outer = text.partition(told.fault.partition(" ")[0])[0]
        return ArgumentError((*_KEY.findall(outer), *told.keys), told.fault)
    text = _UNION.sub("", text)
    for noise in _NOISE:
        text = noise.sub("", text)
    return ArgumentError(tuple(_KEY.findall(text)), _CLASS.sub(r"\1", _KEY.sub("", text)).rstrip(". "))


def user_error_behind(error: BaseException | None) -> UserError | None:
    """The :class:`lit_gan.errors.UserError` that an exception was raised from, if there is one.

    Args:
        error: Any exception.
    """
    return next((cause for cause in _causes(error) if isinstance(cause, UserError)), None)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
