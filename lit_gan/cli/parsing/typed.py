"""What was typed, against what is known: options, the keys of configurations, and the classes that they name."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from lit_gan.cli.parsing.known_options import BUILT, known_options
from lit_gan.cli.parsing.shipped import CONFIG_OPTIONS
from lit_gan.cli.parsing.signatures import arguments_of, is_at_hand
from lit_gan.cli.parsing.suggestions import full_path
from lit_gan.errors import UserError, in_short
from lit_gan.runs.plain_data import excess, load_yaml

_CLASS_PATH = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")
_OF_A_CLASS = ("class_path", "dict_kwargs", "help")
_DEEPEST = 20  # mappings within mappings that are looked at; YAML can nest them in themselves


class _Texts(yaml.SafeLoader):
    """Everything that is no list and no mapping as the text that it is: what it means is the real parser's to say."""

    yaml_implicit_resolvers = {  # noqa: RUF012 -- PyYAML's own place for them
        "<": [("tag:yaml.org,2002:merge", re.compile("^(?:<<)$"))]
    }


class Unknown(NamedTuple):
    """A word of an option that is not known in its place."""

    parts: list[str]
    wrong: int
    siblings: frozenset[str]


class Typed:
    """Reads a command from left to right, as the parser will, and remembers the classes that it names."""

    def __init__(self, verb: str, *, at_hand: bool) -> None:
        self.classes: dict[tuple[str, ...], str] = {}
        self._known = known_options(verb)
        self._at_hand = at_hand

    def option(self, name: str, value: str | None) -> Unknown | None:
        """An option, and what follows it."""
        parts = name.split(".")
        first = parts[0].rstrip("+")
        if not self._known:
            return None
        if first not in self._known:
            return Unknown(parts, 0, frozenset(self._known))
        names = self._known[first]
        if first in BUILT:
            return self._built((first,), parts, 1, value)
        if names is None:
            return None
        if len(parts) == 1:
            return self._keys([first], names, _mapping(value)) if value else None
        name = parts[1].rstrip("+")
        return self._built((first, name), parts, 2, value) if name in names else Unknown(parts, 1, names)

    def file(self, content: Mapping[Any, Any]) -> Unknown | None:
        """A configuration."""
        for key, value in content.items() if self._known else ():
            if not isinstance(key, str) or "." in key:
                continue
            if key not in self._known:
                return Unknown([key], 0, frozenset(self._known))
            names = self._known[key]
            if key in BUILT:
                unknown = self._node([key], (key,), value)
            else:
                unknown = None if names is None else self._keys([key], names, value)
            if unknown is not None:
                return unknown
        return None

    def _keys(self, parts: list[str], names: frozenset[str], node: Any) -> Unknown | None:
        for key, value in node.items() if isinstance(node, Mapping) else ():
            if not isinstance(key, str) or "." in key:
                continue
            if key.rstrip("+") not in names:
                return Unknown([*parts, key], len(parts), names)
            unknown = self._node([*parts, key], (*parts, key.rstrip("+")), value)
            if unknown is not None:
                return unknown
        return None

    def _built(self, path: tuple[str, ...], parts: list[str], at: int, value: str | None) -> Unknown | None:
        """What is said of a class that is built, from the word at a position on."""
        if at < len(parts) and parts[at] == "init_args":
            at += 1
        if at >= len(parts) or parts[at] in _OF_A_CLASS:
            if value is not None and parts[-1] in (path[-1], f"{path[-1]}+", "class_path"):
                node = _mapping(value)
                return self._node(parts, path, value if node is None else node)
            return None
        name, names = parts[at].rstrip("+"), self._arguments(path)
        if names is not None and name not in names:
            return Unknown(parts, at, names)
        return self._built((*path, name), parts, at + 1, value)

    def _node(self, parts: list[str], path: tuple[str, ...], node: Any) -> Unknown | None:
        """What stands in a configuration where something may be built."""
        if len(path) > _DEEPEST:
            return None
        if isinstance(node, str):
            self._note(path, node)
        if isinstance(node, Sequence) and not isinstance(node, str):
            items = [self._node([*parts, str(index)], (*path, str(index)), item) for index, item in enumerate(node)]
            return next((unknown for unknown in items if unknown is not None), None)
        if not isinstance(node, Mapping):
            return None
        if isinstance(node.get("class_path"), str):
            self._note(path, node["class_path"])
        return self._init_args([*parts, "init_args"], path, node.get("init_args"))

    def _init_args(self, parts: list[str], path: tuple[str, ...], given: Any) -> Unknown | None:
        names = self._arguments(path)
        for key, value in given.items() if isinstance(given, Mapping) else ():
            if not isinstance(key, str) or "." in key:
                continue
            if names is not None and key.rstrip("+") not in names:
                return Unknown([*parts, key], len(parts), names)
            unknown = self._node([*parts, key], (*path, key.rstrip("+")), value)
            if unknown is not None:
                return unknown
        return None

    def _note(self, path: tuple[str, ...], class_path: str) -> None:
        """From here on the argument is of this class; what was said of another one's arguments counts no longer."""
        if self.classes.get(path) == class_path:
            return
        class_path = class_path if self._at_hand else full_path(class_path)
        self.classes = {known: each for known, each in self.classes.items() if known[: len(path)] != path}
        if _CLASS_PATH.fullmatch(class_path) and (is_at_hand(class_path) or not self._at_hand):
            self.classes[path] = class_path

    def _arguments(self, path: tuple[str, ...]) -> frozenset[str] | None:
        class_path = self.classes.get(path)
        return None if class_path is None else arguments_of(class_path)


