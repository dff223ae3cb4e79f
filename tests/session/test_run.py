"""From Python a run has what the command gives it: it goes on, stops, keeps what it did, refuses what is another."""

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

import command_line
import pytest
import torch
import yaml
from command_line import metrics, weights
from lightning.pytorch import Callback, Trainer, seed_everything
from lightning.pytorch.callbacks import Timer
from nursery import nursery
from own_modules import OwnData, OwnModule
from stop_cases import Noise, differences, left, small_gan
from trainings import ENVIRON, record, wait_for_rows

from lit_gan import GAN, Run
from lit_gan.callbacks import GracefulStop, ParzenEvaluation, RunCheckpoint, SampleGrid
from lit_gan.callbacks.graceful_stop import StopBetweenRounds
from lit_gan.callbacks.stop_signals import StopSignals
from lit_gan.data import DigitsDataModule
from lit_gan.errors import RunError, RunStopped, UserError
from lit_gan.loggers.csv import CSVMetrics
from lit_gan.networks import MaxoutDiscriminator, MLPGenerator
from lit_gan.runs.folder import FolderInUse, RunFolder
from lit_gan.session.parts import trainer_arguments
from lit_gan.session.run import RunTrainer

_QUIET = {"accelerator": "cpu", "enable_progress_bar": False, "enable_model_summary": False, "log_every_n_steps": 1}
_MINE = Path("runs/mine")


class SignalOnce(Callback):
    """A signal to this process in the middle of a round."""

    def __init__(self, rounds: int, number: int = signal.SIGTERM) -> None:
        self.rounds, self.number = rounds, number

    def on_train_batch_start(self, trainer: Trainer, *rest: Any) -> None:
        if trainer.global_step + 1 == self.rounds:
            os.kill(os.getpid(), self.number)


class Poisoned(Callback):
    """The generator's weights are lost in the third round."""

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *rest: Any) -> None:
        if trainer.global_step == 3:
            next(pl_module.generator.parameters()).data.fill_(float("nan"))


def _trainer(run: Path | str = _MINE, *, report: bool = False, **kwargs: Any) -> RunTrainer:
    """Three rounds an epoch, every round logged."""
    return Run(run, wandb="off", report=report).trainer(**{**_QUIET, "max_steps": 8, **kwargs})


def _fit(run: Path | str = _MINE, **kwargs: Any) -> GAN:
    gan = small_gan()
    _trainer(run, **kwargs).fit(gan, Noise(batch_size=4))
    return gan


def _status(run: Path = _MINE) -> tuple[str, str]:
    return record(run)["status"], record(run)["reason"]


# -- One training ------------------------------------------------------------------------------------------------------


def test_everything_of_a_run_is_in_its_folder(capsys: pytest.CaptureFixture[str]) -> None:
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)]
    gan = _fit(callbacks=[SampleGrid(num_samples=4)], report=True)
    assert sorted(path.name for path in Path().iterdir()) == ["runs"]
    files = sorted(str(path.relative_to(_MINE)) for path in _MINE.rglob("*") if path.is_file())
    assert files == [
        "checkpoints/last.ckpt",
        "config.yaml",
        "environment.json",
        "figures/figure-2.pdf",
        "figures/figure-2.png",
        "figures/figure-3.pdf",
        "figures/figure-3.png",
        "figures/memorization.pdf",
        "figures/memorization.png",
        "metrics.csv",
        "report.html",
        "run.json",
        "run.lock",
        "samples/round-000008.png",
    ]
    assert _status() == ("finished", "")
    assert json.loads((_MINE / "environment.json").read_text())["seed"] == 0
    kept = yaml.safe_load((_MINE / "config.yaml").read_text())
    assert (kept["from_python"], kept["trainer"]["max_steps"], kept["model"]["class_path"]) == (
        True,
        8,
        "lit_gan.gan.GAN",
    )
    assert [int(row["step"]) for row in metrics(_MINE)] == list(range(8))
    assert {"train/loss_d", "train/grad_norm_g", "perf/rounds_per_second"} <= metrics(_MINE)[-1].keys()
    assert all(torch.equal(weight, weights(_MINE)[name]) for name, weight in gan.state_dict().items())
    out = capsys.readouterr().out
    assert re.search(r"lit-gan: finished 8 rounds in 0:\d\d min \(max_steps=8\):\n  samples    runs/mine/samples", out)
    assert "LIT_GAN_RUN_DIR" not in os.environ
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)] == handlers


