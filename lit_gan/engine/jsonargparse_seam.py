"""The private names of jsonargparse that are needed here, and why."""

import sys
from functools import lru_cache
from typing import Any, TypeVar

import jsonargparse
from jsonargparse import Namespace, _namespace, _subcommands
from jsonargparse.typing import _LazyInitBaseClass

_Class = TypeVar("_Class")


def default_instance(kind: type[_Class]) -> _Class:
    """An instance that stands as a default in a signature, of which the command line knows the class and its arguments.

    jsonargparse 4.53's ``lazy_instance`` makes the same, but to find out where it was called it reads the source of
    every module on the stack and looks through all that are imported: at four defaults most of what this package's own
    import took.
    """
    name = f"LazyInstance_{kind.__name__}"
    made = type(name, (_LazyInitBaseClass, kind), {"__doc__": f"A lazy instance of {kind}.", "__module__": __name__})
    globals()[name] = made  # where whoever reads the path of the class finds it
    instance: _Class = made(kind, {})
    return instance


# -- The same in less time --------------------------------------------------------------------------------------------

# A command passes here tens of thousands of times: that took two fifths of what its parsing takes.
_READ = "4.53."  # the version whose functions have been read; another one keeps its own
_FIND = "find_action_and_subcommand"  # which other modules have imported by its name
_KEPT = "_lit_gan_found"  # on a parser: its actions, and which of them each key was found to be

_their_parse_key: Any = Namespace._parse_key  # noqa: SLF001 -- as all of this
_their_clone: Any = Namespace.clone
_their_copy: Any = _namespace.recreate_branches
_their_find: Any = getattr(_subcommands, _FIND)


def quicken() -> None:
    """Has jsonargparse split keys, copy namespaces and find the action of a key faster, with the same results."""
    if not jsonargparse.__version__.startswith(_READ):
        return
    Namespace._parse_key = _parse_key  # type: ignore[method-assign]  # noqa: SLF001
    Namespace.clone = _clone  # type: ignore[method-assign]
    for name, module in list(sys.modules.items()):
        if name.startswith("jsonargparse.") and vars(module).get(_FIND) is _their_find:
            setattr(module, _FIND, _find)


@lru_cache(maxsize=1 << 14)
def _parts(key: str) -> tuple[tuple[str, ...], str, str] | None:
    """The namespaces that a key leads through, its name in the last, and its path; None where it is none."""
    names = key.split(".")
    if " " in key or "" in names:
        return None
    *outer, leaf = map(_namespace.add_clash_mark, names)
    return tuple(outer), leaf, ".".join(outer)


def _parse_key(self: Namespace, key: str) -> tuple[str, Any, str]:
    found = _parts(key) if type(key) is str else None
    if found is None:  # what is wrong is theirs to tell
        return _their_parse_key(self, key)  # type: ignore[no-any-return]
    outer, leaf, path = found
    place: Any = self
    for name in outer:
        if not (hasattr(place, name) or (isinstance(place, dict) and name in place)):
            return leaf, None, path
        place = place[name] if isinstance(place, dict) else getattr(place, name)
        if place is not None and not isinstance(place, Namespace | dict):
            return leaf, None, path
    return leaf, place, path


def _clone(self: Namespace, with_meta: bool = True) -> Namespace:
    copied: Namespace = _copied(self, frozenset() if with_meta else _namespace.meta_keys)
    return copied


def _copied(data: Any, left_out: Any) -> Any:
    kind = type(data)
    if kind is Namespace:
        space = kind()
        own = vars(space)
        for key, value in vars(data).items():
            if key not in left_out:
                plain = key.isidentifier() and key not in _namespace.clash_names
                (own if plain else space)[key] = _copied(value, left_out)
        return space
    if kind is dict:
        return {key: _copied(value, left_out) for key, value in data.items() if key not in left_out}
    if kind is list:
        return [_copied(value, left_out) for value in data]
    return _their_copy(data, left_out) if isinstance(data, Namespace | dict | list) else data


def _find(parser: Any, dest: str, exclude: Any = None) -> tuple[Any, str | None]:
    """Looked up once for each key of a parser that has no subcommands, until its actions are others."""
    kept, actions = vars(parser).get(_KEPT), parser._actions  # noqa: SLF001
    if kept is None or kept[0] != actions:
        nested = any(isinstance(action, _subcommands.ActionSubCommands) for action in actions)
        kept = vars(parser)[_KEPT] = ([*actions], None if nested else {})
    found: dict[Any, Any] | None = kept[1]
    if found is None:
        return _their_find(parser, dest, exclude)  # type: ignore[no-any-return]
    if (dest, exclude) not in found:
        found[dest, exclude] = _their_find(parser, dest, exclude)
    return found[dest, exclude]  # type: ignore[no-any-return]
