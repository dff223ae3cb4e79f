"""``${...}`` in configurations and flags: replaced by its value before anything is parsed for good.

jsonargparse 4.53 resolves what it has parsed by writing it out and reading it in again, which loses what nobody gave
and a link will fill; and it takes a ``${...}`` for a number, but in no list, in no tuple, for no class. So the first of
two parses only finds out what every key is, defaults included; the other sees values, as if they had been typed.
"""

import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ArgumentParser, get_loader
from jsonargparse._common import (
    parser_context,  # what makes a parse a lenient one: tests/cli/parsing/test_interpolation.py
)

from lit_gan.cli.parsing.shipped import CONFIG_OPTIONS, find
from lit_gan.errors import UserError
from lit_gan.runs.plain_data import dump_yaml

_MARK = "${"
_VALUE = "value of an interpolation"  # no key of a configuration has spaces
_FILES = (".yaml", ".yml", ".json")
_CLASS_KEYS = ("class_path", "init_args", "dict_kwargs")
_ABSENT = object()
_RELATIVE = re.compile(r"\$\{(\.+)([\w.\[\]]*)\}")
_NOT_FOUND = re.compile(r"^Interpolation key '([^']*)' not found")
_NO_TEXT = "Unable to serialize instance"  # what jsonargparse writes for a function: nothing to be referred to

# What the text of a configuration file is replaced by while it is parsed.
_replaced: ContextVar[Mapping[str, str] | None] = ContextVar("replaced", default=None)


@dataclass(frozen=True)
class _Source:
    """A configuration file or a flag: its value's place among the arguments, and what it says."""

    position: int
    prefix: str  # what stands before the value in the same argument
    option: str
    text: str
    tree: Any  # from the outermost key inwards; None: nothing that can be looked into

    @property
    def is_file(self) -> bool:
        return self.option in CONFIG_OPTIONS


@dataclass(frozen=True)
class _Command:
    """Arguments, and what the files among them are to be read as."""

    arguments: list[str]
    texts: Mapping[str, str]

    @contextmanager
    def parsed(self) -> Iterator[None]:
        token = _replaced.set(self.texts)
        try:
            yield
        finally:
            _replaced.reset(token)


def with_values(text: str) -> str:
    """What a configuration file is to be read as, within :func:`interpolated`."""
    return (_replaced.get() or {}).get(text, text)


@contextmanager
def interpolated(
    parser: ArgumentParser, arguments: Sequence[str], *, filled_later: Sequence[str] = ()
) -> Iterator[list[str]]:
    """Within this context the parser sees values wherever ``${...}`` was given, in flags and in files."""
    sources = list(_sources(arguments))
    if not any(_MARK in source.text for source in sources) or not {"-h", "--help"}.isdisjoint(arguments):
        yield list(arguments)
        return
    from omegaconf.errors import OmegaConfBaseException  # a fifth of a second  # noqa: PLC0415

    given: dict[str, Any] = {}
    for source in sources:
        _merge(given, source.tree)
    of_the_given = _values_in(given)
    draft = _rewritten(arguments, sources, lambda text, _: _value(text, of_the_given, default=_ABSENT))
    with draft.parsed():
        known = _every_key(parser, draft.arguments)
    _drop_unfilled(known, filled_later)
    live = set(_overlay(known, given))
    of_all = _values_in(known)

    def value_of(text: str, key: str) -> Any:
        try:
            return of_all(text)
        except OmegaConfBaseException as error:
            if text not in live:
                return _ABSENT
            raise UserError(f"--{key}: {text}: {_reason(error, known, filled_later)}") from error

    final = _rewritten(arguments, sources, value_of)
    with final.parsed():
        yield final.arguments


# -- What was given ---------------------------------------------------------------------------------------------------


def _sources(arguments: Sequence[str]) -> Iterator[_Source]:
    option = None
    for position, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if argument.startswith("--") or name in CONFIG_OPTIONS:
            option = None if equals else name
            if equals:
                yield _source(position, name + equals, name, value)
        elif option is not None:
            yield _source(position, "", option, argument)
            option = None


