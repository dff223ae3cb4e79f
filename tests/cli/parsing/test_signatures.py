"""Arguments read from sources are those that the classes have."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch
import pytest
from jsonargparse import ArgumentParser

import lit_gan
import lit_gan.callbacks
import lit_gan.coordination
import lit_gan.data
import lit_gan.latents
import lit_gan.networks
import lit_gan.objectives
import lit_gan.schedules
from lit_gan.cli.parsing import signatures
from lit_gan.cli.parsing.signatures import annotation_of, arguments_of, bases_of, classes_in, definition_of, is_abstract

_MODULES = (
    lit_gan,
    *(lit_gan.callbacks, lit_gan.coordination, lit_gan.data, lit_gan.latents),
    *(lit_gan.networks, lit_gan.objectives, lit_gan.schedules),
)
_OURS = [
    f"{module.__name__}.{name}"
    for module in _MODULES
    for name, definition in classes_in(module.__name__).items()
    if definition.module.startswith("lit_gan.") and name != "UserError"
]
_FOREIGN = [
    *(f"torch.optim.{name}" for name in ("SGD", "Adam", "AdamW", "RMSprop", "Adagrad")),
    *(f"lightning.pytorch.callbacks.{name}" for name in ("ModelCheckpoint", "EarlyStopping", "RichProgressBar")),
    "lightning.pytorch.Trainer",
    "lightning.pytorch.loggers.WandbLogger",
    "torch.optim.lr_scheduler.StepLR",
]


def _class_of(path: str) -> type[Any]:
    module, _, name = path.rpartition(".")
    found = vars(__import__(module, fromlist=[name])).get(name) or getattr(__import__(module, fromlist=[name]), name)
    assert isinstance(found, type)
    return found


def _taken_by_the_parser(path: str) -> set[str]:
    parser = ArgumentParser()
    parser.add_class_arguments(_class_of(path), fail_untyped=False)
    taken = {action.dest.partition(".")[0] for action in parser._actions}
    return taken - {"help", "print_shtab"}


@pytest.mark.parametrize("path", [*_OURS, *_FOREIGN])
def test_whatever_the_parser_takes_is_known(path: str) -> None:
    known = arguments_of(path)
    if not inspect.isabstract(_class_of(path)) and known is not None:
        assert _taken_by_the_parser(path) <= known


def test_most_classes_are_known() -> None:
    assert len(_OURS) > 25
    assert not [path for path in _OURS if arguments_of(path) is None and path.rpartition(".")[2] != "Schedule"]


def test_a_constructor_is_known_through_its_bases() -> None:
    assert arguments_of("lit_gan.ConditionalGAN") == (arguments_of("lit_gan.GAN") or set()) | {"num_classes"}
    assert annotation_of("lit_gan.ConditionalGAN", "objective") == "Objective | None"
    assert annotation_of("lit_gan.ConditionalGAN", "num_classes") == "int | None"
    assert annotation_of("lit_gan.GAN", "nothing") is None


@pytest.mark.parametrize(
    "source",
    [
        "@dataclass\nclass C:\n    a: int",
        "class C:\n    def __new__(cls, a): ...",
        "class C:\n    def __init__(self, **kwargs):\n        self.made = make(**kwargs)",
        "class C(Base):\n    def __init__(self, **kwargs):\n        super().__init__(**kwargs)",
        "class C(made_by_a_function()): ...",
        "C = make()",
        "from elsewhere import *",
        "def C(**kwargs): ...",
        "class C:\n    def __init__(self, **kwargs):\n        kwargs.pop('a')\n        super().__init__(**kwargs)",
        "this is no Python",
    ],
)
def test_nothing_is_said_where_the_source_alone_does_not_tell(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("mine.py").write_text(source)
    monkeypatch.setattr(signatures, "_source", lambda module: Path("mine.py") if module == "mine" else None)
    signatures._tree.cache_clear()
    assert arguments_of("mine.C") is None
    signatures._tree.cache_clear()


def test_a_class_of_ones_own_counts_once_it_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("not_yet_seen.py").write_text("class C:\n    def __init__(self, a, *, b): ...\n")
    monkeypatch.syspath_prepend(".")
    assert arguments_of("not_yet_seen.C") is None
    signatures._tree.cache_clear()
    __import__("not_yet_seen")
    assert arguments_of("not_yet_seen.C") == {"a", "b"}


@pytest.mark.parametrize("path", ["", "GAN", "lit_gan.", "lit_gan.GAN.sample", "lit_gan.nothing.C", "no such.C"])
def test_what_is_no_class_has_no_definition(path: str) -> None:
    assert definition_of(path) is None


def test_bases_and_abstract_classes_are_told() -> None:
    classes = classes_in("lit_gan.objectives")
    assert bases_of(classes["Hinge"]) >= {"Hinge", "Objective"}
    assert is_abstract(classes["Objective"])
    assert not is_abstract(classes["Hinge"])
    assert "Callback" in bases_of(classes_in("lit_gan.callbacks")["RunCheckpoint"])


def test_the_arguments_of_a_function_are_known() -> None:
    made: Callable[..., Any] = lightning.pytorch.seed_everything
    assert arguments_of("lightning.pytorch.seed_everything") == set(inspect.signature(made).parameters)
