"""A run and its folder: what is written, where, and in the words of the design."""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import command_line
import pytest
import torch
from command_line import QUIET, SHORT, Ending, fit, lit_gan, metrics, repeatable, resolved, the_run, weights

from lit_gan.cli.trainer.settings import trainer_settings

_LOGGED = ("loss_d", "loss_g", "value", "jsd_bound", "d_real", "d_fake")


def test_everything_of_a_run_is_in_its_folder(finished_run: Path) -> None:
    assert sorted(path.name for path in Path().iterdir()) == ["runs"]
    assert finished_run.parent == Path("runs/quickstart")
    files = sorted(str(path.relative_to(finished_run)) for path in finished_run.rglob("*") if path.is_file())
    assert files == [
        "checkpoints/last.ckpt",
        "checkpoints/previous.ckpt",
        "config.yaml",
        "environment.json",
        "metrics.csv",
        "run.json",
        "run.lock",
        "samples/interpolation-000008.png",
        "samples/round-000008.png",
    ]


def test_the_end_says_where_everything_is(finished_ending: Ending, finished_run: Path) -> None:
    assert finished_ending.code == 0
    assert finished_ending.err == ""
    assert "finished 8 rounds in 0:" in finished_ending.out
    for name in ("samples/round-000008.png", "metrics.csv", "checkpoints/last.ckpt"):
        assert f" {finished_run / name}\n" in finished_ending.out


def test_metrics_count_rounds_and_bear_the_fixed_names(finished_run: Path) -> None:
    rows = metrics(finished_run)
    assert [int(row["step"]) for row in rows] == list(range(8))
    assert [int(row["epoch"]) for row in rows] == [0] * 4 + [1] * 4
    assert all(f"train/{name}" in row for row in rows for name in _LOGGED)
    validated = [row for row in rows if f"val/{_LOGGED[0]}" in row]
    assert [int(row["step"]) for row in validated] == [3, 7]
    assert all(f"val/{name}" in row for row in validated for name in _LOGGED)


@pytest.mark.filterwarnings("ignore::lit_gan.metrics.parzen_warnings.ParzenWarning")
def test_validation_and_test_score_the_samples() -> None:
    scoring = "--parzen.num_samples=40"
    assert fit(scoring, epochs=1).code == 0
    assert lit_gan("test", the_run(), *QUIET, scoring).code == 0
    last = metrics(the_run())[-1]
    names = {f"{split}/parzen_{name}" for split in ("val", "test") for name in ("nll", "se", "sigma")}
    assert names <= last.keys()


def test_record_and_environment_tell_how_it_was(finished_run: Path) -> None:
    record = json.loads((finished_run / "run.json").read_text())
    assert (record["status"], record["reason"], record["resumed"]) == ("finished", "", 0)
    environment = json.loads((finished_run / "environment.json").read_text())
    assert environment["seed"] == 0
    assert environment["versions"]["torch"] == version("torch")


def test_the_configuration_it_keeps_runs_again_to_the_same_numbers(finished_run: Path) -> None:
    ending = lit_gan("fit", "--config", finished_run / "config.yaml", "--wandb=off", "--run_dir=again")
    assert ending.code == 0, ending.err
    assert repeatable(Path("again")) == repeatable(finished_run)
    assert resolved(Path("again")) == resolved(finished_run)
    assert _equal(weights(Path("again")), weights(finished_run))


@pytest.mark.parametrize(
    "options", ["--ckpt_path={}", "--config={}/config.yaml", "--config={0}/config.yaml --ckpt_path={0}"]
)
@pytest.mark.parametrize("started_from", ["", "ckpt_path: earlier.ckpt\n"])
def test_what_starts_from_a_runs_own_configuration_lies_beside_that_run(
    finished_run: Path, options: str, started_from: str
) -> None:
    kept = finished_run / "config.yaml"
    kept.write_text(kept.read_text() + started_from)
    assert trainer_settings("fit", options.format(finished_run).split()).name == "quickstart"