def _source(position: int, prefix: str, option: str, value: str) -> _Source:
    if option in CONFIG_OPTIONS:
        text = _read(find(value))
        tree = _loaded(text)
        return _Source(position, prefix, option, text, _absolute(tree) if isinstance(tree, dict) else None)
    content = _loaded(value)
    if isinstance(content, str) and content.endswith(_FILES) and Path(content).is_file():
        text = _read(Path(content))  # --data data.yaml
        value, content = (text, _loaded(text)) if _MARK in text else (value, content)
    keys = option.removeprefix("--").split(".")
    tree = value if isinstance(content, str) or _MARK not in value else content
    for key in reversed(keys):
        tree = {key: tree}
    return _Source(position, prefix, option, value, _absolute(tree))


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return ""  # which the parser will find, too, and say


def _loaded(text: str) -> Any:
    try:
        return get_loader("yaml")(text)
    except yaml.YAMLError:
        return text


def _absolute(tree: Any, path: tuple[str, ...] = ()) -> Any:
    """The tree with ``${..x}`` as the path from the root: a value may be needed elsewhere than in its place."""
    if isinstance(tree, dict):
        return {key: _absolute(value, (*path, str(key))) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_absolute(value, (*path, str(index))) for index, value in enumerate(tree)]
    if not isinstance(tree, str):
        return tree

    def from_the_root(found: re.Match[str]) -> str:
        base = path[: max(len(path) - len(found[1]), 0)]
        return f"${{{'.'.join([*base, found[2]] if found[2] else base)}}}"

    return _RELATIVE.sub(from_the_root, tree)


def _merge(into: dict[str, Any], tree: Any) -> None:
    """Puts a later source over the earlier ones; the keys that a class_path brings may be left out, as in flags."""
    for key, value in tree.items() if isinstance(tree, dict) else ():
        place = into
        if "class_path" in into and key not in (*_CLASS_KEYS, "help"):
            place = into.setdefault("init_args", {})
        old = place.get(key)
        if isinstance(value, dict):
            if not isinstance(old, dict):  # a class may have been given by its name alone
                old = {"class_path": old} if isinstance(old, str) and _MARK not in old else {}
            place[key] = old
            _merge(old, value)
        elif isinstance(old, dict) and "class_path" in old and isinstance(value, str) and _MARK not in value:
            old["class_path"] = value
        else:
            place[key] = value


def _rewritten(arguments: Sequence[str], sources: Sequence[_Source], value_of: Callable[[str, str], Any]) -> _Command:
    """The command with a value for each text that holds a ``${``; where that is absent, the key goes."""
    texts: dict[str, str] = {}
    changed: dict[int, str | None] = {}
    for source in sources:
        if _MARK not in source.text or source.tree is None:
            continue
        tree = _replace(source.tree, "", value_of)
        if source.is_file:
            texts[source.text] = dump_yaml({} if tree is _ABSENT else tree, allow_unicode=True)
        elif tree is _ABSENT:
            changed |= {source.position: None} if source.prefix else {source.position - 1: None, source.position: None}
        else:
            for key in source.option.removeprefix("--").split("."):
                tree = tree[key]
            changed[source.position] = source.prefix + _as_typed(tree)
    kept = [changed.get(position, argument) for position, argument in enumerate(arguments)]
    return _Command([argument for argument in kept if argument is not None], texts)


def _replace(tree: Any, key: str, value_of: Callable[[str, str], Any]) -> Any:
    if isinstance(tree, dict):
        values = {name: _replace(item, f"{key}.{name}", value_of) for name, item in tree.items()}
        kept = {name: value for name, value in values.items() if value is not _ABSENT}
        return kept if kept or not tree else _ABSENT
    if isinstance(tree, list):
        items = [_replace(item, key, value_of) for item in tree]
        return _ABSENT if any(item is _ABSENT for item in items) else items
    return value_of(tree, key.removeprefix(".")) if isinstance(tree, str) and _MARK in tree else tree


def _as_typed(value: Any) -> str:
    if isinstance(value, str):
        return value
    return yaml.safe_dump(value, default_flow_style=True, width=2**30, allow_unicode=True).removesuffix("...\n").strip()


