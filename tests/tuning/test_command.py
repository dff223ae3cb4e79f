"""The command of a trial is the one that W&B's agent makes of the same words."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args

from lit_gan.errors import UserError
from lit_gan.tuning.command import arguments_of_lit_gan, check_command, trial_command

VALUES = {"model.lr": 0.1, "flag": True, "off": False, "name": "a b", "nothing": None, "k": 3, "tiny": 1e-5}
MACROS = (
    *("args", "args_no_equals", "args_no_hyphens", "args_no_boolean_flags", "args_json"),
    *("args_append_hydra", "args_override_hydra"),
)


def by_wandb(command: list[Any]) -> list[str]:
    """As `wandb/wandb_agent.py` fills the words in; there the lines are in the middle of what talks to the server."""
    macros = create_sweep_command_args({"args": {name: {"value": value} for name, value in VALUES.items()}})
    macros |= {"env": ["/usr/bin/env"], "program": ["train.py"], "interpreter": ["python"]}
    words = [str(word) for word in create_sweep_command(list(command))]
    return [part for word in words for part in (macros[word[2:-1]] if word.startswith("${") else [word])]


@pytest.mark.parametrize("macro", MACROS)
def test_the_arguments_are_those_of_wandbs_agent(macro: str) -> None:
    command = ["${env}", "${program}", 7, "--fixed=1", f"${{{macro}}}"]
    check_command(command, "train.py")

    assert trial_command(tuple(map(str, command)), "train.py", VALUES, Path("x.json")) == by_wandb(command)


def test_environment_variables_are_filled_in_as_by_wandb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA", "/data")
    monkeypatch.setenv("SIZE", "10")
    command = ["${program}", "--root=${envvar:DATA}/mnist-${envvar:SIZE}", "${envvar:DATA}", "${args}"]
    check_command(command, "train.py")

    assert trial_command(command, "train.py", VALUES, Path("x.json")) == by_wandb(command)


def test_a_variable_that_is_not_set_is_named() -> None:
    with pytest.raises(UserError, match=r"command: --root=\$\{envvar:DATA\}: the environment variable DATA is not set"):
        trial_command(["--root=${envvar:DATA}"], None, {}, Path("x.json"), environ={})


def test_the_json_file_is_named() -> None:
    assert trial_command(["x", "${args_json_file}"], None, VALUES, Path("a/x.json")) == ["x", "a/x.json"]
    assert json.loads(trial_command(["${args_json}"], None, VALUES, Path("x.json"))[0]) == VALUES


def test_lit_gan_is_that_of_this_python() -> None:
    words = trial_command(["${env}", "${program}", "fit", "${args}"], "lit-gan", {"k": 1}, Path("x.json"))

    assert words == ["/usr/bin/env", sys.executable, "-m", "lit_gan", "fit", "--k=1"]
    assert arguments_of_lit_gan(words) == ["fit", "--k=1"]
    assert trial_command(["${interpreter}"], None, {}, Path("x.json")) == [sys.executable]


def test_what_is_left_of_an_interpolation_is_left_as_it_is() -> None:
    command = ["${program}", "--model.lr_d=${model.lr_g}", "${args}"]
    check_command(command, "train.py")

    assert trial_command(command, "train.py", {}, Path("x.json")) == ["train.py", "--model.lr_d=${model.lr_g}"]


def test_another_program_is_not_lit_gan() -> None:
    assert arguments_of_lit_gan(["python", "train.py", "fit"]) is None