def test_a_configuration_that_is_called_as_a_runs_is_has_its_own_name(finished_run: Path) -> None:
    Path("config.yaml").write_bytes((finished_run / "config.yaml").read_bytes())
    assert trainer_settings("fit", ["--config=config.yaml"]).name == "config"


def test_a_run_from_a_checkpoint_alone_lies_in_the_folder_of_its_configuration(finished_run: Path) -> None:
    assert lit_gan("fit", f"--ckpt_path={finished_run}", "--trainer.max_epochs=3", "--wandb=off").code == 0
    assert [path.name for path in Path("runs").iterdir()] == ["quickstart"]
    assert len(list(Path("runs/quickstart").iterdir())) == 2


def test_another_seed_is_another_run(finished_run: Path) -> None:
    assert fit("--seed_everything=1", "--run_dir=other").code == 0
    assert not _equal(weights(Path("other")), weights(finished_run))
    assert json.loads(Path("other/environment.json").read_text())["seed"] == 1


def test_checkpoints_of_ones_own_come_beside_the_last() -> None:
    assert fit("--checkpoint.save_top_k=-1", "--checkpoint.monitor=val/loss_d").code == 0
    names = sorted(path.name for path in (the_run() / "checkpoints").iterdir())
    assert names == ["best-000004.ckpt", "best-000008.ckpt", "last.ckpt", "previous.ckpt"]


def test_the_last_checkpoint_is_that_of_the_last_round_however_rarely_they_come() -> None:
    assert fit("--checkpoint.every_n_epochs=2", "--trainer.max_steps=11", epochs=5).code == 0
    assert command_line.checkpoint(the_run())["global_step"] == 11


def test_without_checkpointing_there_is_none() -> None:
    ending = fit("--trainer.enable_checkpointing=false", epochs=1)
    assert "checkpoint none" in ending.out
    assert not list(the_run().rglob("*.ckpt"))


@pytest.mark.parametrize(
    ("name", "code", "reason"),
    [("SIGTERM", 75, "preempted"), ("SIGUSR1", 75, "preempted"), ("SIGINT", 130, "interrupted")],
)
def test_a_training_without_checkpoints_is_stopped_like_any_other(name: str, code: int, reason: str) -> None:
    ending = fit(
        "--trainer.enable_checkpointing=false",
        "--trainer.callbacks+=own_modules.SignalAt",
        f"--trainer.callbacks.init_args.name={name}",
        "--trainer.callbacks.init_args.rounds=2",
    )
    assert ending.code == code, ending.err
    record = json.loads((the_run() / "run.json").read_text())
    assert (record["status"], record["reason"]) == ("stopped", reason)
    assert "the same command continues it from the start" in ending.out


def test_loggers_and_callbacks_of_ones_own_are_added() -> None:
    ending = fit(
        "--trainer.logger=lightning.pytorch.loggers.TensorBoardLogger",
        "--trainer.logger.save_dir=board",
        "--trainer.callbacks=lightning.pytorch.callbacks.LearningRateMonitor",
        epochs=1,
    )
    assert ending.code == 0, ending.err
    assert list(Path("board").rglob("events.out.tfevents.*"))
    assert any("lr-SGD" in row for row in metrics(the_run()))


# -- Modules that are no GAN, networks and data of the user's own ------------------------------------------------------


@pytest.mark.parametrize("data", ["lit_gan.data.DigitsDataModule", "own_modules.OwnData"])
def test_any_module_can_be_trained_and_evaluated(data: str) -> None:
    options = (*QUIET, "--wandb=off", "--report=false", "--trainer.max_steps=3", "--trainer.log_every_n_steps=1")
    ending = lit_gan("fit", "--model=own_modules.OwnModule", "--model.width=5", f"--data={data}", *options)
    assert ending.code == 0, ending.err
    run = the_run()
    assert run.parent.name == "custom"
    assert command_line.checkpoint(run)["hyper_parameters"]["width"] == 5
    assert lit_gan("test", run, *QUIET).code == 0
    assert [("test/loss" in row, int(row["step"])) for row in metrics(run)] == [(False, 0), (False, 1), (True, 2)]


