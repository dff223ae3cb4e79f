"""A stopped run goes on, and only such a one."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import command_line
import pytest
import real_formats
import torch
from command_line import SHORT, fit, metrics, repeatable, the_run, weights
from nursery import nursery
from shared_runs import trained_once
from stop_cases import differences
from trainings import ENVIRON

from lit_gan.runs.folder import RunFolder

_STOPS = ("--trainer.callbacks+=own_modules.StopOnce", "--trainer.callbacks.init_args.rounds=6")
# All that came after Algorithm 1, with a state of its own or not.
_SEAMS = (
    "--model.init_args.objective=RelativisticPairing",
    *("--model.init_args.penalties+=R1", "--model.init_args.penalties.every=3"),
    *("--model.init_args.penalties+=GradientPenalty", "--model.init_args.penalties.weight=0.1"),
    *("--model.init_args.augment=DiffAugment", "--model.init_args.augment.init_args.policy=translation"),
    *("--model.init_args.coordination=AccuracyBand", "--model.init_args.coordination.init_args.high=0.95"),
    *("--model.init_args.coordination.init_args.max_steps=2", "--model.init_args.coordination.init_args.window=3"),
)


def _status(run: Path) -> str:
    return str(json.loads((run / "run.json").read_text())["status"])


def _check_same(one: Path, other: Path) -> None:
    assert repeatable(one) == repeatable(other)
    here, there = weights(one), weights(other)
    assert here.keys() == there.keys()
    assert all(torch.equal(here[name], there[name]) for name in here)


@pytest.fixture
def stopped(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three epochs that Ctrl-C stopped in the middle of the second one."""
    place, ending = trained_once(tmp_path_factory, "stopped-after-6", lambda: fit(*_STOPS, epochs=3))
    shutil.copytree(place, tmp_path, dirs_exist_ok=True)
    run = the_run()
    assert ending.code == 130
    assert f"stopped in {run}; the same command continues it after round 4." in ending.out
    assert _status(run) == "stopped"
    return run


def test_the_same_command_goes_on_to_the_very_end_of_an_uninterrupted_run(stopped: Path, whole: Path) -> None:
    ending = fit(*_STOPS, epochs=3)
    assert ending.code == 0, ending.err
    assert f"continuing {stopped} after round 4" in ending.out
    assert the_run() == stopped
    assert _status(stopped) == "finished"
    assert [int(row["step"]) for row in metrics(stopped)] == list(range(12))
    _check_same(stopped, whole)


def test_the_run_folder_itself_can_be_named(stopped: Path) -> None:
    ending = fit(*_STOPS, f"--resume={stopped}", epochs=3)
    assert ending.code == 0, ending.err
    assert _status(stopped) == "finished"


def test_never_starts_anew(stopped: Path) -> None:
    assert fit(*_STOPS, "--resume=never", epochs=3).code == 0
    assert len(list(Path("runs/quickstart").iterdir())) == 2
    assert _status(stopped) == "stopped"


def test_another_configuration_starts_anew(stopped: Path) -> None:
    assert fit(*_STOPS, "--model.init_args.optimizer_g.init_args.lr=0.05", epochs=3).code == 0
    assert _status(stopped) == "stopped"


def test_another_configuration_is_refused_by_name(stopped: Path) -> None:
    line = fit(*_STOPS, f"--resume={stopped}", "--model.init_args.optimizer_g.init_args.lr=0.05", epochs=3).line
    assert "holds a run of another configuration" in line
    assert "optimizer_g.init_args.lr: got 0.05, expected 0.1" in line
    assert _status(stopped) == "stopped"


def test_a_finished_run_is_not_gone_on_with(finished_run: Path) -> None:
    before = (finished_run / "metrics.csv").read_bytes()
    assert fit().code == 0
    assert len(list(Path("runs/quickstart").iterdir())) == 2
    assert (finished_run / "metrics.csv").read_bytes() == before


def test_a_run_that_is_alive_is_not_taken(stopped: Path) -> None:
    alive = RunFolder(stopped)
    alive.take({}, check=lambda record: None, environ={})
    try:
        assert "is being written by process" in fit(*_STOPS, f"--resume={stopped}", epochs=3).line
        assert fit(*_STOPS, epochs=3).code == 0
    finally:
        alive.release()
    assert len(list(Path("runs/quickstart").iterdir())) == 2


def test_a_run_dir_is_begun_and_then_gone_on_with() -> None:
    assert fit(*_STOPS, "--run_dir=here", epochs=3).code == 130
    ending = fit(*_STOPS, "--run_dir=here", epochs=3)
    assert ending.code == 0
    assert "continuing here after round 4" in ending.out
    assert not Path("runs").exists()