def test_a_trial_of_the_code_leaves_nothing() -> None:
    _fit(fast_dev_run=True)
    _trainer(fast_dev_run=True).test(small_gan(), Noise(batch_size=4))
    assert not Path("runs").exists()


def test_what_is_wrong_in_the_first_round_leaves_no_folder() -> None:
    with pytest.raises(UserError, match="a batch of 3 rows cannot be cut into 2 equal minibatches"):
        _trainer().fit(small_gan(), torch.utils.data.DataLoader(torch.rand(12, 1, 2, 2), batch_size=3))
    assert not Path("runs").exists()


def test_numbers_that_are_not_finite_end_the_run_for_good() -> None:
    with pytest.raises(RunError, match="nan: weights of the generator are not finite after round 3"):
        _fit(callbacks=[Poisoned()])
    assert _status()[0] == "failed"
    assert not list(_MINE.rglob("*.ckpt"))


def test_callbacks_of_ones_own_take_the_place_of_ours() -> None:
    stop, checkpoint = GracefulStop(max_time=timedelta(hours=1)), RunCheckpoint(every_n_train_steps=3, save_top_k=-1)
    log = CSVMetrics("elsewhere")
    trainer = _trainer(callbacks=[stop, checkpoint], logger=log)
    kinds = [type(each).__name__ for each in trainer.callbacks]
    assert [kinds.count(name) for name in ("GracefulStop", "RunCheckpoint", "NumericGuard")] == [1, 1, 1]
    trainer.fit(small_gan(), Noise(batch_size=4))
    names = sorted(path.name for path in (_MINE / "checkpoints").iterdir())
    assert names == ["epoch=0-step=3.ckpt", "epoch=1-step=6.ckpt", "last.ckpt", "previous.ckpt"]
    assert metrics(Path("elsewhere"))[-1]["step"] == "7"


# -- Stopping and going on ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "code", "reason"), [(signal.SIGTERM, 75, "preempted"), (signal.SIGINT, 130, "interrupted")]
)
def test_a_stopped_run_goes_on_to_the_very_end_of_an_uninterrupted_one(
    number: int, code: int, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    stops = [SignalOnce(5, number), ParzenEvaluation(0.3, num_samples=5)]
    with pytest.raises(SystemExit) as ending:
        _fit(callbacks=stops)
    assert isinstance(ending.value, RunStopped)
    assert ending.value.code == code
    assert _status() == ("stopped", reason)
    assert "stopped in runs/mine; the same script continues it after round 5." in capsys.readouterr().out

    stops = [SignalOnce(5, number), ParzenEvaluation(0.3, num_samples=5)]
    _fit(callbacks=stops)
    assert "lit-gan: continuing runs/mine after round 5 (another folder begins anew)." in capsys.readouterr().out
    assert (_status(), record(_MINE)["resumed"]) == (("finished", ""), 1)
    _fit("runs/whole", callbacks=[ParzenEvaluation(0.3, num_samples=5)])
    one, other = left(_MINE), left(Path("runs/whole"))
    for checkpoints in (one, other):
        checkpoints.pop("metrics"), checkpoints.pop("previous.ckpt", None)
    assert differences(one, other) == []
    assert command_line.repeatable(_MINE) == command_line.repeatable(Path("runs/whole"))


def test_a_notebook_is_not_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "ps1", "In : ", raising=False)
    with pytest.raises(RunStopped) as ending:
        _fit(callbacks=[SignalOnce(2)])
    assert not isinstance(ending.value, SystemExit)


def test_max_time_is_that_of_one_start_of_the_script() -> None:
    with pytest.raises(SystemExit) as ending:
        _fit(max_time=timedelta(seconds=0))
    assert ending.value.code == 0
    assert _status() == ("stopped", "max_time")