def options_in(arguments: Iterable[str]) -> Iterator[tuple[str, str | None]]:
    """The options of a command line, dashes included, each with what follows it.

    Example:
        >>> list(options_in(["--a=1", "--b", "2", "--c"]))
        [('--a', '1'), ('--b', '2'), ('--c', None)]
    """
    words = list(arguments)
    words = words[: words.index("--")] if "--" in words else words
    for index, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name not in CONFIG_OPTIONS and (not name.startswith("--") or " " in name):
            continue
        following = words[index + 1] if index + 1 < len(words) else None
        yield name, value if equals else None if following is None or following.startswith("--") else following


def read_config(path: Path) -> Any:
    """What stands in a configuration, every value a text."""
    try:
        content = load_yaml(path.read_text(encoding="utf-8"), _Texts)
    except OSError as error:
        raise UserError(f"cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise UserError(f"expected a YAML file, and it is no text: {error}.") from error
    except yaml.YAMLError as error:
        raise UserError(f"expected a YAML file, and it is none: {_fault(error)}.") from error
    except RecursionError as error:
        raise UserError("it nests too deep.") from error
    except Exception as error:  # `!!int x`: each of PyYAML's constructors fails in its own way
        reason = in_short(error)
        raise UserError(f"expected a YAML file, and it is none: its tag cannot have that value ({reason}).") from error
    if _holds_itself(content, (), set()):
        raise UserError("an alias (*) stands within what it stands for.")
    if fault := excess(content):
        raise UserError(f"{fault}: expected a configuration.")
    if not isinstance(content, Mapping):
        got = "an empty file" if content in (None, "") else "a list" if isinstance(content, list) else content
        raise UserError(f"expected keys such as model and data, got {got}.")
    return content


def _holds_itself(node: Any, around: tuple[int, ...], done: set[int]) -> bool:
    if not isinstance(node, Mapping | list) or id(node) in done:
        return False
    if id(node) in around:
        return True
    inner = node.values() if isinstance(node, Mapping) else node
    found = any(_holds_itself(each, (*around, id(node)), done) for each in inner)
    done.add(id(node))  # aliases of aliases would be looked into again and again
    return found


def _fault(error: yaml.YAMLError) -> str:
    """What is wrong, and where."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return " ".join(str(error).split())
    mark = error.problem_mark
    place = "" if mark is None else f" at line {mark.line + 1}, column {mark.column + 1}"
    return f"{error.problem or error.context}{place}"


def _mapping(value: str | None) -> Mapping[Any, Any] | None:
    """A value that is written as a mapping."""
    if value is None or not value.lstrip().startswith("{"):
        return None
    try:
        content = load_yaml(value, _Texts)
    except (yaml.YAMLError, RecursionError):
        return None
    return content if isinstance(content, Mapping) else None
