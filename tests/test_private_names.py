"""Private names of Lightning, torch and wandb stand in the seams: a new one elsewhere fails here."""

import ast
import importlib
import inspect
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import lit_gan

_PACKAGE = Path(lit_gan.__file__).parent
_OTHERS = ("lightning", "torch", "wandb")
#: Where private names may stand, and of whom.
_SEAMS = {
    "engine/lightning_seam.py": "lightning",
    "strategies/lightning_seam.py": "lightning",
    "functional/torch_seam.py": "torch",
    "loggers/wandb/": "wandb and lightning",
    "cli/parsing/json_schema.py": "jsonargparse",
}
# Python's own: of named tuples and of `os` public all the same, and argparse lists its options in no other way.
_PYTHONS = {"_fields", "_asdict", "_replace", "_exit", "_actions"}


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def _whose(module: str) -> str | None:
    top = module.split(".", maxsplit=1)[0]
    return top if top in _OTHERS else None


@pytest.fixture(scope="module")
def sources() -> dict[str, ast.Module]:
    """Of the package; a fixture, for what shares one is run by one process."""
    paths = {path.relative_to(_PACKAGE).as_posix(): path for path in sorted(_PACKAGE.rglob("*.py"))}
    kept = {name: path for name, path in paths.items() if not name.startswith(("configs/", "sweeps/"))}
    return {name: ast.parse(path.read_text()) for name, path in kept.items()}


def _names_defined_in(tree: ast.AST) -> set[str]:
    """Methods, functions, attributes that it sets on itself, and names of a class."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and _is_self(node.value):
            found.add(node.attr)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
    return found


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and _whose(node.module or ""):
            parts = [*(node.module or "").split("."), *(alias.name for alias in node.names)]
            yield from (f"{node.module}: {part}" for part in parts if _is_private(part))
        elif isinstance(node, ast.Import):
            yield from (each.name for each in node.names if _whose(each.name) and "._" in each.name)


def _reached(tree: ast.Module, own: set[str]) -> Iterator[str]:
    """Private attributes of other objects, by a dot or by a text, that nothing of ours defines."""
    for node in ast.walk(tree):
        name = None
        if isinstance(node, ast.Attribute):
            name = None if _is_self(node.value) else node.attr
        elif (
            isinstance(node, ast.Subscript) and isinstance(node.value, ast.Attribute) and node.value.attr == "__dict__"
        ):
            name = _text(node.slice)
        elif isinstance(node, ast.Call) and len(node.args) > 1:
            of_dict = isinstance(node.func, ast.Attribute) and "__dict__" in ast.dump(node.func.value)
            by_text = isinstance(node.func, ast.Name) and node.func.id in ("getattr", "setattr", "hasattr", "delattr")
            name = _text(node.args[1]) if by_text else _text(node.args[0]) if of_dict else None
        if name is not None and _is_private(name) and name not in own | _PYTHONS:
            yield name


def _is_self(node: ast.expr) -> bool:
    """Looked at with the class that it is."""
    is_super = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super"
    return is_super or (isinstance(node, ast.Name) and node.id in ("self", "cls"))


def _text(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _inherited(name: str, tree: ast.Module) -> Iterator[str]:
    """Private names that a class of ours uses or replaces, and one of its bases of theirs defines."""
    nodes = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.bases]
    if not nodes or name.endswith("__main__.py"):
        return
    module = importlib.import_module(".".join(["lit_gan", *name.removesuffix(".py").split("/")]))
    for node in nodes:
        bases = [base for base in getattr(module, node.name).__mro__ if _whose(base.__module__)]
        theirs = set().union(*map(_private_names_of, bases))
        for part in ast.walk(node):
            used = part.attr if isinstance(part, ast.Attribute) and _is_self(part.value) else None
            used = part.name if isinstance(part, ast.FunctionDef) else used
            if used in theirs:
                yield f"{node.name}.{used}"


@cache
def _private_names_of(base: type) -> set[str]:
    try:
        tree = ast.parse(inspect.getsource(sys.modules[base.__module__]))
    except (OSError, TypeError):  # compiled
        return {name for name in vars(base) if _is_private(name)}
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name == base.__name__]
    return {name for node in classes for name in _names_defined_in(node) if _is_private(name)}


@pytest.fixture(scope="module")
def found(sources: dict[str, ast.Module]) -> dict[str, set[str]]:
    """The private names in each."""
    own = set().union(*map(_names_defined_in, sources.values()))
    return {name: {*_imported(tree), *_reached(tree, own), *_inherited(name, tree)} for name, tree in sources.items()}


@pytest.mark.filterwarnings("ignore")
def test_private_names_of_others_stand_in_the_seams(found: dict[str, set[str]]) -> None:
    elsewhere = {name: names for name, names in found.items() if names and not name.startswith(tuple(_SEAMS))}
    assert not elsewhere, "move each into a seam, with its reason and the test that holds it"
    for seam in _SEAMS:
        assert any(names for name, names in found.items() if name.startswith(seam)), f"{seam}: nothing private is left"


def test_what_stands_in_the_seams_is_counted(found: dict[str, set[str]]) -> None:
    """Fewer is better: who adds one says why beside it, and counts it here."""
    counts = {seam: sum(len(names) for name, names in found.items() if name.startswith(seam)) for seam in _SEAMS}
    del counts["loggers/wandb/"]
    assert counts == {
        "engine/lightning_seam.py": 14,
        "strategies/lightning_seam.py": 15,
        "functional/torch_seam.py": 14,
        "cli/parsing/json_schema.py": 1,
    }


@pytest.mark.parametrize(
    "source",
    [
        "from lightning.pytorch.cli import _InstantiatorFn",
        "from torch._dynamo import config",
        "import wandb._private",
        "trainer.fit_loop._data_fetcher",
        "getattr(trainer, '_logger_connector')",
        "loop.__dict__['_iteration_based_training'] = None",
        "loop.__dict__.pop('_should_check_val_fx', None)",
    ],
)
def test_each_way_to_a_private_name_is_seen(source: str) -> None:
    tree = ast.parse(source)
    assert len([*_imported(tree), *_reached(tree, set())]) == 1


def test_a_private_name_of_a_base_class_is_seen(sources: dict[str, ast.Module]) -> None:
    name = "strategies/lightning_seam.py"
    assert "ReducingStrategy._configure_launcher" in set(_inherited(name, sources[name]))
