"""The shipped sweeps: every command trains or evaluates as an agent starts it, and logs what the sweep goes by."""

import itertools
import math
from pathlib import Path
from typing import Any

import pytest
import real_formats
import yaml
from command_line import QUIET, lit_gan, metrics, resolved
from trainings import record
from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args

from lit_gan.data import cifar10

SWEEPS = sorted((Path(__file__).parents[1] / "sweeps").glob("*.yaml"))
_NAMES = ["cifar10_dropout", "digits_quick", "mnist_full", "mnist_learning_rates", "mnist_sigma", "tfd_max_norm"]

# The same networks, but for their size.
_SMALL = ["--model.init_args.generator.init_args.hidden=[6,6]", "--model.init_args.discriminator.init_args.hidden=[4]"]
_TWO_STAGES = [
    "--model.init_args.generator.init_args.hidden=[3]",
    "--model.init_args.generator.init_args.pretrained.init_args.hidden=[6,100]",
    "--model.init_args.discriminator.init_args.hidden=[4]",
]
_SMALLER = {
    "cifar10_dropout": [*_SMALL, "--data.init_args.num_validation=10"],
    "digits_quick": _SMALL,
    "mnist_full": [*_SMALL, "--data.init_args.num_validation=10"],
    "mnist_learning_rates": [*_SMALL, "--data.init_args.num_validation=10"],
    "mnist_sigma": [],
    "tfd_max_norm": _TWO_STAGES,
}
_STARTS_FROM = {"mnist_sigma": "_mnist_run", "tfd_max_norm": "_tfd_pretrained"}
_QUICK = [
    *QUIET,
    "--parzen.num_samples=20",
    "--trainer.max_epochs=1",
    "--trainer.check_val_every_n_epoch=1",
    "--data.init_args.batch_size=4",
    "--sample_grid.num_samples=4",
]


def last_point(sweep: dict[str, Any]) -> dict[str, Any]:
    """A point at the end of the space: it differs from what the configuration says."""
    return {
        name: entry["values"][-1] if "values" in entry else entry["max"] for name, entry in sweep["parameters"].items()
    }


def as_an_agent_starts_it(sweep: dict[str, Any], point: dict[str, Any], further: list[str]) -> list[str]:
    """What follows `lit-gan`, by W&B's own functions."""
    arguments = create_sweep_command_args({"args": {name: {"value": value} for name, value in point.items()}})["args"]
    words = create_sweep_command(list(sweep["command"]))
    assert words[:2] == ["${env}", "${program}"]
    pieces = [arguments if word == "${args}" else [word] for word in words[2:]]
    return [*itertools.chain.from_iterable(pieces), *further]


@pytest.fixture
def _data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small files in the real formats, in the working directory's `data`, where every sweep looks."""
    monkeypatch.chdir(tmp_path)
    real_formats.write_mnist("data", num_train=60)
    real_formats.write_tfd("data")
    for name, checksum in real_formats.write_cifar10("data").items():
        monkeypatch.setitem(cifar10.CHECKSUMS, name, checksum)


def _earlier_run(config: str, *options: str) -> Path:
    """The run that a sweep starts from."""
    folder = Path("earlier", config)
    small = ["--model.init_args.generator.init_args.hidden=[6,100]", _SMALL[1]]  # 100 units for TFD's sparse weights
    ending = lit_gan(
        "fit", "--config", config, *_QUICK, "--report=false", *small, *options, f"--run_dir={folder}", "--wandb=off"
    )
    assert ending.code == 0, ending.err
    return folder


@pytest.fixture
def _mnist_run(_data: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MNIST_RUN", str(_earlier_run("mnist", "--data.init_args.num_validation=10")))


@pytest.fixture
def _tfd_pretrained(_data: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFD_PRETRAINED", str(_earlier_run("tfd_pretrain") / "checkpoints" / "last.ckpt"))


@pytest.mark.slow
@pytest.mark.usefixtures("_data")
@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_its_command_runs_and_logs_what_the_sweep_goes_by(
    path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    if path.stem in _STARTS_FROM:
        request.getfixturevalue(_STARTS_FROM[path.stem])
    monkeypatch.setenv("LIT_GAN_SWEEP", path.stem)
    monkeypatch.setenv("WANDB_RUN_ID", "trial")
    sweep = yaml.safe_load(path.read_text())
    point = last_point(sweep)
    options = [*_QUICK, *_SMALLER[path.stem], "--wandb=off", *(["--report=false"] if "fit" in sweep["command"] else [])]
    ending = lit_gan(*as_an_agent_starts_it(sweep, point, options))
    assert (ending.code, ending.err) == (0, "")
    (run,) = Path("runs").glob("*/trial")
    assert record(run)["status"] == "finished"
    assert math.isfinite(float(metrics(run)[-1][sweep["metric"]["name"]]))
    for name, value in point.items():
        assert _at(resolved(run), name) == value, name


def _at(config: dict[str, Any], name: str) -> Any:
    """What the resolved configuration says under a parameter's name: a class stands there by its path."""
    value: Any = config
    for key in name.split("."):
        value = value[key]
    return value["class_path"] if isinstance(value, dict) else value


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_it_asks_one_question_and_says_how_it_is_run(path: Path) -> None:
    first, *lines = path.read_text().splitlines()
    comment = " ".join([first, *itertools.takewhile(lambda line: line.startswith("#"), lines)])
    assert "?" in comment
    assert f"lit-gan sweep {path.stem} --storage runs/{path.stem}.journal" in comment
    assert f"wandb sweep sweeps/{path.stem}.yaml && wandb agent SWEEP_ID" in comment
    sweep = yaml.safe_load(path.read_text())
    assert (sweep["program"], sweep["project"]) == ("lit-gan", "lit-gan")
    assert sweep["metric"] == {"name": "val/parzen_nll", "goal": "minimize"}
    assert sweep["command"][-1] == "${args}"  # flags before it are beaten by the sweep's
    assert "--trainer.devices=auto" in sweep["command"]


def test_every_sweep_is_tried_here() -> None:
    assert [path.stem for path in SWEEPS] == _NAMES == sorted(_SMALLER)


def test_the_quick_sweep_has_four_points_given_as_values() -> None:
    sweep = yaml.safe_load((SWEEPS[0].parent / "digits_quick.yaml").read_text())
    assert sweep["method"] == "grid"
    sizes = [len(entry["values"]) for entry in sweep["parameters"].values()]
    assert sizes[0] * sizes[1] == 4


def test_the_widths_are_the_papers_grid() -> None:
    sweep = yaml.safe_load((SWEEPS[0].parent / "mnist_sigma.yaml").read_text())
    expected = [10 ** (-1 + place / 9) for place in range(10)]
    assert sweep["parameters"]["parzen.sigma"]["values"] == pytest.approx(expected, abs=1e-10)
