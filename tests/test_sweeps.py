"""The shipped sweeps: every parameter is an option of the command line, and the metric is one that is logged."""

import itertools
from pathlib import Path
from typing import Any

import pytest
import yaml

from lit_gan.cli.main import main

SWEEPS = sorted((Path(__file__).parents[1] / "sweeps").glob("*.yaml"))


def first_point(sweep: dict[str, Any]) -> list[str]:
    """The options of the first trial, as W&B's agent writes them."""
    return [
        f"--{name}={(entry.get('values') or [entry.get('value')])[0]}" for name, entry in sweep["parameters"].items()
    ]


def command(sweep: dict[str, Any], arguments: list[str]) -> list[str]:
    words = [arguments if word == "${args}" else [word] for word in sweep["command"]]
    return list(itertools.chain.from_iterable(words))[2:]  # after ${env} and ${program}


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_a_trial_runs_and_logs_what_the_sweep_minimises(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    sweep = yaml.safe_load(path.read_text())
    quick = ["--trainer.max_epochs=1", "--trainer.check_val_every_n_epoch=1", "--parzen.num_samples=20"]
    extra = [*first_point(sweep), *quick, "--wandb=off", "--sample_grid.num_samples=4"]
    assert main(command(sweep, extra)) == 0, capsys.readouterr().err
    header = next(tmp_path.glob("runs/*/*/metrics.csv")).read_text().splitlines()[0]
    assert sweep["metric"]["name"] in header.split(",")


def test_the_quick_sweep_has_four_points() -> None:
    sweep = yaml.safe_load((SWEEPS[0].parent / "digits_quick.yaml").read_text())
    sizes = [len(entry["values"]) for entry in sweep["parameters"].values()]
    assert sizes[0] * sizes[1] == 4
