"""The scripts, word for word: tests/cluster/golden/NAME.sbatch is what the command of that name prints.

    LIT_GAN_WRITE_GOLDEN=1 python -m pytest tests/cluster/test_scripts.py

writes them anew, and fails, so that nobody changes one without looking at the difference.
"""

import os
import sys
from pathlib import Path

import pytest
from command_line import lit_gan

from lit_gan.cluster.template import SITE_VARIABLE

_GOLDEN = Path(__file__).parent / "golden"

_COMMANDS = {
    "one_node_cpu": ["--time=30:00", "--", "fit", "--config=quickstart", "--trainer.accelerator=cpu"],
    "four_nodes_of_eight_gpus": [
        *("--nodes=4", "--devices=8", "--time=1-12", "--partition=gpu", "--account=vision", "--cpus-per-task=8"),
        *("--", "fit", "--config", "mnist", "--data.init_args.root", "/data/my mnist"),
    ],
    "array": ["--array=0-4", "--time=4:00:00", "--", "fit", "--config", "mnist", "--seed_everything", "%a"],
    "evaluation": ["--", "validate", "runs/quickstart/done", "--parzen.num_samples=0"],
    "sweep_at_wandb": ["--array=1-20%4", "--time=2:00:00", "--sweep=vision/gan/a1b2c3d4"],
    "sweep_file": ["--array=0-3", "--no-gpus", "--count=4", "--sweep=digits_quick"],
    "container": ["--container=docker://example.org/lit-gan:0.1", "--", "fit", "--config", "mnist"],
    "everything": [
        *("--nodes=2", "--devices=4", "--time=4:00:00", "--partition=gpu,big", "--account=vision", "--qos=high"),
        *("--constraint=a100&ib", "--cpus-per-task=6", "--mem=64G", "--array=1,3-9:2%2", "--job-name=gan"),
        *("--logs=all logs", "--signal-seconds=300", "--sbatch=gres=gpu:a100:4", "--sbatch=exclusive"),
        *("--sbatch=comment=a #1", "--container=docker://example.org/lit-gan:0.1"),
        *("--", "fit", "--config", "quickstart", "--seed_everything=%a", "--run_dir=runs/$x/%a of 100%%a"),
    ],
}


@pytest.fixture(autouse=True)
def _user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user with a Python of her own, in her own folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", "/home/ada/lit-gan/bin/python")
    monkeypatch.delenv(SITE_VARIABLE, raising=False)


@pytest.mark.parametrize("name", _COMMANDS)
def test_a_script_is_the_golden_one(name: str, request: pytest.FixtureRequest) -> None:
    arguments = _COMMANDS[name]
    if "validate" in arguments:
        request.getfixturevalue("_a_run")
    ending = lit_gan("submit", "--print", *arguments)
    assert (ending.code, ending.err) == (0, "")

    golden = _GOLDEN / f"{name}.sbatch"
    if os.environ.get("LIT_GAN_WRITE_GOLDEN"):
        golden.write_text(ending.out)
        pytest.fail(f"{golden.name} is written: look at the difference, and run the tests again without the variable.")
    assert ending.out == golden.read_text()


def test_every_golden_file_is_one_of_a_command() -> None:
    assert {path.stem for path in _GOLDEN.iterdir()} == set(_COMMANDS)


@pytest.fixture
def _a_run() -> None:
    options = ("--trainer.accelerator=cpu", "--trainer.max_steps=1", "--trainer.enable_progress_bar=false")
    assert lit_gan("fit", "--config=quickstart", "--run_dir=runs/quickstart/done", "--wandb=off", *options).code == 0


def test_a_script_is_made_of_lines_that_can_be_read() -> None:
    for path in _GOLDEN.iterdir():
        lines = path.read_text().splitlines()
        # The second one is the user's.
        assert [line for line in lines[2:] if line.startswith("#") and len(line) > 120] == [], path.name
        assert [line for line in lines if line != line.rstrip()] == [], path.name
        assert "\n\n\n" not in path.read_text(), path.name
