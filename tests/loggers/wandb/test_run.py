"""What a run is at W&B: its rows, when it begins, and how it ends."""

import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fake_wandb_run import FakeRun
from lightning.pytorch.loggers import WandbLogger
from torch import nn

from lit_gan.errors import RunStopped
from lit_gan.loggers.csv import CSVMetrics
from lit_gan.loggers.wandb import run as tracking
from lit_gan.loggers.wandb.choice import finished_wandb, wandb_logger, with_wandb
from lit_gan.loggers.wandb.run import RunAtWandb


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeRun:
    """The run that loggers begin."""
    run = FakeRun()
    run.settings.sync_dir = str(tmp_path)
    monkeypatch.setattr(tracking, "begin_run", lambda arguments, offline, stage: run)
    return run


@pytest.fixture
def logger(tmp_path: Path, run: FakeRun) -> RunAtWandb:
    logger = wandb_logger(tmp_path, "online", {})
    assert logger is not None
    return logger


def test_a_round_is_one_row_that_is_sent_when_the_next_one_begins(logger: RunAtWandb, run: FakeRun) -> None:
    logger.log_metrics({"a": 1.0, "epoch": 0}, step=3)
    logger.log_metrics({"b": 2.0}, step=3)
    assert run.rows == []
    logger.log_metrics({"a": 3.0, "epoch": 0}, step=5)
    assert run.rows == [{"a": 1.0, "b": 2.0, "epoch": 0, "trainer/global_step": 3}]
    logger.finalize("success")
    assert run.rows[1:] == [{"a": 3.0, "epoch": 0, "trainer/global_step": 5}]


def test_what_comes_late_stands_in_the_newest_row(logger: RunAtWandb, run: FakeRun) -> None:
    logger.log_metrics({"a": 1.0}, step=3)
    logger.log_metrics({"b": 2.0}, step=2)
    logger.log_metrics({"c": 3.0})
    logger.finalize("success")
    assert run.rows == [{"a": 1.0, "b": 2.0, "c": 3.0, "trainer/global_step": 3}]


def test_after_an_error_a_row_without_its_numbers_is_not_sent(logger: RunAtWandb, run: FakeRun) -> None:
    logger.log_metrics({"samples": "a picture"}, step=3)
    logger.finalize("failed")
    assert run.rows == []
    logger.log_metrics({"a": 1.0, "epoch": 0}, step=3)
    logger.finalize("failed")
    assert len(run.rows) == 1


def test_somebody_elses_rows_are_not_in_the_way(logger: RunAtWandb, run: FakeRun) -> None:
    logger.experiment.log({"mine": 1}, step=7, commit=True)
    logger.log_metrics({"a": 1.0}, step=3)
    logger.finalize("success")
    assert run.rows[1] == {"a": 1.0, "trainer/global_step": 3}


def test_the_best_score_is_in_the_summary_whatever_follows(logger: RunAtWandb, run: FakeRun) -> None:
    for step, score in enumerate([5.0, 3.0, float("nan"), 4.0]):
        logger.log_metrics({"val/parzen_nll": score}, step=step)
    logger.finalize("success")
    assert run.summary["best/val/parzen_nll"] == 3.0


def test_a_run_that_goes_on_gets_what_it_lacks_and_nothing_twice(
    tmp_path: Path, logger: RunAtWandb, run: FakeRun
) -> None:
    (tmp_path / "metrics.csv").write_text("step,epoch,val/parzen_nll\n3,0,2.0\n7,1,4.0\n11,2,5.0\n")
    run.resumed, run.summary["trainer/global_step"] = True, 3
    logger.log_metrics({"val/parzen_nll": 5.0, "epoch": 2}, step=11)
    logger.log_metrics({"val/parzen_nll": 6.0, "epoch": 3}, step=15)
    logger.finalize("success")
    assert [row["trainer/global_step"] for row in run.rows] == [7, 11, 15]
    assert run.summary["best/val/parzen_nll"] == 2.0


def test_what_another_run_of_that_id_has_is_not_taken_for_ours(logger: RunAtWandb, run: FakeRun) -> None:
    run.resumed, run.summary["trainer/global_step"] = True, 3
    with pytest.warns(UserWarning, match=r"W&B has a run run already, and nothing of it is in .*: what is logged here"):
        logger.begin()
    logger.log_metrics({"a": 1.0, "epoch": 0}, step=0)
    logger.finalize("success")
    assert [row["trainer/global_step"] for row in run.rows] == [0]