# -- What it means ----------------------------------------------------------------------------------------------------


def _every_key(parser: ArgumentParser, arguments: Sequence[str]) -> dict[str, Any]:
    """Every key of the command, defaults included, as plain data."""
    silent = [argument for argument in arguments if not argument.startswith("--print_config")]
    # Leniently: what was absent may be required. And it warns of what cannot be written out.
    with parser_context(lenient_check=True), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        values = parser.parse_args(silent)
        text = parser.dump(values, skip_validation=True, skip_unset=False, skip_link_targets=False)
    content: dict[str, Any] = _without_functions(get_loader("yaml")(text))
    return content


def _without_functions(tree: Any) -> Any:
    if isinstance(tree, dict):
        kept = {key: _without_functions(value) for key, value in tree.items()}
        return {key: value for key, value in kept.items() if not str(value).startswith(_NO_TEXT)}
    return [_without_functions(item) for item in tree] if isinstance(tree, list) else tree


def _drop_unfilled(tree: dict[str, Any], keys: Sequence[str]) -> None:
    for key in keys:
        *path, name = key.split(".")
        place: Any = tree
        for part in path:
            place = place.get(part) if isinstance(place, dict) else None
        if isinstance(place, dict) and place.get(name) is None:
            place.pop(name, None)


def _overlay(known: Any, given: Any) -> Iterator[str]:
    """Puts each ``${...}`` that was given, and not overridden, in its place among all keys; yields them all."""
    for key, value in list(given.items()) if isinstance(given, dict) else list(enumerate(given)):
        within = isinstance(known, dict) or (isinstance(known, list) and isinstance(key, int) and key < len(known))
        if isinstance(value, str) and _MARK in value:
            yield value
            if within:
                known[key] = value
        elif isinstance(value, dict | list):
            if isinstance(known, dict):
                known.setdefault(key, type(value)())
            yield from _overlay(known[key] if within else None, value)


def _value(text: str, value_of: Callable[[str], Any], *, default: Any) -> Any:
    from omegaconf.errors import OmegaConfBaseException  # noqa: PLC0415 -- as above

    try:
        return value_of(text)
    except OmegaConfBaseException:
        return default


def _values_in(tree: Mapping[str, Any]) -> Callable[[str], Any]:
    """What a text with ``${...}`` is, where these are all keys; made once, for a configuration has hundreds of them."""

    @cache
    def content() -> Any:
        from omegaconf import OmegaConf  # noqa: PLC0415 -- as above

        return OmegaConf.create({**tree})

    def value_of(text: str) -> Any:
        from omegaconf import OmegaConf  # noqa: PLC0415 -- as above

        content()[_VALUE] = text
        value = content()[_VALUE]
        return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value

    return value_of


def _reason(error: Exception, known: Mapping[str, Any], filled_later: Sequence[str]) -> str:
    reason = str(error).partition("\n")[0].rstrip(".")
    found = _NOT_FOUND.match(reason)
    if found is None and "no viable alternative" in reason:
        return "expected ${path.of.a.key} or ${oc.env:VARIABLE}, closed by a brace."
    if found is None:
        return f"{reason}."
    if found[1] in filled_later:
        return f"{found[1]} is filled by the data when they are there: expected a key of a configuration."
    near = _near(found[1], list(_paths(known)))
    way_out = (
        f"did you mean ${{{near[0]}}}?" if near else "expected a whole path, such as ${data.init_args.batch_size}."
    )
    return f"there is no {found[1]}; {way_out}"


def _near(path: str, paths: Sequence[str]) -> list[str]:
    """The path that was meant: flags may leave out init_args, a reference may not."""
    short = [known for known in paths if known.replace(".init_args", "") == path.replace(".init_args", "")]
    return short or get_close_matches(path, paths, n=1, cutoff=0.8)


def _paths(tree: Any, path: str = "") -> Iterator[str]:
    for key, value in tree.items() if isinstance(tree, Mapping) else ():
        yield f"{path}{key}"
        yield from _paths(value, f"{path}{key}.")
