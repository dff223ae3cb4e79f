"""What a class is called with, read from its source: nothing is imported, so that it takes milliseconds.

Where the source alone does not tell for certain (a dataclass, ``**kwargs`` that go elsewhere than to the base class, a
class that is made by a function), nothing is said of the class.
"""

import ast
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

#: Packages that are installed with this one: their sources can be read before anything of them is imported.
AT_HAND = ("lit_gan", "lightning", "torch")
_TAKE_NOTHING = frozenset({"object", "ABC", "Protocol", "Generic"})
_DEEPEST = 20  # imports and bases that are followed


class Definition(NamedTuple):
    """Where a class or a function is defined."""

    module: str
    node: ast.ClassDef | ast.FunctionDef


def is_at_hand(class_path: str) -> bool:
    """Whether a class belongs to a package whose source can be read at any time.

    Example:
        >>> is_at_hand("lit_gan.GAN"), is_at_hand("GAN"), is_at_hand("mine.GAN")
        (True, False, False)
    """
    return class_path.partition(".")[0] in AT_HAND and "." in class_path


def arguments_of(class_path: str) -> frozenset[str] | None:
    """The names of a class's arguments, or None where its source alone does not tell.

    Example:
        >>> sorted(arguments_of("lit_gan.coordination.FixedSteps"))
        ['k', 'micro_batches']
    """
    found = definition_of(class_path)
    return None if found is None else _arguments(found)


def annotation_of(class_path: str, argument: str) -> str | None:
    """The type of an argument as it stands in the source; that of the base class where it is passed on to it.

    Example:
        >>> annotation_of("lit_gan.ConditionalGAN", "objective")
        'Objective | None'
    """
    found = definition_of(class_path)
    for _ in range(_DEEPEST):
        if found is None or isinstance(found.node, ast.FunctionDef):
            return None
        constructor = _constructor(found.node)
        for parameter in [] if constructor is None else _parameters(constructor):
            if parameter.arg == argument:
                return None if parameter.annotation is None else ast.unparse(parameter.annotation)
        found = _first_base(found)
    return None


def definition_of(class_path: str) -> Definition | None:
    """The source of a class or a function."""
    module, _, name = class_path.rpartition(".")
    return _lookup(module, name, _DEEPEST) if module else None


def text_of(module: str, name: str, depth: int = _DEEPEST) -> str | None:
    """The text that a module's name stands for, or None where its source alone does not tell.

    Example:
        >>> text_of("lit_gan.cli.parsing.run_arguments", "_CHECKPOINT_OPTION")
        '--ckpt_path'
    """
    tree = _tree(module) if depth else None
    for node in [] if tree is None else _top_level(tree):
        if isinstance(node, ast.Assign) and any(ast.unparse(target) == name for target in node.targets):
            value = node.value
            return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else None
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return text_of(_absolute(module, node), alias.name, depth - 1)
    return None


def classes_in(module: str) -> dict[str, Definition]:
    """The public classes that a module or a package offers, by name, private bases and functions left out.

    Example:
        >>> "Hinge" in classes_in("lit_gan.objectives")
        True
    """
    tree = _tree(module)
    names = [] if tree is None else [name for node in _top_level(tree) for name in _names_of(node)]
    found = {name: _lookup(module, name, _DEEPEST) for name in names if name[:1].isupper()}
    return {name: each for name, each in found.items() if each is not None and isinstance(each.node, ast.ClassDef)}


def bases_of(found: Definition) -> set[str]:
    """The names of all classes that a class derives from, as far as they can be followed, its own among them."""
    names, waiting = {found.node.name}, [found]
    while waiting and len(names) < _DEEPEST:
        module, node = waiting.pop()
        for base in node.bases if isinstance(node, ast.ClassDef) else []:
            name = ast.unparse(base).partition("[")[0].rpartition(".")[2]
            deeper = None if name in names else _lookup(module, name, _DEEPEST)
            names.add(name)
            waiting += [] if deeper is None or deeper.module.startswith("torch.") else [deeper]
    return names


def is_abstract(found: Definition) -> bool:
    """Whether a class itself has a method that is left to others."""
    return any(
        ast.unparse(decorator).endswith("abstractmethod")
        for method in found.node.body
        if isinstance(method, ast.FunctionDef)
        for decorator in method.decorator_list
    )


