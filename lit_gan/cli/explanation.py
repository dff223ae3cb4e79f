"""What went wrong on the command line, in one line and in the user's words, from jsonargparse's nested reports."""

import re
from collections.abc import Iterator

from lit_gan.errors import UserError

#: What is wrong with an option that there is not.
NO_SUCH_OPTION = "no such option"
_HINT = "`--help` lists the options."
# The parts of a report that say nothing: what was tried first, and the alternative "no value at all".
_NOISE = (
    re.compile(r"Does not validate against any of the Union subtypes Subtypes: \[.*?\] Errors: (?=- )"),
    re.compile(r"- Expected a path but .*? either not accessible or invalid"),
    re.compile(r"- Expected a <class 'NoneType'>"),
    re.compile(r"Problem with given class_path '[^']*': "),
)
_KEY = re.compile(r"""Parser key ["']([\w.]+)["']: ?""")
_WANTED = re.compile(r"Expected a (<class '[^']*'>|typing\.Literal\[[^\]]*\])\.?")
_GIVEN = re.compile(r"(?: Given value type: \S+(?: '[^']*'>)? Given value: | Got value: )(.*?)(?= - | Given value|$)")
_IN_WORDS = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "list": "a list",
    "tuple": "a list",
    "Sequence": "a list",
}

_NOT_ACCEPTED = (
    re.compile(r"^unrecognized arguments: --([^\s=]+)"),
    re.compile(r"^(?:Subcommand '\w+' does not accept option|Option) '([^']+)'(?: is not accepted)?"),
)
_NOT_A_CONFIG = re.compile(r"^Unexpected config: ?(.*)$")
_REQUIRED = re.compile(r"the following arguments are required: (.*)$")
_VERB = re.compile(r"\b(?:fit|validate|test|predict)\.")
_IMPORT_PATH = "Expected a dot import path string: "
_REWORDED = (
    (re.compile(rf"{_IMPORT_PATH}(\S+)"), r"expected a class, got \1"),
    (
        re.compile(r"Expected an instantiatable class, but (\S+) is abstract"),
        r"expected its class before its arguments",
    ),
    (re.compile(r"module '([\w.]+)' has no attribute '(\w+)'"), r"there is no \2 in \1"),
    (
        re.compile(r"Import path (?:\S+ )?does not correspond to a subclass of (\w+)"),
        r"expected a class derived from \1",
    ),
    (re.compile(r' in "<unicode string>",'), " at"),
    (re.compile(r"^Not a valid subclass of (\w+).*", re.DOTALL), r"expected a class derived from \1"),
    (re.compile(r"^Expected a dot import path string:.*|.* Expected a dot import path string:.*"), "expected a class"),
    (re.compile(r"'\w+' object has no attribute 'keys'"), "expected keys and values"),
    (re.compile(r"argument of type '\w+' is not iterable"), "expected a class"),
    (re.compile(r"NestedArg\(key='(.*?)', val='(.*?)'\)"), r"\1: \2"),
)


class ArgumentError(UserError):
    """An option that cannot be used as it was given.

    Args:
        keys: The option's path, from the outermost key inwards.
        fault: What is wrong with it.
    """

    def __init__(self, keys: tuple[str, ...], fault: str) -> None:
        option = f"--{'.'.join(keys)}: " if keys else ""
        super().__init__(f"{option}{fault}; {_HINT}")
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
        '--model.k: expected a whole number, got x; `--help` lists the options.'
    """
    told = user_error_behind(error)
    if told is not None and not isinstance(told, ArgumentError):
        return told
    text = " ".join(report.split())
    if told is not None:  # an inner parser has explained its part of the report
        outer = text.partition(" ".join(str(told).split()))[0]
        return ArgumentError((*_KEY.findall(outer), *told.keys), told.fault)
    return _explained(tuple(dict.fromkeys(_KEY.findall(text))), _KEY.sub("", text))


def user_error_behind(error: BaseException | None) -> UserError | None:
    """The :class:`lit_gan.errors.UserError` that an exception was raised from, if there is one.

    Args:
        error: Any exception.
    """
    return next((cause for cause in _causes(error) if isinstance(cause, UserError)), None)


def _explained(keys: tuple[str, ...], text: str) -> UserError:
    for pattern in _NOT_ACCEPTED:
        if found := pattern.search(text):
            return ArgumentError((*keys, found[1]), NO_SUCH_OPTION)
    if found := _REQUIRED.search(text):
        missing = _VERB.sub("", found[1]).split(", ")
        return ArgumentError(
            keys, f"required, and not given: {' and '.join(missing)} (use --config NAME, or the options)"
        )
    if found := _NOT_A_CONFIG.search(text):
        return ArgumentError(keys, f"expected keys such as model and data, got {found[1] or 'an empty file'}")
    return ArgumentError(keys, _fault(text))


def _fault(text: str) -> str:
    """What is wrong, without what the report says around it."""
    for noise in _NOISE:
        text = noise.sub("", text)
    given = _GIVEN.search(text)
    text = _GIVEN.sub("", text)
    wanted = [_in_words(kind) for kind in _WANTED.findall(text)]
    rest = [part.strip() for part in re.split(r"(?:(?:^|\s)-)+\s", _WANTED.sub("", text)) if part.strip(" -.")]
    if wanted and all(part.startswith(_IMPORT_PATH) for part in rest) and (wanted != ["a list"] or not rest):
        text = f"expected {' or '.join(dict.fromkeys(wanted))}" + (f", got {given[1]}" if given else "")
    else:
        text = " or ".join(dict.fromkeys(rest))
    for pattern, wording in _REWORDED:
        text = pattern.sub(wording, text)
    return text.rstrip(". ")


def _in_words(kind: str) -> str:
    """A type as the user knows it."""
    if kind.startswith("typing.Literal"):
        return "one of " + ", ".join(value.strip(" '") for value in kind[len("typing.Literal[") : -1].split(","))
    name = kind.removeprefix("<class '").removesuffix("'>").rpartition(".")[2]
    return _IN_WORDS.get(name, f"a {name}")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