def test_a_run_that_is_lost_begins_again_with_all_of_it(
    tmp_path: Path, logger: RunAtWandb, run: FakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "metrics.csv").write_text("step,epoch,a\n3,0,1.0\n7,1,2.0\n")
    run_again = FakeRun()
    run_again.offline = True

    def fail(row: dict[str, Any], **how: Any) -> None:
        monkeypatch.setattr(tracking, "begin_run", lambda arguments, offline, stage: run_again)
        raise ConnectionResetError("Connection lost")

    monkeypatch.setattr(tracking, "shut_down", lambda: None)
    logger.log_metrics({"a": 1.0, "epoch": 0}, step=3)
    logger.log_metrics({"a": 2.0, "epoch": 1}, step=7)
    monkeypatch.setattr(run, "log", fail)
    with pytest.warns(UserWarning, match=r"W&B is lost \(Connection lost\): the run goes on offline"):
        logger.log_metrics({"a": 3.0, "epoch": 2}, step=11)
    logger.finalize("success")
    assert run.rows == [{"a": 1.0, "epoch": 0, "trainer/global_step": 3}]
    assert [row["trainer/global_step"] for row in run_again.rows] == [3, 7, 11]


def test_what_wandb_does_not_take_at_all_costs_a_row_and_not_the_training(
    logger: RunAtWandb, run: FakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(row: dict[str, Any], **how: Any) -> None:
        raise TypeError("no number")

    monkeypatch.setattr(run, "log", fail)
    monkeypatch.setattr(tracking, "shut_down", lambda: None)
    logger.log_metrics({"a": object()}, step=3)
    with pytest.warns(UserWarning, match="W&B") as told:
        logger.finalize("success")
    assert [str(warning.message) for warning in told] == [
        "W&B is lost (no number): the run goes on offline.",
        "W&B does not take what is logged (no number).",
    ]


def test_a_row_that_was_not_sent_is_not_among_what_a_piece_has(
    tmp_path: Path, logger: RunAtWandb, run: FakeRun
) -> None:
    logger.log_metrics({"a": 1.0, "epoch": 0}, step=3)
    logger.log_metrics({"samples": "a picture"}, step=7)
    logger.finalize("failed")
    logger.close(exit_code=1)
    assert (tmp_path / "end.json").read_text() == '{"last_round": 3, "delivered": true}\n'


def test_a_training_that_fails_or_is_stopped_ends_the_run_so(logger: RunAtWandb, run: FakeRun) -> None:
    with finished_wandb([logger]):
        pass
    assert run.ended_with == 0
    with pytest.raises(RunStopped), finished_wandb([logger]):
        raise RunStopped("stopped by the tracker")
    assert run.ended_with == 0
    with pytest.raises(OSError, match="disk"), finished_wandb([logger]):
        raise OSError("disk")
    assert run.ended_with == 1


@pytest.mark.parametrize(("offline", "exit_code"), [(False, 75), (True, 0)])
def test_a_preempted_run_says_that_it_will_be_gone_on_with(
    offline: bool, exit_code: int, logger: RunAtWandb, run: FakeRun
) -> None:
    run.offline = offline
    with pytest.raises(RunStopped), finished_wandb([logger]):
        raise RunStopped("preempted", requeue=True)
    assert (run.is_preempting, run.ended_with) == (not offline, exit_code)


def test_ctrl_c_is_no_preemption(logger: RunAtWandb, run: FakeRun) -> None:
    with pytest.raises(RunStopped), finished_wandb([logger]):
        raise RunStopped("interrupted")
    assert (run.is_preempting, run.ended_with) == (False, 0)


def test_ranks_other_than_the_first_begin_nothing(
    logger: RunAtWandb, run: FakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    with finished_wandb([logger]):
        pass
    assert (logger._run, run.ended_with) == (None, None)


def test_the_prefix_of_the_users_logger_is_everywhere(tmp_path: Path, run: FakeRun) -> None:
    (tmp_path / "metrics.csv").write_text("step,epoch,val/parzen_nll\n3,0,2.0\n")
    run.resumed, run.summary["trainer/global_step"] = True, 3
    [ours] = with_wandb([WandbLogger(prefix="p")], tmp_path, "online", {})
    ours.log_metrics({"val/parzen_nll": 4.0}, step=7)
    ours.finalize("success")
    assert run.rows == [{"p-val/parzen_nll": 4.0, "trainer/global_step": 7}]
    names = {"trainer/global_step", "p-val/parzen_nll", "p-epoch", "p-best/val/parzen_nll"}
    assert run.summary.keys() == names
    assert run.summary["p-best/val/parzen_nll"] == 2.0


@pytest.mark.parametrize("call", ["after_save_checkpoint", "finalize", "log_hyperparams"])
def test_a_server_that_is_gone_costs_lightnings_own_uploads_and_not_the_training(
    call: str, tmp_path: Path, run: FakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any) -> None:
        raise ConnectionError("gone")

    monkeypatch.setattr(WandbLogger, call, fail)
    monkeypatch.setattr(tracking, "shut_down", lambda: None)
    [ours] = with_wandb([WandbLogger(log_model="all")], tmp_path, "online", {})
    given: Any = {
        "after_save_checkpoint": SimpleNamespace(best_model_path="best.ckpt", last_model_path="last.ckpt"),
        "finalize": "success",
        "log_hyperparams": {"a": 1},
    }[call]
    with pytest.warns(UserWarning, match="W&B") as told:
        getattr(ours, call)(given)
    assert [str(warning.message) for warning in told] == [
        "W&B is lost (gone): the run goes on offline.",
        "W&B does not take what is logged (gone).",
    ]


def test_the_command_that_uploads_can_be_copied_where_the_path_has_a_space(
    logger: RunAtWandb, run: FakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    logger.begin()
    run.settings.sync_dir = "/my run/wandb/run-1-a"
    monkeypatch.setattr(tracking, "finish_run", lambda run, exit_code: "gone")
    with pytest.warns(UserWarning, match="uploaded by: wandb sync --include-online '/my run/wandb/run-1-a'$"):
        logger.close(exit_code=0)


# -- Offline: nothing before the end -----------------------------------------------------------------------------------


@pytest.fixture
def csv(tmp_path: Path) -> CSVMetrics:
    return CSVMetrics(tmp_path)


@pytest.fixture
def begun(run: FakeRun, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Says that W&B's run has begun, which is offline; nobody has imported `wandb`."""
    run.offline = True
    begun: list[bool] = []

    def begin(arguments: dict[str, Any], *, offline: bool, stage: Path) -> FakeRun:
        begun.append(offline)
        return run

    monkeypatch.setattr(tracking, "begin_run", begin)
    monkeypatch.setattr(tracking, "run_settings", lambda given, on_stop: None)
    monkeypatch.setattr(tracking, "_pictures", str)
    monkeypatch.delitem(sys.modules, "wandb", raising=False)
    return begun


@pytest.fixture
def waiting(csv: CSVMetrics, begun: list[bool]) -> RunAtWandb:
    """An offline logger, as the command begins it."""
    logger = wandb_logger(Path(csv.save_dir), "offline", {}, csv=csv)
    assert logger is not None
    logger.begin()
    return logger


def _log(csv: CSVMetrics, logger: RunAtWandb, values: dict[str, Any], step: int) -> None:
    for each in (csv, logger):
        each.log_metrics({"epoch": 0, **values}, step=step)


def test_offline_the_run_is_written_from_the_folder_at_the_end(
    csv: CSVMetrics, waiting: RunAtWandb, begun: list[bool], run: FakeRun, tmp_path: Path
) -> None:
    before = time.time()
    _log(csv, waiting, {"a": 1.0}, 0)
    _log(csv, waiting, {"a": 2.0}, 1)
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "round-000002.png").touch()
    waiting.log_image("samples", [object()], step=2)
    waiting.log_hyperparams({"width": 3})
    waiting.finalize("success")
    logged_by = time.time()
    assert begun == []
    waiting.close(exit_code=0)
    assert begun == [True]
    times = [row.pop("_timestamp") for row in run.rows]
    assert before <= times[0] <= times[1] <= logged_by
    picture = str(tmp_path / "samples" / "round-000002.png")
    assert run.rows == [
        {"epoch": 0, "a": 1.0, "trainer/global_step": 0},
        {"epoch": 0, "a": 2.0, "samples": picture, "trainer/global_step": 1},
    ]
    assert (run.config, run.ended_with) == ({"width": 3}, 0)


def test_what_lightning_asks_of_every_logger_begins_nothing(waiting: RunAtWandb, begun: list[bool]) -> None:
    _ = waiting.experiment
    assert hasattr(waiting, "watch")
    assert (waiting.name, waiting.version) == ("lit-gan", waiting.init["id"])
    waiting.after_save_checkpoint(SimpleNamespace(best_model_path="", last_model_path=""))
    waiting.goes_on_after(3)
    waiting.finalize("success")
    waiting.close(exit_code=1)
    assert begun == []


def test_the_first_use_of_the_experiment_begins_the_run_with_what_there_is(
    csv: CSVMetrics, waiting: RunAtWandb, run: FakeRun
) -> None:
    experiment = waiting.experiment
    for step in range(3):
        _log(csv, waiting, {"a": float(step)}, step)
    experiment.log({"mine": 1.0}, step=2, commit=True)
    experiment.notes = "good"
    _log(csv, waiting, {"a": 3.0}, 3)
    waiting.finalize("success")
    waiting.close(exit_code=0)
    assert [row.get("trainer/global_step", row.get("mine")) for row in run.rows] == [0, 1, 1.0, 2, 3]
    assert run.notes == "good"  # type: ignore[attr-defined]
    assert waiting.experiment is not run  # it has ended


@pytest.mark.parametrize("value", [1.0, "a text"])
def test_what_the_folder_does_not_have_is_not_lost(
    value: Any, csv: CSVMetrics, waiting: RunAtWandb, begun: list[bool], run: FakeRun
) -> None:
    _log(csv, waiting, {"a": 1.0}, 0)
    waiting.log_metrics({"mine": value}, step=1)
    waiting.finalize("success")
    assert begun == [True]
    assert [row.get("mine", row.get("a")) for row in run.rows] == [1.0, value]


def test_after_an_error_the_copy_ends_with_the_last_whole_row(
    csv: CSVMetrics, waiting: RunAtWandb, run: FakeRun, tmp_path: Path
) -> None:
    _log(csv, waiting, {"a": 1.0}, 0)
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "round-000002.png").touch()
    waiting.log_image("samples", [object()], step=2)
    waiting.finalize("failed")
    waiting.close(exit_code=1)
    assert [row["trainer/global_step"] for row in run.rows] == [0]


def test_the_next_copy_has_what_a_killed_process_has_logged_and_nothing_twice(
    csv: CSVMetrics, waiting: RunAtWandb, run: FakeRun, tmp_path: Path
) -> None:
    (tmp_path / "metrics.csv").write_text("step,epoch,a\n0,0,0.5\n3,0,1.0\n7,1,2.0\n")
    piece = tmp_path / "wandb" / f"offline-run-1-{waiting.init['id']}"
    piece.mkdir(parents=True)
    (piece / "end.json").write_text('{"last_round": 0}')
    _log(csv, waiting, {"a": 3.0}, 11)
    waiting.finalize("success")
    waiting.close(exit_code=75)
    assert [row["trainer/global_step"] for row in run.rows] == [3, 7, 11]
    assert len({row["_timestamp"] for row in run.rows}) == 1  # nobody knows better when those of before were logged
    assert run.summary["a"] == 0.5  # of what is uploaded already; W&B itself puts the newer ones over it
    assert (run.is_preempting, run.ended_with) == (False, 0)


@pytest.mark.parametrize("by", ["import", "logger"])
def test_who_uses_wandb_himself_has_a_run_from_the_beginning(
    by: str, csv: CSVMetrics, begun: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    if by == "import":
        monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace())
    [logger] = with_wandb([WandbLogger()] if by == "logger" else [], Path(csv.save_dir), "offline", {}, csv=csv)
    assert isinstance(logger, RunAtWandb)
    logger.begin()
    assert begun == [True]


# -- Lightning's logger, for who looks for it --------------------------------------------------------------------------


def test_it_is_found_as_lightnings_logger_and_does_what_that_does(logger: RunAtWandb, run: FakeRun) -> None:
    assert isinstance(logger, WandbLogger)
    watched: list[Any] = []
    run.watch = lambda model, **how: watched.append((model, how["log_freq"]))  # type: ignore[attr-defined]
    model = nn.Linear(1, 1)
    logger.watch(model, log_freq=7)
    assert watched == [(model, 7)]
    logger.log_text("words", columns=["a"], data=[["b"]], step=4)
    logger.log_metrics({"a": 1.0}, step=4)
    logger.finalize("success")
    [row] = run.rows
    assert (row["a"], row["words"].data) == (1.0, [["b"]])


def test_what_lightnings_logger_lacks_it_lacks_too(logger: RunAtWandb) -> None:
    with pytest.raises(AttributeError, match=r"^RunAtWandb has no attribute 'add_image'$"):
        _ = logger.add_image
