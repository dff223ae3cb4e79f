"""Looking through what a file says of how things are built, before anything of it is built.

Whatever builds from a configuration imports what it names, and the code of a module runs then; it also reads files, and
parses texts, that it finds where a class belongs. A checkpoint, or the ``config.yaml`` of a run, may be anybody's.
"""

import inspect
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import yaml

from lit_gan.engine.import_policy import ImportPolicy, Naming, head_of, is_import_path, leads_anywhere
from lit_gan.errors import UserError
from lit_gan.runs.plain_data import parse_yaml

_INSTANTIATORS = (None, "lightning.pytorch.cli.instantiate_module", "pytorch_lightning.cli.instantiate_module")
_ARGUMENTS = ("init_args", "dict_kwargs")
_PLAIN = (str, int, float, bool, complex, bytes, type(None), Path)
_INTERPOLATION = re.compile(r"(?<!\\)(?:\\\\)*\$\{")  # one that is no text, as \${ is
_DEEPEST, _MOST = 100, 100_000


@dataclass(frozen=True)
class _Place:
    """Where a value stands, and what is known of what belongs there."""

    name: str  # as the user knows it: generator.activation
    owner: str = ""  # the package of the class whose argument it is
    types: frozenset[Any] | None = None  # what its annotation names; None where nobody knows
    hints: Mapping[str, Any] = field(default_factory=dict)  # of the keys below, where they are arguments
    depth: int = 0

    def below(self, key: str | None) -> "_Place":
        """The place of an item: one in a list has the types of its list."""
        name = self.name if key is None else f"{self.name}.{key}".lstrip(".")
        known = self.types if not self.hints else None
        types = _types_in(self.hints[key]) if key is not None and key in self.hints else known
        return _Place(name, self.owner, types, depth=self.depth + 1)

    @property
    def is_text(self) -> bool:
        """Whether a text stays one here, whatever it says."""
        return self.types is not None and all(each in _PLAIN for each in self.types)

    @property
    def is_anything(self) -> bool:
        """Whether no text is taken for an import path here."""
        return self.types is not None and all(each in (*_PLAIN, Any, object) for each in self.types)


class StoredConfiguration:
    """What a file says of how things are built.

    Args:
        source: What it is called: ``checkpoint runs/x/checkpoints/last.ckpt``.
        policy: What may be imported.
        folder: Where relative paths in it would lead, beside the working directory.
    """

    def __init__(self, source: str, policy: ImportPolicy, folder: Path | None = None) -> None:
        self._source = source
        self._policy = policy
        self._folders = (Path(), *([] if folder is None else [folder]))
        self._looked_at = 0

    def check_module(self, stored: Mapping[str, Any], built: type | None = None) -> Any:
        """Looks through what a LightningModule keeps in its checkpoint."""
        instantiator, path = stored.get("_instantiator"), stored.get("_class_path")
        if instantiator not in _INSTANTIATORS:
            Naming(self._source, "_instantiator", str(instantiator)).refuse("which is not Lightning's own")
        if path is not None:
            built = self._class_at(path, _Place("model"))
        inside = _Place("", _package_of(built), hints=_hints_of(built))
        for key, value in stored.items():
            if key not in ("_instantiator", "_class_path"):
                self._check(value, inside.below(str(key)))
        return built

    def check_sections(self, content: Mapping[str, Any], classes: Mapping[str, type]) -> None:
        """Looks through a configuration file."""
        for key, value in content.items():
            hints = _hints_of(classes[key]) if key in classes else {}
            self._check(value, _Place(str(key), hints=hints))

    def _check(self, value: Any, place: _Place) -> None:
        self._looked_at += 1
        if place.depth > _DEEPEST or self._looked_at > _MOST:
            raise UserError(f"{self._source} is nested too deeply for a configuration; give another file.")
        if isinstance(value, Mapping):
            self._check_mapping(value, place)
        elif isinstance(value, (list, tuple, set, frozenset)):
            for item in value:
                self._check(item, place.below(None))
        elif isinstance(value, str):
            self._check_text(value, place)

    def _check_mapping(self, value: Mapping[Any, Any], place: _Place) -> None:
        inside = place
        if "class_path" in value:
            built = self._class_at(value["class_path"], place)
            inside = _Place(place.name, _package_of(built), hints=_hints_of(built), depth=place.depth + 1)
        for key, item in value.items():
            if inside is not place and key in _ARGUMENTS and isinstance(item, Mapping):
                for name, each in item.items():
                    self._check(each, inside.below(str(name)))
            elif key != "class_path":
                self._check(item, inside.below(str(key)))

    def _class_at(self, path: Any, place: _Place) -> Any:
        """What is built; None for a name without a dot, which is that of a class that is there already."""
        naming = Naming(self._source, place.name, str(path), place.owner)
        if isinstance(path, str) and path.isidentifier():
            return None
        if not isinstance(path, str) or not is_import_path(path):
            naming.refuse("which is no import path of a class")
        found = self._policy.part(naming)
        if found is None:
            naming.refuse("and there is no such class")
        return found

    def _check_text(self, text: str, place: _Place) -> None:
        """A text may be an import path, a file to be read or YAML to be parsed, by what belongs to its place."""
        naming = Naming(self._source, place.name, text, place.owner, called=False)
        if _INTERPOLATION.search(text):
            naming.refuse("and a stored configuration has no ${...} any more: nothing is looked up for it")
        if place.is_text:
            return
        if isinstance(_parsed(text), (dict, list)):
            naming.refuse("which is a text that would be parsed")
        if place.is_anything:
            return
        if any(_is_file(folder / text) for folder in self._folders):
            naming.refuse("which is a file that would be read")
        if is_import_path(text) and leads_anywhere(text):
            self._policy.part(naming)


