"""What the parser refuses, told by the option or the key as it was typed, with what may have been meant."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from lit_gan.cli.parsing.explanation import NO_SUCH_OPTION, ArgumentError
from lit_gan.cli.parsing.first_look import no_such_key, no_such_option
from lit_gan.cli.parsing.shipped import CONFIG_OPTIONS, find
from lit_gan.cli.parsing.suggestions import did_you_mean, fitting_classes, likely_classes
from lit_gan.cli.parsing.typed import Typed, Unknown, options_in, read_config
from lit_gan.errors import UserError

_WRONG_CLASS = re.compile(
    r"expected a class(?: derived from \w+)?(?:, got (.+))?|there is no (\w+) in [\w.]+|expected its class before .*"
)
_SHORT_LIST = 12


class _Word(NamedTuple):
    """An option or a key."""

    text: str
    config: str | None = None

    @property
    def path(self) -> tuple[str, ...]:
        """Without what may be left out."""
        return _path(self.text.lstrip("-"))

    def cut(self, length: int) -> "_Word":
        """The part of it that names an outer argument."""
        parts: list[str] = []
        for part in self.text.split("."):
            if part != "init_args" and len(_path(".".join(parts))) == length:
                break
            parts.append(part)
        while parts and parts[-1] == "init_args":
            parts.pop()
        return self._replace(text=".".join(parts))


@contextmanager
def errors_as_typed(verb: str, arguments: Sequence[str]) -> Iterator[None]:
    """Within this context the parser's errors are told in the words of the command."""
    try:
        yield
    except UserError as error:
        argument = error if isinstance(error, ArgumentError) else error.__cause__
        if not isinstance(argument, ArgumentError):
            raise
        raise UserError(_message(verb, arguments, argument, in_a_config=argument is not error)) from error


def _message(verb: str, arguments: Sequence[str], error: ArgumentError, *, in_a_config: bool) -> str:
    path = _path(".".join(error.keys))
    typed, words, unknown = _read(verb, arguments, path)
    words = [word for word in words if (word.config is not None) == in_a_config and word.path[: len(path)] == path]
    exact = [word for word in words if word.path == path]
    option = f"--{'.'.join(error.keys)}" if error.keys else ""
    outer = [each.cut(len(path)) for each in words] if path else []
    word = (exact or outer or [_Word(option)])[-1]
    file = "" if word.config is None else f"--config {word.config}: "
    if not word.text:
        return f"{file}{error.fault}."
    if error.fault == NO_SUCH_OPTION:
        unknown = unknown or Unknown(word.text.lstrip("-").split("."), 0, frozenset())
        return file + (no_such_key(verb, unknown, typed) if file else no_such_option(verb, word.text, unknown, typed))
    return f"{file}{word.text}: {error.fault}{_hint(error.fault, path, typed)}"


def _hint(fault: str, path: tuple[str, ...], typed: Typed) -> str:
    if fault.startswith("No module named"):
        return ": expected it to be installed, or to lie in the working directory."
    found = _WRONG_CLASS.fullmatch(fault)
    fitting = fitting_classes(path, typed.classes) if found else []
    if found is None or not fitting:
        return "."
    meant = did_you_mean(likely_classes(found[1] or found[2] or "", fitting), dashes="")
    if meant and len(fitting) > _SHORT_LIST:
        return f"; {meant}"
    return f"; {f'{meant} These' if meant else 'these'} fit: {', '.join(fitting)}, or a class of your own."


def _read(verb: str, arguments: Sequence[str], wrong: tuple[str, ...]) -> tuple[Typed, list[_Word], Unknown | None]:
    """The command with its configurations, read once more, now that all classes are imported."""
    typed, words, found = Typed(verb, at_hand=False), [], None
    for name, value in options_in(arguments):
        if name in CONFIG_OPTIONS and value is not None:
            try:
                content = read_config(find(value))
            except UserError:  # of another kind than is to be told here
                continue
            words += [_Word(key, value) for key in _keys(content)]
            unknown = typed.file(content)
        else:
            words.append(_Word(name))
            unknown = typed.option(name[2:], value)
        found = unknown if unknown is not None and _path(".".join(unknown.parts))[: len(wrong)] == wrong else found
    return typed, words, found


def _keys(content: Any, depth: int = 20) -> Iterator[str]:
    """The keys of a configuration with those around them, at their dots."""
    for key, value in content.items() if isinstance(content, Mapping) and depth else ():
        yield str(key)
        yield from (f"{key}.{inner}" for inner in _keys(value, depth - 1))


def _path(option: str) -> tuple[str, ...]:
    return tuple(part.rstrip("+") for part in option.split(".") if part not in ("", "init_args", "class_path"))
