"""What went wrong on the command line, in one line and in the user's words, from jsonargparse's nested reports."""

import re
from collections.abc import Callable, Iterator, Sequence
from traceback import walk_tb

from lit_gan.cli.failures import place_of
from lit_gan.errors import UserError

#: What is wrong with an option that there is not.
NO_SUCH_OPTION = "no such option"
_BESIDE_A_CLASS = "expected class_path and init_args, and what the class takes within init_args"
_HINT = "`--help` lists the options."
# The parts of a report that say nothing: what was tried first, and the alternative "no value at all".
_NOISE = (
    re.compile(r"Does not validate against any of the Union subtypes Subtypes: \[.*?\] Errors: (?=- )"),
    re.compile(r"- Expected a path but .*? either not accessible or invalid"),
    re.compile(r"- Expected a <class 'NoneType'>"),
    re.compile(r"Problem with given class_path '[^']*': "),
    re.compile(r"Type \S*\bCallable\[.*?\] expects a function or a callable class: "),
    re.compile(r" Subclass types expect one of: .*"),
    re.compile(r"Unable to load config '.*' (?=- )"),
)
_KEY = re.compile(r"""Parser key ["']([\w.]+)["']: ?""")
_WANTED = re.compile(r"Expected (?:a )?(<class '[^']*'>|typing\.Literal\[[^\]]*\])\.?")
_GIVEN = re.compile(r"(?: Given value type: \S+(?: '[^']*'>)? Given value: | Got value: )(.*?)(?= - | Given value|$)")
_IN_WORDS = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    **dict.fromkeys(("list", "tuple", "Sequence", "Iterable"), "a list"),
    **dict.fromkeys(("dict", "Namespace", "Mapping"), "keys and values"),
    "NoneType": "nothing",
}

_NOT_ACCEPTED = (
    re.compile(r"^unrecognized arguments: --([^\s=]+)"),
    re.compile(r"^Option '([^']+)' is not accepted"),
    re.compile(r"^--(\w+) is no longer supported"),  # an option that jsonargparse had once
)
_WITHIN_A_GROUP = re.compile(r"^Group '([^']+)' does not accept option '([^']+)'")
_NOT_A_CONFIG = re.compile(r"^Unexpected config: ?(.*)$")
_REQUIRED = re.compile(r"the following arguments are required: (.*)$")
_VERB = re.compile(r"\b(?:fit|validate|test|predict)\.")
_IMPORT_PATH = "Expected (?:a )?dot import path string:"
_NESTED = re.compile(r"^NestedArg\(key='(.*?)', val='?(.*?)'?\)$")
_REWORDED: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (re.compile(rf"{_IMPORT_PATH} (\S+)"), r"expected a class, got \1"),
    (re.compile(r"Unexpected import path format: (\S+)"), r"expected a class, got \1"),
    (re.compile(r"Expected an import path or a subclass spec, but got (.+)"), r"expected a class, got \1"),
    (re.compile(r"Unexpected import path format:"), "expected a class"),
    (
        re.compile(r"Expected '(\S+)' to be a subclass of <class '([\w.]+)'>"),
        r"expected a class derived from \2, got \1",
    ),
    (
        re.compile(r"Subclasses are disabled for (\w+), thus '(\S+)' is not accepted as class_path\..*"),
        r"expected what \1 takes, and no class_path, got \2",
    ),
    (re.compile(r"Expected a tuple with (\d+) elements"), r"expected a list of \1 values"),
    (re.compile(r'Unable to load config "(.*)"'), r"expected keys and values, got \1"),
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
    (re.compile(rf"^{_IMPORT_PATH}.*|.* {_IMPORT_PATH}.*"), "expected a class"),
    (
        re.compile(r"'(\w+)' object has no attribute 'keys'"),
        lambda found: (
            "expected keys and values as init_args" + (f", got {_in_words(found[1])}" if found[1] != "str" else "")
        ),
    ),
    (
        re.compile(r"unhashable type: '(\w+)'|argument of type '(\w+)' is not (?:a container or )?iterable"),
        lambda found: f"expected a class, got {_in_words(found[1] or found[2])}",
    ),
)


