"""Looking through a configuration by what its places take."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from torch import nn

from lit_gan.callbacks.run_checkpoint import RunCheckpoint
from lit_gan.cli.parsing.shipped import find, shipped_names
from lit_gan.engine.import_policy import ImportPolicy
from lit_gan.engine.stored_configuration import StoredConfiguration
from lit_gan.errors import UserError


class Own(nn.Module):
    """Arguments of all kinds."""

    def __init__(
        self, untyped, text: str | None, texts: list[str], function: Callable[..., Any], inner: nn.Module, default=print
    ):
        super().__init__()


def _check(**arguments: Any) -> None:
    StoredConfiguration("checkpoint x", ImportPolicy()).check_module({"_class_path": f"{__name__}.Own", **arguments})


@pytest.fixture(autouse=True)
def _imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that could be imported, and a file that could be read, in the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "stage.py").write_text("raise AssertionError('imported')\n")
    (tmp_path / "evil.yaml").write_text("class_path: stage.G\n")


def test_a_text_is_a_text_where_one_belongs() -> None:
    _check(text="stage.ckpt", texts=["stage.ckpt", "os.system"], untyped="stage.ckpt")
    _check(text="evil.yaml", texts=["{class_path: stage.G}"], untyped="evil.yaml")


@pytest.mark.parametrize("place", ["function", "inner", "default", "unknown"])
def test_a_text_is_an_import_path_or_a_file_where_a_class_or_a_function_belongs(place: str) -> None:
    with pytest.raises(UserError, match=rf"names stage\.ckpt as its {place}, and stage is not imported"):
        _check(**{place: "stage.ckpt"})
    with pytest.raises(UserError, match=rf"names evil\.yaml as its {place}, which is a file that would be read"):
        _check(**{place: "evil.yaml"})
    _check(**{place: "no_such_module.ckpt"})
    _check(**{place: "torch.nn.functional.relu"})


def test_a_text_of_yaml_is_parsed_where_anything_belongs() -> None:
    with pytest.raises(UserError, match=r"as its untyped, which is a text that would be parsed\.$"):
        _check(untyped="{class_path: stage.G}")


def test_what_is_nested_without_end_is_refused() -> None:
    endless: dict[str, Any] = {}
    endless["inner"] = [endless, endless]
    with pytest.raises(UserError, match=r"^checkpoint x is nested too deeply for a configuration"):
        _check(inner=endless)


def test_sections_have_the_arguments_of_their_classes() -> None:
    configuration = StoredConfiguration("configuration x", ImportPolicy())
    configuration.check_sections({"checkpoint": {"filename": "stage.best"}}, {"checkpoint": RunCheckpoint})
    with pytest.raises(UserError, match=r"names stage\.best as its model\.filename, and stage is not imported"):
        configuration.check_sections({"model": {"filename": "stage.best"}}, {"checkpoint": RunCheckpoint})


@pytest.mark.parametrize("name", shipped_names("configs"))
def test_all_that_is_shipped_may_be_named(name: str) -> None:
    StoredConfiguration(name, ImportPolicy()).check_sections(yaml.safe_load(find(name).read_text()), {})