@pytest.mark.parametrize("kind", [GracefulStop, StopBetweenRounds])
@pytest.mark.parametrize(
    ("own", "asked"),
    [
        (None, {"max_time": timedelta(0)}),
        (None, {"callbacks": [Timer(timedelta(0))]}),
        (timedelta(hours=1), {"max_time": timedelta(0)}),
        (timedelta(0), {"max_time": timedelta(hours=1)}),
    ],
)
def test_a_stop_of_ones_own_heeds_the_shortest_time_that_is_asked_for(
    kind: type[StopBetweenRounds], own: timedelta | None, asked: dict[str, Any]
) -> None:
    with pytest.raises(SystemExit):
        _fit(**{**asked, "callbacks": [kind(max_time=own), *asked.get("callbacks", [])]})
    assert _status() == ("stopped", "max_time")


def test_a_time_that_was_asked_for_is_not_that_of_the_next_run() -> None:
    stop = GracefulStop()
    _trainer("runs/timed", callbacks=[stop], max_time=timedelta(0))
    _fit(callbacks=[stop])
    assert _status() == ("finished", "")


def test_a_stop_of_ones_own_heeds_the_tracker_of_the_run() -> None:
    signals = StopSignals()
    arguments = trainer_arguments({**_QUIET, "max_steps": 8, "callbacks": [GracefulStop()]}, None, [], signals=signals)
    signals.stop_by_tracker()
    with pytest.raises(RunStopped, match="stopped by the tracker"):
        Trainer(**arguments).fit(small_gan(), Noise(batch_size=4))


def test_a_finished_run_gives_its_weights(capsys: pytest.CaptureFixture[str]) -> None:
    trained = _fit()
    again = _fit()
    assert "lit-gan: finished 0 rounds in this script, 8 in all," in capsys.readouterr().out
    assert all(torch.equal(a, b) for a, b in zip(trained.parameters(), again.parameters(), strict=True))
    assert [int(row["step"]) for row in metrics(_MINE)] == list(range(8))


def test_it_trains_what_the_command_trains() -> None:
    """The same settings, once in Python and once on the command line: the same bits."""
    ending = command_line.fit("--run_dir=command", "--model.init_args.generator.init_args.pixel_mean_bias=false")
    assert ending.code == 0, ending.err
    seed_everything(0, workers=True)
    generator = MLPGenerator((1, 8, 8), latent_size=32, hidden=(256, 256), weight_init=0.2)
    discriminator = MaxoutDiscriminator((1, 8, 8), hidden=(64, 64), pieces=5, weight_init=0.05)
    _trainer("python", max_steps=-1, max_epochs=2).fit(GAN(generator, discriminator), DigitsDataModule(batch_size=300))
    one, other = weights(Path("command")), weights(Path("python"))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    ours = ("train/loss_d", "train/loss_g", "train/value")
    assert [[row[name] for name in ours] for row in metrics(Path("command"))] == [
        [row[name] for name in ours] for row in metrics(Path("python"))
    ]


# -- What is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trainer", "batch_size", "told"),
    [
        ({"max_steps": 9}, 4, "trainer.max_steps: got 9, expected 8"),
        ({"max_steps": 8}, 5, "data.datamodule.init_args.batch_size: got 5, expected 4"),
    ],
)
def test_another_configuration_is_refused_in_pythons_words(trainer: Any, batch_size: int, told: str) -> None:
    _fit()
    before = {path: path.read_bytes() for path in _MINE.rglob("*") if path.is_file()}
    with pytest.raises(UserError) as refusal:
        _trainer(**trainer).fit(small_gan(), Noise(batch_size=batch_size))
    text = str(refusal.value)
    assert text.startswith(f"{_MINE.absolute()} holds a run of another configuration (")
    assert told in text
    assert text.endswith("): give that run's configuration, or another Run(PATH) for a new run.")
    assert {path: path.read_bytes() for path in _MINE.rglob("*") if path.is_file()} == before


def test_a_folder_that_is_written_elsewhere_is_left_alone() -> None:
    other = RunFolder(_MINE)
    other.take({}, check=lambda found: None, environ={})
    try:
        with pytest.raises(FolderInUse) as refusal:
            _fit()
    finally:
        other.release()
    assert str(refusal.value).startswith(f"{_MINE.absolute()} is being written by process {os.getpid()} on ")
    assert str(refusal.value).endswith(": wait for it to end or stop it, or give another Run(PATH).")