def import_paths_in(content: Any) -> Iterator[str]:
    """All texts in a configuration that could be import paths.

    Example:
        >>> sorted(import_paths_in({"model": {"class_path": "my_gan.GAN"}, "data": ["my_data.Cats", "cats"]}))
        ['my_data.Cats', 'my_gan.GAN']
    """
    if isinstance(content, Mapping):
        content = list(content.values())
    if isinstance(content, list):
        for item in content:
            yield from import_paths_in(item)
    elif isinstance(content, str) and is_import_path(content):
        yield content


def _types_in(annotation: Any) -> frozenset[Any]:
    """What an annotation names, at any depth; a callable stands for itself."""
    origin = get_origin(annotation)
    if origin is Literal:
        return frozenset({str})
    if origin in (Union, UnionType) or (isinstance(origin, type) and issubclass(origin, Collection)):
        return frozenset(each for part in get_args(annotation) if part is not ... for each in _types_in(part))
    return frozenset({annotation})


def _hints_of(built: Any) -> Mapping[str, Any]:
    """The annotations of the arguments that build it; what goes on to a base class has that one's."""
    if not isinstance(built, type):
        return {} if built is None else _own_hints(built)[0]
    hints: dict[str, Any] = {}
    for base in built.__mro__:
        if "__init__" in vars(base):
            own, goes_on = _own_hints(vars(base)["__init__"])
            hints = {**own, **hints}
            if not goes_on:
                break
    return hints


def _own_hints(function: Any) -> tuple[dict[str, Any], bool]:
    """Annotations, and whether more arguments are taken; one with none, and no class for a default, takes anything."""
    try:
        parameters = inspect.signature(function).parameters.values()
        annotated = get_type_hints(function)
    except Exception:  # a built-in has no signature, and an annotation may name what is nowhere
        return {}, False
    named = [each for each in parameters if each.kind is not each.VAR_KEYWORD]
    untyped = [each.name for each in named if each.default is each.empty or isinstance(each.default, _PLAIN)]
    hints = {
        **dict.fromkeys(untyped, Any),
        **{each.name: annotated[each.name] for each in named if each.name in annotated},
    }
    return hints, len(named) < len(parameters)


def _package_of(built: Any) -> str:
    return head_of(getattr(built, "__module__", None) or "")


def _parsed(text: str) -> Any:
    try:
        return parse_yaml(text)
    except yaml.YAMLError:
        return None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long for a name, or with a byte that no name has
        return False


def escaped(value: Any) -> Any:
    r"""Plain data in which every ``${`` is to be read as it stands.

    Example:
        >>> escaped({"name": "${x}", "sizes": [1, 2]})
        {'name': '\\${x}', 'sizes': [1, 2]}
    """
    if isinstance(value, Mapping):
        return {key: escaped(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [escaped(item) for item in value]
    return re.sub(r"(\\*)\$\{", r"\1\1\\${", value) if isinstance(value, str) else value