def _arguments(found: Definition, depth: int = _DEEPEST) -> frozenset[str] | None:
    node = found.node
    if isinstance(node, ast.FunctionDef):
        return None if node.args.kwarg else frozenset(parameter.arg for parameter in _all(node))
    if node.decorator_list or any(isinstance(each, ast.FunctionDef) and each.name == "__new__" for each in node.body):
        return None
    constructor = _constructor(node)
    if constructor is None:
        return _inherited(found, depth)
    own = frozenset(parameter.arg for parameter in _parameters(constructor))
    if constructor.args.kwarg is None:
        return own
    inherited = _inherited(found, depth) if _passes_on(constructor, constructor.args.kwarg.arg) else None
    return None if inherited is None else own | inherited


def _inherited(found: Definition, depth: int) -> frozenset[str] | None:
    assert isinstance(found.node, ast.ClassDef)  # noqa: S101 -- functions inherit nothing
    bases = [ast.unparse(base).partition("[")[0] for base in found.node.bases]
    if all(base.rpartition(".")[2] in _TAKE_NOTHING for base in bases):
        return frozenset()
    base = _first_base(found)
    return None if base is None or not depth else _arguments(base, depth - 1)


def _first_base(found: Definition) -> Definition | None:
    """The class that the constructor is inherited from, and that ``super()`` means."""
    for base in found.node.bases if isinstance(found.node, ast.ClassDef) else []:
        if isinstance(base, ast.Name):
            if base.id not in _TAKE_NOTHING:
                return _lookup(found.module, base.id, _DEEPEST)
        elif not (isinstance(base, ast.Subscript) and ast.unparse(base.value) in _TAKE_NOTHING):
            return None
    return None


def _constructor(node: ast.ClassDef) -> ast.FunctionDef | None:
    return next((each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == "__init__"), None)


def _all(function: ast.FunctionDef) -> list[ast.arg]:
    return [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]


def _parameters(constructor: ast.FunctionDef) -> list[ast.arg]:
    return _all(constructor)[1:]


def _passes_on(constructor: ast.FunctionDef, kwargs: str) -> bool:
    """Whether ``**kwargs`` go to the constructor of the base class, and nowhere else."""
    used = sum(isinstance(node, ast.Name) and node.id == kwargs for node in ast.walk(constructor))
    passed = [
        node
        for node in ast.walk(constructor)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "super().__init__"
        and any(each.arg is None and ast.unparse(each.value) == kwargs for each in node.keywords)
    ]
    return len(passed) == 1 and used == 1


def _lookup(module: str, name: str, depth: int) -> Definition | None:
    tree = _tree(module) if depth else None
    if tree is None:
        return None
    for node in _top_level(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return Definition(module, node)
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return _lookup(_absolute(module, node), alias.name, depth - 1)
    return None


def _names_of(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.ClassDef):
        return [node.name]
    return [alias.asname or alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else []


def _absolute(module: str, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    is_package = (_source(module) or Path()).name == "__init__.py"
    parts = module.split(".")
    outer = parts[: len(parts) - node.level + is_package]
    return ".".join([*outer, *([node.module] if node.module else [])])


def _top_level(tree: ast.Module) -> Iterator[ast.stmt]:
    """What a module defines, under a condition as well."""
    waiting: list[ast.stmt] = list(tree.body)
    for node in waiting:
        yield node
        if isinstance(node, ast.If):
            waiting += [*node.body, *node.orelse]
        elif isinstance(node, ast.Try):
            waiting += node.body


@cache
def _tree(module: str) -> ast.Module | None:
    source = _source(module)
    try:
        return None if source is None else ast.parse(source.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None


def _source(module: str) -> Path | None:
    loaded = getattr(sys.modules.get(module), "__file__", None)
    if loaded is not None:
        return Path(loaded) if loaded.endswith(".py") else None
    root, *rest = module.split(".")
    spec = find_spec(root) if root in AT_HAND else None
    if spec is None or spec.origin is None:
        return None
    return _file_of(Path(spec.origin).parent.joinpath(*rest))


def _file_of(place: Path) -> Path | None:
    files: Sequence[Path] = (place / "__init__.py", place.with_name(f"{place.name}.py"))
    return next((file for file in files if file.is_file()), None)