def test_a_folder_of_other_files_is_left_alone() -> None:
    _MINE.mkdir(parents=True)
    (_MINE / "metrics.csv").touch()
    with pytest.raises(UserError) as refusal:
        _fit()
    assert str(refusal.value) == (
        f'Run("{_MINE.absolute()}") holds metrics.csv but no run.json, so it is no run of this program: '
        "give a new or an empty folder."
    )


def test_the_command_says_that_the_run_is_pythons() -> None:
    _fit()
    assert command_line.lit_gan("test", _MINE).line.startswith("runs/mine was trained from Python, and its config.yaml")


# -- Evaluating --------------------------------------------------------------------------------------------------------


def test_the_numbers_of_a_test_stand_at_the_round_of_the_weights() -> None:
    gan, trainer = small_gan(), _trainer()
    trainer.fit(gan, Noise(batch_size=4))
    [here] = trainer.test(gan, Noise(batch_size=4))
    assert [("test/loss_d" in row, row["step"]) for row in metrics(_MINE)[-2:]] == [(False, "6"), (True, "7")]

    fresh = small_gan()
    [there] = _trainer().test(fresh, Noise(batch_size=4))
    assert (there, len(metrics(_MINE))) == (here, 8)
    [validated] = _trainer().validate(fresh, Noise(batch_size=4), ckpt_path="last")
    assert "val/loss_d" in validated
    assert _status() == ("finished", "")


def test_the_best_is_that_of_the_folder() -> None:
    scored = {"callbacks": [ParzenEvaluation(0.3, num_samples=5)]}
    with pytest.raises(UserError, match=r'ckpt_path="best": .* holds none: expected "last", or the path of a'):
        _trainer(**scored).test(small_gan(), Noise(batch_size=4), ckpt_path="best")
    _fit(**scored)
    [best] = (_MINE / "checkpoints").glob("best-*.ckpt")
    numbers = _trainer(**scored).test(small_gan(), Noise(batch_size=4), ckpt_path="best")
    assert numbers == _trainer(**scored).test(small_gan(), Noise(batch_size=4), ckpt_path=best)


class Worsening(Callback):
    """Each validation is worse than the one before, so that the best checkpoint is the oldest of those kept."""

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: Any) -> None:
        pl_module.log("val/mine", float(trainer.global_step))


def _three_best(**kwargs: Any) -> dict[str, Any]:
    return {"callbacks": [Worsening(), RunCheckpoint(monitor="val/mine", save_top_k=3, **kwargs)]}


def test_of_several_kept_the_best_is_taken_not_the_newest() -> None:
    _fit(**_three_best())
    first, _, newest = sorted((_MINE / "checkpoints").glob("best-*.ckpt"))
    asked, oldest, last = (
        _trainer(**_three_best()).test(small_gan(), Noise(batch_size=4), ckpt_path=path)
        for path in ("best", first, newest)
    )
    assert asked == oldest != last


def test_where_nothing_says_which_is_the_best_it_is_refused_and_the_training_itself_knows() -> None:
    gan, trainer = small_gan(), _trainer(**_three_best(save_weights_only=True))
    trainer.fit(gan, Noise(batch_size=4))
    kept = sorted((_MINE / "checkpoints").glob("best-*.ckpt"))
    known = trainer.test(gan, Noise(batch_size=4), ckpt_path="best")
    assert known == _trainer(**_three_best()).test(small_gan(), Noise(batch_size=4), ckpt_path=kept[0])
    with pytest.raises(UserError) as refused:
        _trainer(**_three_best()).test(small_gan(), Noise(batch_size=4), ckpt_path="best")
    folder, names = kept[0].parent.absolute(), ", ".join(path.name for path in kept)
    assert str(refused.value) == (
        f'ckpt_path="best": {folder} holds {names}, and no checkpoint there says which of them is the best: '
        "expected the path of one."
    )