def test_stopped_before_its_first_checkpoint_a_run_starts_from_its_beginning(whole: Path) -> None:
    rare = ("--checkpoint.every_n_epochs=3", *_STOPS)
    assert "the same command continues it from the start" in fit(*rare, epochs=3).out
    ending = fit(*rare, epochs=3)
    assert "after round 0" in ending.out
    _check_same(the_run(), whole)


def test_a_failed_run_goes_on_too() -> None:
    failing = (*_STOPS, "--trainer.callbacks.init_args.failure=true")
    ending = fit(*failing, epochs=3)
    run = the_run()
    assert ending.code == 1
    assert ending.err.startswith("lit-gan: failed: RuntimeError: a failure of the test's own (")
    assert ending.err.endswith(f"in on_train_batch_end); the whole traceback is in {run / 'traceback.txt'}.\n")
    assert (run / "traceback.txt").read_text().startswith("Traceback (most recent call last):")
    assert json.loads((run / "run.json").read_text())["reason"] == "a failure of the test's own"
    assert fit(*failing, epochs=3).code == 0
    assert _status(run) == "finished"


_MOVED = """
model:
  init_args:
    optimizer_g: {class_path: torch.optim.SGD, init_args: {lr: 0.01, momentum: 0.25}}
    schedule_d: [{scheduler: {class_path: torch.optim.lr_scheduler.StepLR, init_args: {step_size: 5, gamma: 0.5}}}]
"""


@pytest.mark.parametrize("by", ["flags", "a file"])
def test_a_checkpoint_of_another_run_is_trained_further_as_asked(by: str, finished_run: Path) -> None:
    """The record, the optimisers and the logged rates say the same."""
    Path("moved.yaml").write_text(_MOVED)
    sgd = "--model.init_args.optimizer_g.init_args"
    flags = [f"{sgd}.lr=0.01", f"{sgd}.momentum=0.25"] if by == "flags" else ["--config=moved.yaml"]
    ending = fit(f"--ckpt_path={finished_run}", *flags, "--run_dir=further", epochs=3)
    assert ending.code == 0, ending.err
    further = command_line.checkpoint(Path("further"))
    asked = command_line.resolved(Path("further"))["model"]["init_args"]["optimizer_g"]["init_args"]
    groups = [state["param_groups"][0] for state in further["optimizer_states"]]
    rows = metrics(Path("further"))
    assert further["global_step"] == 12
    assert (asked["lr"], asked["momentum"]) == (groups[0]["lr"], groups[0]["momentum"]) == (0.01, 0.25)
    assert [int(row["step"]) for row in rows] == list(range(8, 12))
    assert {float(row["train/lr_g"]) for row in rows} == {0.01}
    rates = [0.1] * 4 if by == "flags" else [0.05, 0.05, 0.025, 0.025]  # in rounds 9 to 12, from 0.1
    assert [float(row["train/lr_d"]) for row in rows] == pytest.approx(rates)


def test_the_networks_of_a_checkpoint_are_those_that_its_weights_need(finished_run: Path) -> None:
    """Whatever the configuration says of them; flags beat both."""
    Path("wide.yaml").write_text(
        "model: {class_path: lit_gan.GAN, init_args: {clip_g: 3.0, generator: {class_path: "
        "lit_gan.networks.MLPGenerator, init_args: {hidden: [7]}}}}"
    )
    assert fit(f"--ckpt_path={finished_run}", "--config=wide.yaml", "--run_dir=further", epochs=3).code == 0
    built = command_line.resolved(Path("further"))["model"]["init_args"]
    assert (built["generator"]["init_args"]["hidden"], built["clip_g"]) == ([256, 256], 3.0)


def test_the_same_settings_go_on_bit_for_bit(finished_run: Path, whole: Path) -> None:
    assert fit(f"--ckpt_path={finished_run}", "--run_dir=further", epochs=3).code == 0
    here, there = weights(Path("further")), weights(whole)
    assert all(torch.equal(here[name], there[name]) for name in there)


_EPOCHS = 8
# The one that is killed waits before each round: the third kill, a fifth of a second after a checkpoint, comes before
# the end.
_PACED = "--trainer.callbacks+=own_modules.Paced"


