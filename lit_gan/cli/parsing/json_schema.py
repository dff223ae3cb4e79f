"""The JSON Schema of a configuration, by which editors complete and check it: what the parser of `fit` takes."""

import collections.abc
import inspect
import types
from argparse import SUPPRESS
from collections.abc import Iterable, Iterator
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from jsonargparse import ArgumentParser
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lit_gan.cli.parsing.suggestions import offered_classes
from lit_gan.cli.trainer.command import parser_of
from lit_gan.errors import UserError

_OTHERS = (
    *("lit_gan.metrics", "lit_gan.extensions.masks", "torch.optim", "torch.optim.lr_scheduler"),
    *(f"lightning.pytorch.{part}" for part in ("callbacks", "loggers", "profilers", "strategies")),
)
_SCALARS: dict[Any, str] = {bool: "boolean", int: "integer", float: "number"}
_SEQUENCES = (list, tuple, set, frozenset, collections.abc.Sequence, collections.abc.Iterable, collections.abc.Set)
_OF_A_CLASS = ("class_path", "init_args", "dict_kwargs")
_NO_KEYS = ("help", "config", "print_config", "print_completion", "print_shtab")
# What is handed to an optimiser, or to its schedule, when it is made.
_HANDED: dict[type, str] = {Optimizer: "params", LRScheduler: "optimizer"}
_REFERENCE = {"type": "string", "pattern": r"\$\{.+\}", "description": "a value from elsewhere: ${...}"}
_TO_REFERENCE = {"$ref": "#/definitions/reference"}
# Keys that the parser takes beside: `trainer.max_epochs` for a key in a key, `callbacks+` to add to a list.
_SHORTHAND: dict[str, Any] = {r"[.]|[+]$": {}}


def configuration_schema(modules: Iterable[str] = ()) -> dict[str, Any]:
    """The schema (draft 7, which the YAML language server reads best).

    Nothing is required, since files are laid over one another. A class path that is not known is taken with any
    arguments; of one that is known each argument is named, typed and described.

    Args:
        modules: Modules of the user's own, whose classes are known, too.

    Raises:
        UserError: If one of them cannot be imported.
    """
    return _Writer(modules).whole()


class _Writer:
    def __init__(self, modules: Iterable[str]) -> None:
        self._classes = dict(_known_classes(modules))
        self._definitions: dict[str, Any] = {"reference": _REFERENCE}

    def whole(self) -> dict[str, Any]:
        properties: dict[str, Any] = {"$schema": {"type": "string"}}
        for action in _keys_of(parser_of("fit")[0]):
            *path, name = action.dest.split(".")
            place = properties
            for part in path:
                place = place.setdefault(part, _mapping({}))["properties"]
            place[name] = self._argument(action)
        title = {"title": "A configuration of lit-gan", "description": "for `lit-gan fit --config FILE`"}
        found = {"$schema": "http://json-schema.org/draft-07/schema#", **title, **_mapping(properties)}
        return {**found, "definitions": self._definitions}

    def _argument(self, action: Any) -> dict[str, Any]:
        # jsonargparse has no public name for an argument's type. ``tests/cli/test_schema.py``
        schema = self._of(getattr(action, "_typehint", None) or action.type)
        told = action.help if isinstance(action.help, str) and "==" not in action.help else ""
        return {**schema, **({"description": " ".join(told.split())} if told else {})}

    def _of(self, hint: Any) -> dict[str, Any]:
        """What a value of a type looks like in a file; anything where that cannot be told."""
        origin, arguments = get_origin(hint), get_args(hint)
        plain = _plain(hint, origin or hint, arguments)
        if plain is not None:
            return plain
        if origin in (Union, types.UnionType):
            return self._one_of(arguments)
        if (origin or hint) in _SEQUENCES:
            items = [each for each in arguments if each is not Ellipsis]
            return _or_reference({"type": "array", "items": self._one_of(items)})
        made = hint
        if (origin or hint) is collections.abc.Callable:
            made = arguments[-1] if arguments else None
        return self._kind(made) if self._fitting(made) else {}

    def _one_of(self, hints: Iterable[Any]) -> dict[str, Any]:
        schemas = [self._of(hint) for hint in hints]
        return {"anyOf": schemas} if schemas and {} not in schemas else {}

    def _fitting(self, base: Any) -> dict[type, list[str]]:
        if not isinstance(base, type) or base in (object, type) or base.__module__ == "builtins":
            return {}
        return {each: paths for each, paths in self._classes.items() if issubclass(each, base)}

    def _kind(self, base: type) -> dict[str, Any]:
        """A class: by its path alone, or with its arguments; each class's arguments are told where it is named."""
        name = f"{base.__module__}.{base.__qualname__}"
        if name not in self._definitions:
            self._definitions[name] = {}  # classes may hold their own kind
            fitting = self._fitting(base)
            names = [path for paths in fitting.values() for path in paths]
            path = {"anyOf": [{"enum": names}, {"type": "string", "pattern": r"^[A-Za-z_]\w*(\.\w+)+$"}]}
            known = [
                {
                    "if": {"properties": {"class_path": {"enum": paths}}, "required": ["class_path"]},
                    "then": {"properties": {"init_args": self._arguments(each, paths[0])}},
                }
                for each, paths in fitting.items()
            ]
            built = {
                "if": {"anyOf": [{"required": [key]} for key in _OF_A_CLASS]},
                "then": {"propertyNames": {"anyOf": [{"enum": list(_OF_A_CLASS)}, {"pattern": "[.]|[+]$"}]}},
            }
            keys = {"class_path": path, "init_args": {"type": "object"}, "dict_kwargs": {"type": "object"}}
            self._definitions[name] = {
                "if": {"type": "object"},
                "then": {"properties": keys, "allOf": [built, *known]},
                "else": {"anyOf": [{"enum": names}, {"type": "string", "pattern": "[./]"}, _TO_REFERENCE]},
            }
        return {"$ref": f"#/definitions/{name}"}

    def _arguments(self, made: type, path: str) -> dict[str, Any]:
        name = f"arguments-of-{path}"
        if name not in self._definitions:
            self._definitions[name] = {}
            handed = {argument for base, argument in _HANDED.items() if issubclass(made, base)}
            actions = _actions_of(made)
            found = {each.dest.removeprefix("of."): each for each in actions or ()}
            schema = _mapping({key: self._argument(each) for key, each in found.items() if key not in handed})
            self._definitions[name] = {"type": "object"} if actions is None else schema
        return {"$ref": f"#/definitions/{name}"}