def test_predicting_with_another_module_uses_its_own_data() -> None:
    options = (*QUIET, "--wandb=off", "--report=false", "--trainer.max_steps=1")
    assert lit_gan("fit", "--model=own_modules.OwnModule", "--data=own_modules.OwnData", *options).code == 0
    assert lit_gan("predict", the_run(), *QUIET).code == 0


def test_lightnings_boring_model_can_be_trained() -> None:
    boring = "lightning.pytorch.demos.boring_classes.Boring"
    options = (*QUIET, "--wandb=off", "--trainer.max_steps=2")
    ending = lit_gan("fit", f"--model={boring}Model", f"--data={boring}DataModule", *options)
    assert ending.code == 0, ending.err
    assert "samples    none" in ending.out


def test_networks_without_an_image_shape_are_not_given_one() -> None:
    networks = ("--model.generator=own_modules.OwnGenerator", "--model.discriminator=own_modules.OwnDiscriminator")
    data = "--data=lit_gan.data.DigitsDataModule"
    ending = lit_gan("fit", "--model=lit_gan.GAN", *networks, data, *SHORT, "--trainer.max_steps=2")
    assert ending.code == 0, ending.err
    stored = command_line.checkpoint(the_run())["hyper_parameters"]
    assert "image_shape" not in stored["generator"].get("init_args", {})
    assert lit_gan("sample", the_run(), "--num=3").code == 0


def test_a_network_may_take_its_image_shape_alone() -> None:
    networks = ("--model.generator=own_modules.ShapedGenerator", "--model.discriminator=own_modules.OwnDiscriminator")
    data = "--data=lit_gan.data.DigitsDataModule"
    ending = lit_gan("fit", "--model=lit_gan.GAN", *networks, data, *SHORT, "--trainer.max_steps=2")
    assert ending.code == 0, ending.err
    stored = command_line.checkpoint(the_run())["hyper_parameters"]
    assert list(stored["generator"]["init_args"]["image_shape"]) == [1, 8, 8]
    assert lit_gan("sample", the_run(), "--num=3").code == 0


def test_data_without_an_image_shape_leave_it_to_the_configuration() -> None:
    Path("own.yaml").write_text("""
model:
  class_path: lit_gan.GAN
  init_args:
    generator:
      class_path: lit_gan.networks.MLPGenerator
      init_args: {image_shape: [1, 8, 8], latent_size: 3, hidden: [4]}
    discriminator:
      class_path: lit_gan.networks.MaxoutDiscriminator
      init_args: {image_shape: [1, 8, 8], hidden: [4]}
data: own_modules.OwnData
""")
    ending = lit_gan("fit", "--config=own.yaml", *QUIET, "--wandb=off", "--report=false", "--trainer.max_steps=2")
    assert ending.code == 0, ending.err
    assert lit_gan("test", the_run(), *QUIET).code == 0
    assert lit_gan("sample", the_run(), "--num=3").code == 0


# -- Weights & Biases --------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::DeprecationWarning:wandb")
@pytest.mark.parametrize(
    ("variable", "flag", "tracked"),
    [("disabled", None, False), ("offline", None, True), ("online", "offline", True), ("offline", "off", False)],
)
def test_wandb_writes_into_the_run_folder_alone(
    variable: str, flag: str | None, tracked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", variable)
    options = [] if flag is None else [f"--wandb={flag}"]
    shared = [option for option in SHORT if not option.startswith("--wandb")]
    ending = lit_gan("fit", "--config=quickstart", *shared, "--trainer.max_epochs=1", *options)
    assert ending.code == 0, ending.err
    assert (the_run() / "wandb").exists() is tracked
    assert sorted(path.name for path in Path().iterdir()) == ["runs"]


def _equal(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
