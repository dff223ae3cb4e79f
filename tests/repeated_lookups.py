"""What libraries look up again for each command, and find the same each time: in the tests, looked up once.

A session of tests parses two thousand commands and makes as many trainers, in a process with five thousand modules and
deep stacks. All here gives what the library would have found; fresh processes are left as they are.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache, wraps
from operator import attrgetter
from types import FunctionType, SimpleNamespace
from typing import Any
from weakref import WeakKeyDictionary

import pytest


@contextmanager
def looked_up_once() -> Iterator[None]:
    """For as long as this is open; what is not imported yet is let be."""
    with pytest.MonkeyPatch.context() as patch:
        for module, name, replacement in (
            # The metadata of all that is installed: Lightning for each Trainer, a run for its environment.json.
            ("lightning.fabric.utilities.registry", "entry_points", cache),
            ("lit_gan.runs.environment", "_installed", cache),
            # A driver that is not there, each time that a Trainer asks for devices.
            ("torch.cuda", "_device_count_nvml", cache),
            # Whether TorchScript reads a method, by the file of every frame: a hundred of them, below pytest.
            ("lightning.pytorch.utilities.model_helpers", "inspect", lambda _: SimpleNamespace(stack=list)),
            ("jsonargparse._subcommands", "find_action_and_subcommand", actions_by_name),
            ("jsonargparse._core", "find_action_and_subcommand", actions_by_name),
            ("jsonargparse._namespace", "Namespace._parse_key", plain_keys_first),
        ):
            owner = sys.modules.get(module)
            with suppress(AttributeError):  # an earlier or later version
                patch.setattr(f"{module}.{name}", replacement(attrgetter(name)(owner)))
        yield


def actions_by_name(find: Callable[..., Any]) -> Callable[..., Any]:
    """The parser's search through all options of a parser for one, a third of each parse; by name from then on.

    Args:
        find: ``find_action_and_subcommand``.
    """
    known: WeakKeyDictionary[Any, tuple[list[Any], dict[Any, Any]]] = WeakKeyDictionary()

    @wraps(find)
    def found(parser: Any, dest: str, exclude: Any = None) -> Any:
        actions, answers = known.get(parser, ([], {}))
        if actions != parser._actions:
            answers = {}
            known[parser] = [*parser._actions], answers
        if (dest, exclude) not in answers:
            answer = find(parser, dest, exclude)
            if any(hasattr(action, "_name_parser_map") for action in parser._actions):
                return answer  # a parser of subcommands has their options, too
            answers[dest, exclude] = answer
        return answers[dest, exclude]

    return found


def plain_keys_first(parse: FunctionType) -> Callable[..., Any]:
    """The place of a key in a namespace: a key without a dot is in that namespace itself.

    Args:
        parse: ``Namespace._parse_key``.
    """
    leaf = parse.__globals__["add_clash_mark"]

    @wraps(parse)
    def parsed(namespace: Any, key: Any) -> Any:
        if isinstance(key, str) and key.isidentifier():
            return leaf(key), namespace, ""
        return parse(namespace, key)

    return parsed
