"""Every public name is on a page of the API, with its arguments, the shapes of tensors, its errors and an example."""

import ast
import importlib
import inspect
import pkgutil
import re
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import is_dataclass
from types import ModuleType
from typing import Any

import pytest
from documents import ROOT
from torch import Tensor

import lit_gan

_SECTION = re.compile(r"^(Args|Attributes|Raises|Example):\n((?:[ ]+.*\n|\n)*)", re.MULTILINE)
_SHAPE = re.compile(r"\(\w*[, ]|``\(|scalar|shape")
_USER_ERROR = re.compile(r"\braise UserError\b")


def _exported() -> list[Any]:
    """What the packages re-export, ``from ... import X as X``, and what lit_gan itself names."""
    found = [getattr(lit_gan, name) for name in lit_gan.__all__ if name != "__version__"]
    for package in pkgutil.walk_packages(lit_gan.__path__, "lit_gan."):
        if package.ispkg:
            module = importlib.import_module(package.name)
            tree = ast.parse(inspect.getsource(module))
            names = [alias for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names]
            found += [getattr(module, alias.name) for alias in names if alias.asname == alias.name]
    return [each for each in found if inspect.isclass(each) or inspect.isfunction(each)]


def _on_pages() -> dict[str, Any]:
    """The classes and functions of the API pages, by name; those of a module that is named, too."""
    found = {}
    for page in (ROOT / "docs" / "api").glob("*.md"):
        for path in re.findall(r"^::: (\S+)$", page.read_text(), re.MULTILINE):
            above, _, name = path.rpartition(".")
            each = getattr(importlib.import_module(above), name, None) or importlib.import_module(path)
            found |= _members(each) if inspect.ismodule(each) else {path: each}
    return found


def _members(module: ModuleType) -> dict[str, Any]:
    own = {name: each for name, each in vars(module).items() if getattr(each, "__module__", None) == module.__name__}
    own = {name: each for name, each in own.items() if inspect.isclass(each) or inspect.isfunction(each)}
    return {f"{module.__name__}.{name}": each for name, each in own.items() if not name.startswith("_")}


_NAMES = _on_pages()


def test_what_a_package_exports_is_on_a_page() -> None:
    assert {each.__qualname__ for each in _exported()} <= {each.__qualname__ for each in _NAMES.values()}


@pytest.mark.parametrize("name", _NAMES)
def test_a_public_name_is_documented(name: str) -> None:
    each = _NAMES[name]
    assert _lacking(each) == []


def _lacking(each: Any) -> list[str]:
    if not inspect.isclass(each):
        shown = ">>>" in (each.__doc__ or "") or _is_run_on_a_page(each.__name__)
        return [*_lacking_of_function(each, each.__doc__), *([] if shown else ["an example"])]
    docstring = inspect.cleandoc(each.__doc__ or "")
    lacking = _lacking_of_function(each, docstring) if "__init__" in vars(each) else []
    texts = [docstring]
    for name, method in _methods(each):
        texts.append(inspect.cleandoc(method.__doc__ or ""))
        of_class = _section(docstring, "Raises")
        inherited = any(name in vars(base) for base in each.__mro__[1:])
        for what in _lacking_of_function(method, texts[-1], inherited=inherited):
            if what != "Raises" or not of_class:
                lacking.append(f"{name}: {what}")
    shown = any(">>>" in text for text in texts) or issubclass(each, BaseException) or _is_given_by_another(each)
    return lacking if shown else [*lacking, "an example"]


def _is_run_on_a_page(name: str) -> bool:
    """Whether a how-to has it in its code: what trains for minutes is no doctest."""
    pages = (page.read_text() for page in (ROOT / "docs" / "how-to").glob("*.md"))
    return any(
        f"{name}(" in block for page in pages for block in re.findall(r"^```python\n(.*?)^```", page, re.M | re.S)
    )


def _is_given_by_another(each: type) -> bool:
    """Whether it is a record that a documented function returns: then the example is that function's."""
    functions = [function for function in _NAMES.values() if inspect.isfunction(function)]
    record = is_dataclass(each) or issubclass(each, tuple)
    return record and any(each.__name__ in str(inspect.signature(function).return_annotation) for function in functions)


def _methods(each: type) -> Iterator[tuple[str, Callable[..., Any]]]:
    for name, member in vars(each).items():
        method = getattr(member, "__func__", getattr(member, "fget", member))
        own = inspect.isfunction(method) and method.__qualname__ == f"{each.__qualname__}.{name}"
        if own and (not name.startswith("_") or name == "__call__"):
            yield name, method


def _lacking_of_function(function: Callable[..., Any], docstring: str | None, *, inherited: bool = False) -> list[str]:
    docstring = inspect.cleandoc(docstring or "")
    if not docstring:
        return ["a docstring"]
    lacking = [] if inherited else _arguments_lacking(function, docstring)
    bodies = [function]
    if inspect.isclass(function):  # its constructor, which a dataclass has none of that is written down
        bodies = [vars(function)[name] for name in ("__init__", "__post_init__") if name in vars(function)]
        bodies = bodies[1:] if is_dataclass(function) else bodies
    raises = any(_USER_ERROR.search(inspect.getsource(inspect.unwrap(body))) for body in bodies)
    if raises and not _section(docstring, "Raises"):
        lacking.append("Raises")
    return lacking


def _arguments_lacking(function: Callable[..., Any], docstring: str) -> list[str]:
    lacking, described = [], _section(docstring, "Args") + _section(docstring, "Attributes")
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name in ("self", "cls") or parameter.name.startswith("_"):
            continue
        text = re.search(rf"^\*{{0,2}}{parameter.name}:(.*(?:\n +.*)*)", described, re.MULTILINE)
        if text is None:
            lacking.append(parameter.name)
        elif parameter.annotation in (Tensor, Tensor | None) and not _SHAPE.search(text[1]):
            lacking.append(f"the shape of {parameter.name}")
    return lacking


def _section(docstring: str, title: str) -> str:
    found = [text for name, text in _SECTION.findall(docstring + "\n") if name == title]
    return textwrap.dedent(found[0]) if found else ""