def _plain(hint: Any, kind: Any, arguments: tuple[Any, ...]) -> dict[str, Any] | None:
    """What no class of ours is part of."""
    if hint in _SCALARS:
        return _or_reference({"type": _SCALARS[hint]})
    if kind is Literal:
        return _or_reference({"enum": list(arguments)})
    if hint is str or (isinstance(hint, type) and issubclass(hint, Path)):
        return {"type": "string"}
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {"enum": list(hint.__members__)}
    if kind in (dict, collections.abc.Mapping):
        return _or_reference({"type": "object"})
    return {"type": "null"} if hint is type(None) else None


def _or_reference(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, _TO_REFERENCE]}


def _mapping(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "patternProperties": _SHORTHAND,
        "additionalProperties": False,
    }


def _actions_of(made: type) -> list[Any] | None:
    """The arguments of a class as the parser has them; None where it cannot read them."""
    parser = ArgumentParser(exit_on_error=False)
    try:
        parser.add_class_arguments(made, "of", fail_untyped=False)
    except (ValueError, TypeError, AttributeError):
        return None
    return _keys_of(parser)


def _keys_of(parser: ArgumentParser) -> list[Any]:
    """The options that a file may give: not the help, nor the word for a group, whose members have keys."""
    actions = parser._actions  # noqa: SLF001 -- argparse lists them in no other way
    groups = {action.dest.rpartition(".")[0] for action in actions if not action.dest.endswith(".help")}
    return [
        action
        for action in actions
        if action.dest not in (*_NO_KEYS, *groups, SUPPRESS) and not action.dest.endswith(".help")
    ]


def _known_classes(modules: Iterable[str]) -> Iterator[tuple[type, list[str]]]:
    """The classes that something can be built of, and how each may be named."""
    paths = offered_classes()
    for module in _OTHERS:
        paths += [f"{module}.{name}" for name in dir(import_module(module)) if not name.startswith("_")]
    for module in modules:
        try:
            names = dir(import_module(module))
        except ImportError as error:
            raise UserError(f"schema {module}: {error}: expected a module that is installed, or lies here.") from error
        paths += [f"{module}.{name}" for name in names if not name.startswith("_")]
    found: dict[type, list[str]] = {}
    for path in paths:
        module, _, name = path.rpartition(".")
        made = getattr(import_module(module), name, None)  # what stands there for type checkers alone is none
        if isinstance(made, type) and not inspect.isabstract(made):
            found.setdefault(made, []).append(path)
    for made, names in found.items():
        yield made, list(dict.fromkeys([*names, f"{made.__module__}.{made.__qualname__}", made.__name__]))
