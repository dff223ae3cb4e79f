"""The JSON Schema of configurations takes what the command takes, and marks what it refuses, in its place."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from command_line import lit_gan
from documents import ROOT, blocks
from requirements import require

from lit_gan.cli.parsing.json_schema import configuration_schema

_CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))


# Of the module, so that one process makes the schema, for all tests.
@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return configuration_schema()


@pytest.fixture(scope="module")
def validator(schema: dict[str, Any]) -> Any:
    require("jsonschema", None if find_spec("jsonschema") else "jsonschema is not installed: `pip install jsonschema`")
    import jsonschema  # noqa: PLC0415 -- it may be missing

    schema = json.loads(json.dumps(schema))
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)


def _faults(validator: Any, text: str) -> list[str]:
    return sorted({error.json_path for error in validator.iter_errors(yaml.safe_load(text))})


def test_every_shipped_configuration_is_taken(validator: Any) -> None:
    faults = {file.name: _faults(validator, file.read_text()) for file in _CONFIGS}
    assert faults == {file.name: [] for file in _CONFIGS}


def test_the_configurations_of_the_pages_are_taken(validator: Any) -> None:
    page = ROOT / "docs" / "how-to" / "configuration.md"
    texts = [block.text for block in blocks(page) if block.title in ("mine.yaml", "completed.yaml")]
    assert [_faults(validator, text) for text in texts] == [[], []]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("trainr: {}", "$"),
        ("trainer: {max_epoch: 3}", "$.trainer"),
        ("trainer: {max_epochs: three}", "$.trainer.max_epochs"),
        ("wandb: of", "$.wandb"),
        ("model: {class_path: lit_gan.GAN, init_arg: {}}", "$.model"),
        ("model: {class_path: lit_gan.GAN, init_args: {objectiv: x.Y}}", "$.model.init_args"),
        (
            "model: {class_path: GAN, init_args: {generator: {class_path: MLPGenerator, init_args: {hiden: [3]}}}}",
            "$.model.init_args.generator.init_args",
        ),
        (
            "model: {class_path: lit_gan.GAN, init_args: {penalties: [{class_path: R1, init_args: {weight: much}}]}}",
            "$.model.init_args.penalties[0].init_args.weight",
        ),
        ("data: {class_path: lit_gan.data.DigitsDataModule, init_args: {batchsize: 3}}", "$.data.init_args"),
    ],
)
def test_what_is_misspelt_is_marked_in_its_place(validator: Any, text: str, place: str) -> None:
    assert _all_errors(validator, text) == {place}


def _all_errors(validator: Any, text: str) -> set[str]:
    """Where the deepest faults are: an alternative names its whole place, and below it why it was not taken."""
    waiting, found = list(validator.iter_errors(yaml.safe_load(text))), set()
    while waiting:
        error = waiting.pop()
        deeper = [each for each in error.context or [] if len(each.absolute_path) > len(error.absolute_path)]
        waiting += deeper
        if not deeper:
            found.add(error.json_path)
    return found


@pytest.mark.parametrize(
    "text",
    [
        "trainer.max_epochs: 3",
        "trainer: {callbacks+: [{class_path: mine.Callback, init_args: {anything: 1}}]}",
        "trainer: {max_steps: '${data.init_args.batch_size}', callbacks: [lit_gan.callbacks.TrainingFilm]}",
        "model: {init_args: {optimizer_g: {init_args: {lr: 0.1}}}}",
        "model: {class_path: mine.GAN, init_args: {anything: 1}}",
        "model: {class_path: lit_gan.GAN, init_args: {objective: Hinge}}",
    ],
)
def test_what_the_command_takes_is_taken(validator: Any, text: str) -> None:
    assert _faults(validator, text) == []


def test_classes_are_described_and_named_in_full(schema: dict[str, Any]) -> None:
    definitions = schema["definitions"]
    epochs = schema["properties"]["trainer"]["properties"]["max_epochs"]
    assert "epochs" in epochs["description"]
    assert "lit_gan.objectives.Hinge" in json.dumps(definitions["lit_gan.objectives.Objective"])
    assert "k" in definitions["arguments-of-lit_gan.coordination.FixedSteps"]["properties"]


def test_the_command_knows_the_readers_own_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own_hinge.py").write_text(
        "from lit_gan.objectives import Hinge\nclass Softened(Hinge):\n    def __init__(self, by: float = 0.1): ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert lit_gan("schema", "own_hinge", "--out", "own.json").out == "lit-gan: wrote own.json\n"
    definitions = json.loads(Path("own.json").read_text())["definitions"]
    assert list(definitions["arguments-of-own_hinge.Softened"]["properties"]) == ["by"]


def test_a_module_or_a_folder_that_is_not_there_is_told() -> None:
    assert lit_gan("schema", "no_such").line == (
        "schema no_such: No module named 'no_such': expected a module that is installed, or lies here."
    )
    assert lit_gan("schema", "--out", "no_such/a.json").line == "--out no_such/a.json: there is no folder no_such."
    Path("a.json").mkdir()
    ending = lit_gan("schema", "--out", "a.json")
    assert (ending.code, ending.line) == (2, "a.json: cannot be written (Is a directory): give --out FILE.")