class ArgumentError(UserError):
    """An option that cannot be used as it was given."""

    def __init__(self, keys: tuple[str, ...], fault: str) -> None:
        option = f"--{'.'.join(keys)}: " if keys else ""
        super().__init__(f"{option}{fault}; {_HINT}")
        self.keys = keys
        self.fault = fault


def explain(report: str, error: BaseException | None = None) -> UserError:
    r"""The heart of jsonargparse's report, in a line; where a class has refused its own argument, that says it best.

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
    unimported = _unimported(error)
    return ArgumentError(_keys(text), unimported) if unimported else _explained(_keys(text), _KEY.sub("", text))


def user_error_behind(error: BaseException | None) -> UserError | None:
    """The :class:`lit_gan.errors.UserError` that an exception was raised from, if there is one."""
    return next((cause for cause in causes(error) if isinstance(cause, UserError)), None)


def _unimported(error: BaseException | None) -> str | None:
    """What the module of a class that was named raised while it was imported, with the place; a missing one says so."""
    for cause in causes(error):
        modules = [
            str(frame.f_globals["__name__"])
            for frame, _ in walk_tb(cause.__traceback__)
            if frame.f_code.co_name == "<module>" and frame.f_globals["__name__"] != "__main__"
        ]
        if modules and not isinstance(cause, ImportError):
            text = " ".join(str(cause).split()).rstrip(".")
            return f"{modules[0]} cannot be imported: {type(cause).__name__}: {text}{place_of(cause)}"
    return None


def _keys(text: str) -> tuple[str, ...]:
    """The keys that a report goes through; one may be told together with those before it."""
    keys: tuple[str, ...] = ()
    for key in dict.fromkeys(_KEY.findall(text)):
        keys = (key,) if key.startswith(f"{'.'.join(keys)}.") else (*keys, key)
    return keys


def _explained(keys: tuple[str, ...], text: str) -> UserError:
    text = _WITHIN_A_GROUP.sub(r"Option '\1.\2' is not accepted", text)
    for pattern in _NOT_ACCEPTED:
        if found := pattern.search(text):
            if found[1] == "class_path":  # what stands beside it is to blame
                return ArgumentError(keys, _BESIDE_A_CLASS)
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
    got = _NESTED.sub(r"\1: \2", given[1]) if given else ""
    text = _GIVEN.sub("", text)
    wanted = _expected_types(_WANTED.findall(text))
    rest = [part.strip() for part in re.split(r"(?:(?:^|\s)-)+\s", _WANTED.sub("", text)) if part.strip(" -.")]
    if wanted and all(re.match(_IMPORT_PATH, part) for part in rest) and (wanted != ["a list"] or not rest):
        text = f"expected {' or '.join(wanted)}"
    else:
        text = " or ".join(dict.fromkeys(rest))
    text = text.rstrip(". ")
    for pattern, wording in _REWORDED:
        text = pattern.sub(wording, text)
    untold = got and not got.startswith("Namespace(") and ", got " not in text
    return f"{text}, got {got}" if untold and text.startswith("expected") else text


def _expected_types(kinds: Sequence[str]) -> list[str]:
    """The types as the user knows them, each once, and in one row the words that would do."""
    words = [word for kind in kinds for word in _words(kind)]
    others = [_in_words(kind) for kind in kinds if not _words(kind)]
    return [*dict.fromkeys(others), *([f"one of {', '.join(dict.fromkeys(words))}"] if words else [])]


def _words(kind: str) -> list[str]:
    """The values of a literal type."""
    found = re.fullmatch(r"typing\.Literal\[(.*)\]", kind)
    return [value.strip(" '") for value in found[1].split(",")] if found else []


def _in_words(kind: str) -> str:
    """A type as the user knows it."""
    name = kind.removeprefix("<class '").removesuffix("'>").rpartition(".")[2]
    return _IN_WORDS.get(name, f"{'an' if name[:1] in 'AEIOU' else 'a'} {name}")


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """An exception and what it was raised from, from the outermost inwards."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
