import re
import shlex
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from documents import PAGES, ROOT, blocks, commands, inline_commands, name_of

from lit_gan.cli.main import _VERBS, main
from lit_gan.cli.parsing.shipped import shipped_names
from lit_gan.cli.sample import _parser

_ALL = [(page, arguments) for page in PAGES for arguments in (*commands(page), *inline_commands(page)) if arguments]
_RUNS = sorted({tuple(arguments) for page in PAGES for arguments in commands(page) if arguments[:1] == ["fit"]})
_SAMPLES = sorted({tuple(arguments) for page in PAGES for arguments in commands(page) if arguments[:1] == ["sample"]})
# Made by the reader on the page; run by test_how_to.py, and test_sweep.py of the command line.
_OF_THE_READER = (
    "my_gan.yaml",
    "my_data.yaml",
    "pictures.yaml",
    "halves.yaml",
    "sevens.yaml",
    "mine.yaml",
    "runs/best.yaml",
    "evaluation.yaml",
    "five.yaml",
    "paired.yaml",
    "optimistic.yaml",
    "pairs.yaml",
    "once.yaml",
    "again.yaml",
    "sngan.yaml",
    "wgan.yaml",
    "r3gan.yaml",
    "metrics.yaml",
    "--model.init_args.penalties+=my_penalty.Offset",
)


@pytest.mark.parametrize(
    ("page", "arguments"), _ALL, ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else ""
)
def test_a_command_names_a_verb_and_a_configuration_that_there_are(page: Path, arguments: list[str]) -> None:
    verb, *rest = arguments
    configs = [after for option, after in pairwise(rest) if option == "--config"]

    assert verb in _VERBS or verb in ("VERB", "--help", "--version"), name_of(page)
    for config in configs:
        known = config in shipped_names("configs") or config in _OF_THE_READER
        assert known or config == "NAME" or re.fullmatch(r"runs/\w+/ID/config\.yaml", config), name_of(page)


@pytest.mark.parametrize("arguments", [run for run in _RUNS if {*_OF_THE_READER, "NAME"}.isdisjoint(run)], ids=" ".join)
def test_a_training_command_has_keys_and_values_that_the_parser_takes(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    without_checkpoint = " ".join(arguments).partition(" --ckpt_path")[0].split()  # there is none here
    printing = [] if "--print_config" in without_checkpoint else ["--print_config"]

    assert main([*without_checkpoint, *printing]) == 0
    assert "model" in yaml.safe_load(capsys.readouterr().out)


@pytest.mark.parametrize("arguments", _SAMPLES, ids=" ".join)
def test_a_sampling_command_has_options_that_the_parser_takes(arguments: tuple[str, ...]) -> None:
    _parser("sample").parse_args(list(arguments[1:]))


def _mistakes() -> list[tuple[str, str]]:
    """The commands that a page shows together with the error that they end in."""
    texts = [block.text for page in PAGES for block in blocks(page) if block.language == "text"]
    return re.findall(r"^\$ lit-gan (.+)\n(lit-gan: error: .+)$", "\n".join(texts), re.MULTILINE)


@pytest.mark.parametrize(("command", "message"), _mistakes())
def test_a_mistake_is_told_in_the_words_on_the_page(
    command: str, message: str, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)

    assert main(shlex.split(command)) == 2
    assert capsys.readouterr().err == f"{message}\n"


def test_the_first_screen_of_the_readme_has_exactly_the_two_commands_of_a_fresh_machine() -> None:
    first_screen = "\n".join((ROOT / "README.md").read_text().splitlines()[:24])
    shown = re.findall(r"^```console\n(.*?)^```", first_screen, re.MULTILINE | re.DOTALL)

    assert shown == ["pip install -e . && lit-gan fit --config quickstart\n", "pip install -e '.[test]' && pytest\n"]


def test_the_readme_names_every_verb_and_every_shipped_configuration() -> None:
    readme = (ROOT / "README.md").read_text()
    tables = "".join(line for line in readme.splitlines(keepends=True) if line.startswith("| `"))

    assert [verb for verb in _VERBS if f"`lit-gan {verb} " not in tables] == []
    assert [name for name in shipped_names("configs") if f"`{name}`" not in tables] == []


@pytest.mark.parametrize("file", sorted(ROOT.glob("configs/*.yaml")), ids=lambda file: file.stem)
def test_a_shipped_configuration_begins_with_its_command(file: Path) -> None:
    comment = [line for line in file.read_text().splitlines() if line.startswith("#")]

    assert any(f"lit-gan fit --config {file.stem}" in line for line in comment)
