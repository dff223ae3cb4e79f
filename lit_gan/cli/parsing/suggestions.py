"""Which option or class was meant by one that does not exist."""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches

from lit_gan.cli.parsing.known_options import BUILT, known_options
from lit_gan.cli.parsing.signatures import annotation_of, arguments_of, bases_of, classes_in, definition_of, is_abstract
from lit_gan.cli.parsing.usual_names import usually_called

_MOST = 3
_ALIKE = 0.75
#: Where classes of ours are found that an argument may be.
OFFERED_IN = tuple(
    f"lit_gan{module}"
    for module in (
        *("", ".networks", ".objectives", ".penalties", ".augmentation", ".latents", ".coordination", ".schedules"),
        *(".data", ".callbacks"),
    )
)
_USED_WITH_THEM = ("torch.optim", "lightning.pytorch.callbacks", "torch.optim.lr_scheduler")
_BASES_OF_ROOTS = {
    ("model",): "LightningModule",
    ("data",): "LightningDataModule",
    ("trainer", "callbacks"): "Callback",
}
#: The class of each argument by its path, ``init_args`` left out: what the configurations and options name so far.
Classes = Mapping[tuple[str, ...], str]
# Public for readers who derive from it: with no training step of its own it is nothing to choose.
_BASES = ("RoundModule",)


def did_you_mean(names: Iterable[str], dashes: str = "--") -> str:
    """A question, or nothing where there are no names.

    Example:
        >>> did_you_mean(["k"])
        'did you mean --k?'
    """
    found = [f"{dashes}{name}" for name in names]
    return f"did you mean {' or '.join(found)}?" if found else ""


def likely_options(verb: str, parts: list[str], wrong: int, siblings: Iterable[str], classes: Classes) -> list[str]:
    """The options that may have been meant, in full."""
    typed, behind = parts[wrong], parts[wrong + 1 :]
    siblings = get_close_matches(typed, sorted(siblings), _MOST, _ALIKE)
    if wrong:
        in_place = [".".join([*parts[:wrong], name, *behind]) for name in siblings]
        return in_place or ([] if behind else _elsewhere(verb, typed, classes) or _like(verb, typed, classes))
    if behind:
        names = siblings or _elsewhere(verb, typed, classes)
    else:
        names = _elsewhere(verb, typed, classes) or siblings or _like(verb, typed, classes)
    return [".".join([name, *behind]) for name in names]


def _elsewhere(verb: str, name: str, classes: Classes) -> list[str]:
    """Options that are usually called so, or whose last word is the name."""
    everywhere = dict(_all_options(verb, classes))
    usual = [option for option in usually_called(name) if _is_of(verb, option, classes)]
    if len(usual) == 1 and " " in usual[0] and (given := usual[0].rpartition("--")[2]) in everywhere:
        return [given]  # the class is named already
    return usual or [option for option, last in everywhere.items() if last == name][:_MOST]


def _like(verb: str, name: str, classes: Classes) -> list[str]:
    """Options whose last word is like the name."""
    everywhere = dict(_all_options(verb, classes))
    alike = get_close_matches(name, set(everywhere.values()), 1, _ALIKE)
    return [option for option, last in everywhere.items() if last in alike][:_MOST]


def _is_of(verb: str, option: str, classes: Classes) -> bool:
    """Whether the verb has an option; in doubt, for a class that is not known, it has."""
    first, _, rest = option.partition(".")
    known = known_options(verb)
    names = known.get(first)
    owner, _, argument = option.rpartition(".init_args.")
    taken = arguments_of(classes.get(tuple(owner.split(".init_args.")), ""))
    return first in known and (names is None or rest in names) and (taken is None or argument.split()[0] in taken)


def _all_options(verb: str, classes: Classes) -> Iterator[tuple[str, str]]:
    """Every option in full, and its last word."""
    for first, names in known_options(verb).items():
        if first not in BUILT:
            yield first, first
            yield from ((f"{first}.{name}", name) for name in names or ())
    for path, class_path in classes.items():
        if path[0] in BUILT:
            for name in sorted(arguments_of(class_path) or ()):
                yield ".init_args.".join([*path, name]), name


def fitting_classes(path: tuple[str, ...], classes: Classes) -> list[str]:
    """The classes of ours that an argument may be, by their import paths."""
    wanted = _expected_class(path, classes)
    if wanted is None:
        return []
    if wanted == "Optimizer":
        return [f"torch.optim.{name}" for name in classes_in("torch.optim") if name != wanted]
    definitions = {path: definition_of(path) for path in offered_classes()}
    found = {path: bases_of(definition) for path, definition in definitions.items() if definition is not None}
    fitting = {name: bases for name, bases in found.items() if wanted in bases and name.rpartition(".")[2] != wanted}
    if wanted == "Module":  # a network: those of this player, if there are such
        fitting = {name: bases for name, bases in fitting.items() if not bases & {"LightningModule", "Linear"}}
        own = [name for name, bases in fitting.items() if path[-1].capitalize() in bases]
        return own or list(fitting)
    return list(fitting)


def _expected_class(path: tuple[str, ...], classes: Classes) -> str | None:
    """The name of the class that an argument has to derive from."""
    if path in _BASES_OF_ROOTS:
        return _BASES_OF_ROOTS[path]
    owner = classes.get(path[:-1])
    annotation = None if owner is None else annotation_of(owner, path[-1])
    if annotation is None:
        return None
    if annotation == "OptimizerCallable":
        return "Optimizer"
    name = annotation.partition("|")[0].strip().rpartition(".")[2]
    return name if name.isidentifier() else None  # int is no class of ours, and nothing will derive from it


def full_path(class_path: str) -> str:
    """The import path of a class of ours that is given by its bare name.

    Example:
        >>> full_path("Hinge"), full_path("mine.Hinge"), full_path("Mine")
        ('lit_gan.objectives.Hinge', 'mine.Hinge', 'Mine')
    """
    if "." in class_path or not class_path[:1].isupper():
        return class_path
    found = (f"{module}.{class_path}" for module in (*OFFERED_IN, *_USED_WITH_THEM) if class_path in classes_in(module))
    return next(found, class_path)


def offered_classes() -> list[str]:
    """The import paths of all classes of ours that something can be built of."""
    return [
        f"{module}.{name}"
        for module in OFFERED_IN
        for name, definition in classes_in(module).items()
        if definition.module.startswith("lit_gan.") and name not in _BASES and not is_abstract(definition)
    ]


def likely_classes(typed: str, fitting: Iterable[str]) -> list[str]:
    """The classes whose names are like one that was typed.

    Example:
        >>> likely_classes("Hingee", ["lit_gan.objectives.Hinge", "lit_gan.objectives.Minimax"])
        ['lit_gan.objectives.Hinge']
    """
    by_name = {path.rpartition(".")[2].lower(): path for path in fitting}
    names = get_close_matches(typed.rpartition(".")[2].lower(), by_name, _MOST, 0.6)
    return [by_name[name] for name in names]