def _start(*arguments: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "lit_gan", "fit", "--config", "quickstart", *SHORT, *arguments]
    environment = {**os.environ, **ENVIRON, "PACE": "0.15"}
    with nursery():
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def _kill_after_a_checkpoint(delay: float, *arguments: Any) -> None:
    """Starts or continues the training, and kills it some moments after it has written its next checkpoint."""

    def written() -> float:
        return max((path.stat().st_mtime for path in Path().glob("runs/*/*/checkpoints/last.ckpt")), default=0.0)

    before, process = written(), _start(*arguments)
    try:
        deadline = time.monotonic() + 300
        while written() == before:
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.005)
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
    finally:
        process.kill()
        process.communicate()


@pytest.mark.slow
def test_killed_three_times_it_goes_on_to_the_same_end() -> None:
    """`python -m benchmarks.resume` does so at thirty random moments, and by other signals."""
    for delay in (0.0, 0.05, 0.2):
        _kill_after_a_checkpoint(delay, f"--trainer.max_epochs={_EPOCHS}", _PACED)
        assert _status(the_run()) == "running"
    run = the_run()
    ending = fit(_PACED, epochs=_EPOCHS)
    assert ending.code == 0, ending.err
    assert f"continuing {run} after round" in ending.out
    assert _status(run) == "finished"
    assert fit(_PACED, "--run_dir=whole", epochs=_EPOCHS).code == 0
    _check_same(run, Path("whole"))


def _check_adapted(run: Path) -> None:
    saved = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["lit_gan"]
    assert saved["adapted"]["coordination"]["class"] == "AccuracyBand"
    assert set(saved["penalties"]) == {"r1", "gradient_penalty"}
    assert {row["train/discriminator_steps"] for row in metrics(run)} - {"1.0", ""}


def test_what_adapts_is_paid_paired_and_augmented_goes_on_from_mid_epoch_to_the_bit() -> None:
    stops = ("--trainer.callbacks+=own_modules.StopOnce", "--trainer.callbacks.init_args.rounds=4", *_SEAMS)
    assert fit(*stops, epochs=4).code == 130
    run = the_run()
    ending = fit(*stops, epochs=4)
    assert ending.code == 0, ending.err
    assert fit(*stops, "--run_dir=whole", epochs=4).code == 0
    _check_same(run, Path("whole"))
    _check_adapted(run)


@pytest.mark.slow
def test_what_adapts_survives_a_kill() -> None:
    _kill_after_a_checkpoint(0.05, f"--trainer.max_epochs={_EPOCHS}", _PACED, *_SEAMS)
    run = the_run()
    ending = fit(_PACED, *_SEAMS, epochs=_EPOCHS)
    assert ending.code == 0, ending.err
    assert f"continuing {run} after round" in ending.out
    assert fit(_PACED, *_SEAMS, "--run_dir=whole", epochs=_EPOCHS).code == 0
    _check_same(run, Path("whole"))
    _check_adapted(run)


@pytest.mark.parametrize("config", ["mnist_fast", "digits_fast"])
def test_a_game_of_todays_networks_goes_on_from_mid_epoch_to_the_bit(config: str) -> None:
    """Batch norm, instance noise by the round, Adam, and an average that looks back over a part of the run."""
    small = [f"--model.init_args.{player}.init_args.hidden=[8,8]" for player in ("generator", "discriminator")]
    small += ["--model.init_args.generator.init_args.weight_init=0.05"]
    if config == "mnist_fast":  # three rounds an epoch
        real_formats.write_mnist("data", num_train=60)
        small += ["--data.init_args.num_validation=10", "--data.init_args.batch_size=15"]
    stops = ("--trainer.callbacks+=own_modules.StopOnce", "--trainer.callbacks.init_args.rounds=5", *small)
    assert fit(*stops, config=config, epochs=3).code == 130
    run = the_run()
    ending = fit(*stops, config=config, epochs=3)
    assert ending.code == 0, ending.err
    assert f"continuing {run} after round" in ending.out
    assert fit(*stops, "--run_dir=whole", config=config, epochs=3).code == 0
    _check_same(run, Path("whole"))
    here, there = (command_line.checkpoint(folder)["lit_gan"] for folder in (run, Path("whole")))
    assert differences(here, there) == []
    assert "generator_average" in here


def test_a_run_from_a_given_checkpoint_is_another_run(stopped: Path) -> None:
    first = Path("first.ckpt")
    first.write_bytes((stopped / "checkpoints" / "last.ckpt").read_bytes())
    ending = fit(*_STOPS, f"--ckpt_path={first}", epochs=3)
    assert ending.code == 0, ending.err
    assert "continuing" not in ending.out
    assert _status(stopped) == "stopped"
    (begun,) = (path.parent for path in stopped.parent.glob("*/run.json") if path.parent != stopped)
    assert command_line.resolved(begun)["ckpt_path"] == str(first)
    assert "ckpt_path" not in command_line.resolved(stopped)
