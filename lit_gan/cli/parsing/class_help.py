"""`lit-gan fit --help CLASS`: what a class is called with."""

import inspect
from importlib import import_module
from typing import Any

from docstring_parser import parse

from lit_gan.cli.parsing.signatures import annotation_of
from lit_gan.cli.parsing.suggestions import OFFERED_IN, full_path, likely_classes, offered_classes
from lit_gan.errors import UserError

_NOT_GIVEN = inspect.Parameter.empty


def class_help(name: str) -> str:
    """The arguments of a class, with their types, their defaults and what its docstring says of them."""
    path = full_path(name)
    found = _imported(path)
    told = _documented(found)
    summary, _, _ = (inspect.getdoc(found) or "").partition("\n")
    lines = [f"{path}: {summary}", ""]
    for parameter in _parameters(found):
        kind = annotation_of(path, parameter.name) or _type_text(parameter.annotation)
        default = "required" if parameter.default is _NOT_GIVEN else f"default: {_default_text(parameter.default)}"
        lines.append(f"  {parameter.name}: {kind} ({default})" if kind else f"  {parameter.name} ({default})")
        if parameter.name in told:
            lines.append(f"      {' '.join(told[parameter.name].split())}")
    return "\n".join(lines if len(lines) > 2 else [*lines, "  no arguments"])


def _imported(path: str) -> Any:
    module, _, name = path.rpartition(".")
    try:
        found = getattr(import_module(module), name, None) if module else None
    except (ImportError, ValueError, TypeError) as error:  # TypeError: for a path that begins with a dot
        raise UserError(f"--help {path}: {error}: expected a class that is installed, or lies here.") from error
    if not callable(found):
        alike = likely_classes(path, offered_classes())
        meant = f"did you mean {' or '.join(alike)}?" if alike else f"ours are in {', '.join(OFFERED_IN)}."
        raise UserError(f"--help {path}: there is no such class; {meant}")
    return found


def _parameters(found: Any) -> list[inspect.Parameter]:
    """Those of the class, and where it passes on whatever else it is given, those of the classes before it."""
    if not isinstance(found, type):
        return _named_parameters(inspect.signature(found))
    parameters: dict[str, inspect.Parameter] = {}
    for each in found.__mro__:
        if "__init__" not in vars(each) or each is object:
            continue
        signature = inspect.signature(vars(each)["__init__"])
        for parameter in _named_parameters(signature)[1:]:
            parameters.setdefault(parameter.name, parameter)
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in signature.parameters.values()):
            break
    return list(parameters.values())


def _named_parameters(signature: inspect.Signature) -> list[inspect.Parameter]:
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [parameter for parameter in signature.parameters.values() if parameter.kind not in several]


def _documented(found: Any) -> dict[str, str]:
    classes = found.__mro__ if isinstance(found, type) else (found,)
    told: dict[str, str] = {}
    for each in classes:
        for text in (each.__doc__, getattr(vars(each).get("__init__"), "__doc__", None)):
            for parameter in parse(text or "").params:
                told.setdefault(parameter.arg_name, parameter.description or "")
    return told


def _type_text(annotation: Any) -> str:
    if annotation is _NOT_GIVEN:
        return ""
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


def _default_text(default: Any) -> str:
    """A value as it is typed; one that is no plain value by what it is."""
    plain = default is None or isinstance(default, bool | int | float | str | tuple | list)
    if not plain:
        # A default that names its class is an instance of a class that jsonargparse makes of it.
        return "its own choice" if callable(default) else type(default).__name__.removeprefix("LazyInstance_")
    return "null" if default is None else str(default).lower() if isinstance(default, bool) else repr(default)
