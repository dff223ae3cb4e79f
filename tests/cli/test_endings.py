"""What a command says that it did, why it ended, and what is refused because there is nothing to do."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import command_line
import pytest
import torch
import yaml
from command_line import fit, lit_gan, metrics, repeatable, the_run, weights
from trainings import Training


def _record(run: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((run / "run.json").read_text())
    return content


def _check_same_training(one: Path, other: Path) -> None:
    assert repeatable(one) == repeatable(other)
    here, there = command_line.checkpoint(one), command_line.checkpoint(other)
    assert all(torch.equal(here["state_dict"][name], there["state_dict"][name]) for name in there["state_dict"])
    assert here["loops"]["fit_loop"]["epoch_progress"] == there["loops"]["fit_loop"]["epoch_progress"]


# -- Nothing left to do ------------------------------------------------------------------------------------------------


def test_a_finished_run_is_not_continued(finished_run: Path) -> None:
    line = fit(f"--resume={finished_run}").line
    assert line == (
        f"--resume {finished_run}: the run has finished, and nothing is left to train: for a longer one begin a new "
        f"run from its checkpoint (--ckpt_path {finished_run} --trainer.max_epochs N), or anew with its weights "
        f"(--init_from {finished_run})."
    )
    assert _record(finished_run)["status"] == "finished"
    assert [path.name for path in finished_run.parent.iterdir()] == [finished_run.name]


@pytest.mark.parametrize("epochs", [1, 2])
def test_a_checkpoint_at_its_end_begins_no_run(epochs: int, finished_run: Path) -> None:
    line = fit(f"--ckpt_path={finished_run}", "--run_dir=new", epochs=epochs).line
    path = finished_run / "checkpoints" / "last.ckpt"
    assert line == (
        f"--ckpt_path {path}: the checkpoint is at epoch 2 of {epochs} (round 8), and nothing is left to train: give "
        f"more epochs (--trainer.max_epochs N), or begin anew with its weights (--init_from {path} in place of "
        "--ckpt_path)."
    )
    assert not Path("new").exists()


def test_rounds_are_counted_too(finished_run: Path) -> None:
    line = fit(f"--ckpt_path={finished_run}", "--trainer.max_steps=8", "--run_dir=new", epochs=9).line
    assert "the checkpoint is at round 8 of 8, and nothing is left to train: give more rounds (--trainer.max_st" in line
    assert not Path("new").exists()


def test_a_run_dir_that_has_finished_says_that_nothing_was_trained(finished_run: Path) -> None:
    """No error: in a chain of jobs the others come when it is done."""
    shutil.copytree(finished_run, "mine")
    before = (Path("mine") / "metrics.csv").read_bytes()
    ending = fit("--run_dir=mine")
    assert ending.code == 0, ending.err
    assert "finished 0 rounds in this command, 8 in all, in 0:" in ending.out
    assert (Path("mine") / "metrics.csv").read_bytes() == before


# -- What a command did ------------------------------------------------------------------------------------------------


def test_the_end_counts_the_rounds_of_this_command(finished_run: Path) -> None:
    ending = fit(f"--ckpt_path={finished_run}", "--run_dir=further", epochs=3)
    assert "finished 4 rounds in this command, 12 in all, in 0:" in ending.out
    assert "min (max_epochs=3):" in ending.out


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (("--trainer.max_steps=3",), "max_steps=3"),
        (("--trainer.limit_train_batches=0",), "no training batches"),
        (("--trainer.fast_dev_run=true",), "fast_dev_run"),
    ],
)
def test_the_end_says_which_limit_was_reached(flags: tuple[str, ...], reason: str) -> None:
    ending = fit(*flags)
    assert ending.code == 0, ending.err
    assert f" min ({reason}):" in ending.out
    assert (_record(the_run())["status"], _record(the_run())["reason"]) == ("finished", "")


_NEVER_BETTER = (
    "--trainer.callbacks+=lightning.pytorch.callbacks.EarlyStopping",
    "--trainer.callbacks.monitor=val/loss_d",
    "--trainer.callbacks.min_delta=100",
)


def test_early_stopping_finishes_with_its_reason() -> None:
    ending = fit(*_NEVER_BETTER, "--trainer.callbacks.patience=1", epochs=9)
    assert ending.code == 0, ending.err
    record = _record(the_run())
    assert "finished 8 rounds in 0:" in ending.out
    assert record["status"] == "finished"
    assert record["reason"].startswith(
        "EarlyStopping: Monitored metric val/loss_d did not improve in the last 1 record"
    )
    assert f"({record['reason']}):" in ending.out
    assert (
        "the run has finished (EarlyStopping: Monitored"
        in fit(*_NEVER_BETTER, "--trainer.callbacks.patience=1", f"--resume={the_run()}", epochs=9).line
    )


def test_early_stopping_goes_on_with_the_patience_that_is_asked_for() -> None:
    assert fit(*_NEVER_BETTER, "--trainer.callbacks.patience=1", "--run_dir=first", epochs=9).code == 0
    ending = fit(*_NEVER_BETTER, "--trainer.callbacks.patience=3", "--run_dir=more", "--ckpt_path=first", epochs=9)
    assert "finished 8 rounds in this command, 16 in all" in ending.out  # its third and fourth record without progress
    assert "did not improve in the last 3 records" in ending.out


def test_a_callback_that_stops_is_told() -> None:
    ending = fit("--trainer.callbacks+=own_modules.StopsTraining", "--trainer.callbacks.rounds=3", epochs=9)
    assert ending.code == 0, ending.err
    assert "finished 3 rounds in 0:" in ending.out
    assert _record(the_run())["reason"] == "a callback has set trainer.should_stop"


# -- What is kept for other runs ---------------------------------------------------------------------------------------


def test_scores_of_baselines_that_cannot_be_read_do_not_fail_a_training_that_is_done() -> None:
    assert fit("--run_dir=one", "--parzen.num_samples=50", epochs=1).code == 0
    [kept] = Path("runs", "baselines").glob("*.pt")
    kept.write_bytes(b"damaged")
    with pytest.warns(
        UserWarning, match=rf"^No scores of baselines stand beside .* \(UserError: {kept} cannot be read "
    ):
        ending = fit("--run_dir=two", "--parzen.num_samples=50", epochs=1)
    assert ending.code == 0, ending.err
    assert " nats on 150 held-out images; real images " in ending.out
    assert _record(Path("two"))["status"] == "finished"
    assert Path("two", "scores.json").read_bytes() == Path("one", "scores.json").read_bytes()
    assert kept.read_bytes() == b"damaged"


def test_what_cannot_be_kept_for_other_runs_does_not_fail_a_training() -> None:
    Path("runs").mkdir()
    Path("runs", "baselines").touch()
    names = ("PrecisionRecall", "SampleClasses")
    given = ", ".join(f"{{class_path: lit_gan.metrics.{name}}}" for name in names)
    options = (f"--evaluation.metrics=[{given}]", "--evaluation.num_samples=50", "--evaluation.every_n_epochs=1")
    with pytest.warns(UserWarning, match="is not kept for other runs") as told:
        ending = fit("--run_dir=one", "--parzen.num_samples=50", *options, epochs=1)
    assert ending.code == 0, ending.err
    files = ("PrecisionRecall", "classifiers", "real/PrecisionRecall", "real/SampleClasses")
    found = {re.split(r"-\w+\.|/\w+\.pt|-\w+-0-of| is not", str(each.message))[0] for each in told}
    assert found == {"The score of real images", *(f"runs/baselines/{name}" for name in files)}
    line = r"runs/baselines/\S+\.pt is not kept for other runs \(FileExistsError: \[Errno 17\] File exists: \S+\)\."
    assert any(re.fullmatch(line, str(each.message)) for each in told)
    assert _record(Path("one"))["status"] == "finished"
    assert set(json.loads(Path("one", "scores.json").read_text())["val"]["rows"]) == {"this run", "training images"}


# -- The time that a command has ---------------------------------------------------------------------------------------

_SLOW = ("--trainer.callbacks+=own_modules.Slow", "--trainer.callbacks.seconds=0.2")


@pytest.mark.parametrize("by", ["max_time", "Timer"])
def test_max_time_stops_and_the_same_command_goes_on_with_a_fresh_clock(by: str) -> None:
    timer = ("--trainer.callbacks+=lightning.pytorch.callbacks.Timer", "--trainer.callbacks.duration=00:00:00:01")
    limit = ("--trainer.max_time=00:00:00:01",) if by == "max_time" else timer
    ending = fit(*_SLOW, *limit, epochs=3)
    run = the_run()
    rounds = command_line.checkpoint(run)["global_step"]
    assert ending.code == 0, ending.err
    assert 0 < rounds < 8
    told = f"ended by max_time after {rounds} of 12 rounds in {run}; the same command continues it after round {rounds}"
    assert told in ending.out
    assert "finished" not in ending.out
    assert (_record(run)["status"], _record(run)["reason"]) == ("stopped", "max_time")
    for _ in range(12):
        ending = fit(*_SLOW, *limit, epochs=3)
        if "finished" in ending.out:
            break
        assert command_line.checkpoint(run)["global_step"] > rounds
        rounds = command_line.checkpoint(run)["global_step"]
    assert _record(run)["status"] == "finished"
    assert the_run() == run
    assert fit("--run_dir=whole", epochs=3).code == 0
    _check_same_training(run, Path("whole"))


@pytest.mark.slow
def test_two_ranks_end_by_time_together_and_go_on() -> None:
    def train(*flags: str) -> Training:
        training = Training.start(Path("two"), *_SLOW, "--trainer.max_epochs=3", *flags)
        try:
            assert training.wait() == 0, training.err
        finally:
            training.kill()
        return training

    ended = train("--trainer.max_time=00:00:00:01")
    rounds = command_line.checkpoint(Path("two"))["global_step"]
    assert f"ended by max_time after {rounds} of 12 rounds in two; the same command continues it" in ended.out
    assert _record(Path("two"))["status"] == "stopped"


def test_a_time_that_is_not_used_up_changes_nothing(finished_run: Path) -> None:
    ending = fit("--trainer.max_time=00:01:00:00", "--run_dir=timed")
    assert "finished 8 rounds in" in ending.out
    _check_same_training(Path("timed"), finished_run)


def test_a_stop_of_ones_own_ends_by_the_time_of_the_command_too() -> None:
    own = ("--trainer.callbacks+=GracefulStop", "--trainer.callbacks.max_time=01:00:00")
    ending = fit(*_SLOW, *own, "--trainer.max_time=00:00:00:01", epochs=3)
    assert "ended by max_time after " in ending.out, ending.err


def test_without_any_other_limit_time_is_the_only_one() -> None:
    ending = lit_gan(
        "fit", "--config=quickstart", *command_line.SHORT, "--trainer.max_time=00:00:00:01", "--trainer.max_epochs=null"
    )
    assert "ended by max_time after " in ending.out
    assert " rounds in runs/quickstart/" in ending.out
    assert " of " not in ending.out


def test_a_time_that_cannot_be_read_is_told() -> None:
    line = fit("--trainer.max_time=an hour").line
    assert "max_time" in line or "not a valid duration" in line
    assert not Path("runs").exists()


# -- The last round ----------------------------------------------------------------------------------------------------

_RARELY = ("--trainer.log_every_n_steps=50", "--trainer.check_val_every_n_epoch=5")


def test_a_run_shorter_than_the_logging_interval_has_a_row_of_its_last_round() -> None:
    assert fit(*_RARELY).code == 0
    (row,) = metrics(the_run())
    assert (int(row["step"]), int(row["epoch"])) == (7, 1)
    assert {"train/loss_d", "train/loss_g", "train/lr_g", "train/grad_norm_d", "perf/rounds_per_second"} <= row.keys()


def test_a_last_round_within_an_epoch_is_logged_and_validated() -> None:
    assert fit(*_RARELY, "--trainer.max_steps=6", "--checkpoint.monitor=val/loss_d").code == 0
    (row,) = metrics(the_run())
    assert (int(row["step"]), int(row["epoch"])) == (5, 1)
    assert {"train/loss_d", "val/loss_d", "val/jsd_bound"} <= row.keys()
    names = sorted(path.name for path in (the_run() / "checkpoints").iterdir())
    assert names == ["best-000006.ckpt", "last.ckpt", "previous.ckpt"]  # of the epoch before


@pytest.mark.filterwarnings("ignore::lit_gan.metrics.parzen_warnings.ParzenWarning")
def test_the_score_is_there_too() -> None:
    assert fit(*_RARELY, "--trainer.max_steps=2", "--parzen.num_samples=40").code == 0
    assert "val/parzen_nll" in metrics(the_run())[-1]


def test_without_validation_data_nothing_is_validated() -> None:
    assert fit(*_RARELY, "--trainer.max_steps=2", "--trainer.limit_val_batches=0").code == 0
    (row,) = metrics(the_run())
    assert not any(name.startswith("val/") for name in row)


def test_a_stop_leaves_no_row_that_the_undisturbed_run_has_not() -> None:
    stops = ("--trainer.callbacks+=own_modules.StopOnce", "--trainer.callbacks.init_args.rounds=6")
    assert fit(*_RARELY, *stops, "--trainer.max_steps=11", epochs=3).code == 130
    assert fit(*_RARELY, *stops, "--trainer.max_steps=11", epochs=3).code == 0
    assert [int(row["step"]) for row in metrics(the_run())] == [10]
    assert fit(*_RARELY, "--run_dir=whole", "--trainer.max_steps=11", epochs=3).code == 0
    _check_same_training(the_run(), Path("whole"))


@pytest.mark.parametrize("rounds", [5, 6, 8])
def test_a_longer_run_goes_on_from_within_the_epoch(rounds: int) -> None:
    """As if it had never ended there: the same batches, the same epochs."""
    plateau = {"class_path": "torch.optim.lr_scheduler.ReduceLROnPlateau", "init_args": {"patience": 0, "threshold": 9}}
    schedules = [
        {"scheduler": plateau, "interval": "epoch", "monitor": "train/loss_d"},
        {
            "scheduler": {"class_path": "torch.optim.lr_scheduler.StepLR", "init_args": {"step_size": 1, "gamma": 0.9}},
            "interval": "epoch",
        },
    ]
    Path("moved.yaml").write_text(yaml.safe_dump({"model": {"init_args": {"schedule_d": schedules}}}))
    every = ("--trainer.log_every_n_steps=1", "--config=moved.yaml")
    assert fit(*every, f"--trainer.max_steps={rounds}", "--run_dir=short", epochs=4).code == 0
    assert fit(*every, "--ckpt_path=short", "--run_dir=longer", epochs=4).code == 0
    assert fit(*every, "--run_dir=whole", epochs=4).code == 0
    here, there = weights(Path("longer")), weights(Path("whole"))
    assert all(torch.equal(here[name], there[name]) for name in there)
    assert repeatable(Path("longer")) == [row for row in repeatable(Path("whole")) if int(row["step"]) >= rounds]


# -- The names of checkpoints ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("whose", ["ours", "Lightning's"])
def test_a_metric_in_the_name_of_a_checkpoint_makes_no_folder(whose: str) -> None:
    lightnings = (
        "--trainer.callbacks+=lightning.pytorch.callbacks.ModelCheckpoint",
        "--trainer.callbacks.filename={epoch}-{val/loss_d:.1f}",
        "--trainer.callbacks.monitor=val/loss_d",
        "--trainer.callbacks.dirpath=theirs",
    )
    ours = ("--checkpoint.filename={epoch}-{val/loss_d:.1f}", "--checkpoint.monitor=val/loss_d")
    ending = fit(*(ours if whose == "ours" else lightnings), epochs=1)
    assert ending.code == 0, ending.err
    folder = the_run() / "checkpoints" if whose == "ours" else Path("theirs")
    (name,) = (path.name for path in folder.iterdir() if path.name not in ("last.ckpt", "previous.ckpt"))
    value = float(metrics(the_run())[-1]["val/loss_d"])
    assert name == f"epoch=0-val_loss_d={value:.1f}.ckpt"


def test_a_run_that_never_resumes_is_told_how_it_would() -> None:
    own = ("--trainer.callbacks=own_modules.StopOnce", "--trainer.callbacks.rounds=2")
    ending = fit("--resume=never", *own)
    assert f"stopped in {the_run()}; --resume {the_run()} in place of --resume never continues it " in ending.out