def test_in_a_folder_without_a_run_an_evaluation_is_a_run_of_its_own() -> None:
    [numbers] = _trainer("runs/apart").test(small_gan(), Noise(batch_size=4))
    assert _status(Path("runs/apart")) == ("finished", "")
    assert float(metrics(Path("runs/apart"))[0]["test/loss_d"]) == pytest.approx(numbers["test/loss_d"])


def test_an_evaluation_of_a_broken_checkpoint_leaves_no_run() -> None:
    Path("broken.ckpt").write_bytes(b"no checkpoint")
    with pytest.raises(UserError, match=r"broken\.ckpt cannot be read as a checkpoint"):
        _trainer().test(small_gan(), Noise(batch_size=4), ckpt_path="broken.ckpt")
    assert not _MINE.exists()
    _fit()
    assert _status() == ("finished", "")


# -- Modules that are not ours -----------------------------------------------------------------------------------------


def test_any_module_stops_and_goes_on() -> None:
    """Automatic optimisation, one optimiser, a data module that knows nothing of rounds."""

    def fit() -> OwnModule:
        module = OwnModule(width=2)
        _trainer(callbacks=[SignalOnce(5)]).fit(module, datamodule=OwnData())
        return module

    with pytest.raises(RunStopped):
        fit()
    module = fit()
    assert (_status(), module.trainer.global_step) == (("finished", ""), 8)
    assert [int(row["step"]) for row in metrics(_MINE)] == list(range(8))
    [numbers] = _trainer(callbacks=[SignalOnce(5)]).test(module, OwnData())
    assert "test/loss" in numbers
    with pytest.raises(UserError, match=r"model\.init_args\.width: got 3, expected 2"):
        _trainer(callbacks=[SignalOnce(5)]).fit(OwnModule(width=3), datamodule=OwnData())


# -- Other processes ---------------------------------------------------------------------------------------------------

_SCRIPT = """
import sys, time
from lightning.pytorch import Callback, seed_everything
from lit_gan import Run
from stop_cases import Noise, small_gan

class Slowly(Callback):
    def on_train_batch_end(self, *arguments):
        time.sleep(float(open("pause").read()))

if __name__ == "__main__":
    seed_everything(0, workers=True)
    gan = small_gan()
    trainer = Run("runs/mine", wandb=sys.argv[1]).trainer(
        max_steps=60, devices=int(sys.argv[2]), accelerator="cpu", enable_progress_bar=False, log_every_n_steps=1,
        callbacks=[Slowly()],
    )
    trainer.fit(gan, Noise(batch_size=4))
    print(f"sampled {len(gan.sample(4))}", flush=True)
"""


def _start(*arguments: str) -> subprocess.Popen[str]:
    Path("train.py").write_text(_SCRIPT)
    return subprocess.Popen(
        [sys.executable, "train.py", *arguments],
        env={**os.environ, **ENVIRON},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize("devices", ["1", "2"])
def test_a_script_ends_as_the_command_does_and_goes_on(devices: str) -> None:
    Path("pause").write_text("0.05")
    # As a user starts it; one that starts ranks, in fresh interpreters: tests/strategies/test_launcher.py.
    with nursery() if devices == "2" else nullcontext():
        process = _start("off", devices)
    try:
        wait_for_rows(_MINE, 5, lambda: process.poll() is None, lambda: "it trains no 5 rounds")
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == 75, err
    assert "the same script continues it after round" in out
    assert "sampled" not in out
    assert "Traceback" not in err
    assert _status() == ("stopped", "preempted")

    Path("pause").write_text("0")
    with nursery():
        process = _start("off", devices)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert "continuing runs/mine after round" in out
    assert "sampled 4" in out
    assert _status() == ("finished", "")
    assert [int(row["step"]) for row in metrics(_MINE)] == list(range(60))


@pytest.mark.slow
def test_wandb_tracks_into_the_folder_and_is_over_with_the_training() -> None:
    Path("pause").write_text("0")
    with nursery():
        process = _start("offline", "1")
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert len(list((_MINE / "wandb").glob("offline-run-*"))) == 1
    assert sorted(path.name for path in Path().iterdir()) == ["pause", "runs", "train.py"]
