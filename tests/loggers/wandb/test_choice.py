"""What a run is at W&B: its name, its rows, and its end."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
import wandb
from lightning.pytorch.loggers import CSVLogger, WandbLogger

from lit_gan.errors import RunStopped, UserError
from lit_gan.loggers.wandb import run as tracking
from lit_gan.loggers.wandb.choice import finished_wandb, wandb_logger, with_wandb
from lit_gan.loggers.wandb.run import RunAtWandb
from lit_gan.loggers.wandb.session import session_settings


def test_off_is_no_logger(tmp_path: Path) -> None:
    assert wandb_logger(tmp_path, "off", {}) is None


@pytest.fixture
def _no_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WANDB_RUN_ID", "WANDB_PROJECT"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("_no_ids")
@pytest.mark.parametrize("mode", ["online", "offline"])
def test_the_run_is_named_after_its_folder_and_goes_on(mode: Any, tmp_path: Path) -> None:
    folder = tmp_path / "20140610-120000-1a2b3c"
    logger = wandb_logger(folder, mode, {"seed_everything": 3})
    assert logger is not None
    assert logger._wandb_init["id"] == "20140610-120000-1a2b3c"
    assert logger._wandb_init["name"] == "20140610-120000-1a2b3c"
    assert logger._wandb_init["project"] == "lit-gan"
    assert logger._wandb_init["resume"] == "allow"
    assert logger._wandb_init["config"] == {"cli": {"seed_everything": 3}}
    assert Path(logger.save_dir) == folder
    assert logger._offline is (mode == "offline")


def test_the_settings_of_a_run_are_copied_without_what_its_stop_belongs_to(tmp_path: Path) -> None:
    class Owner:
        stopped = 0

        def __deepcopy__(self, memo: object) -> NoReturn:
            raise AssertionError("copied")

        def stop(self) -> None:
            self.stopped += 1

    owner = Owner()
    logger = wandb_logger(tmp_path, "offline", {}, owner.stop)
    assert logger is not None
    logger._wandb_init["settings"].model_copy(deep=True).stop_fn()
    assert owner.stopped == 1


def test_an_agents_names_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_RUN_ID", "3fa9x2")
    monkeypatch.setenv("WANDB_PROJECT", "mine")
    logger = wandb_logger(tmp_path, "offline", {})
    assert logger is not None
    assert (logger._wandb_init["id"], logger._wandb_init["project"]) == ("3fa9x2", "mine")


def test_nothing_is_written_before_something_is_logged(tmp_path: Path) -> None:
    wandb_logger(tmp_path, "offline", {})
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def finished(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The exit codes of the W&B runs that were finished; one is going on."""
    codes: list[int] = []

    def finish(exit_code: int) -> None:
        codes.append(exit_code)

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(run=object(), finish=finish))
    return codes


def test_the_run_at_wandb_ends_with_ours(finished: list[int]) -> None:
    with finished_wandb():
        assert finished == []
    assert finished == [0]


def test_after_an_error_it_has_failed(finished: list[int]) -> None:
    with pytest.raises(KeyboardInterrupt), finished_wandb():
        raise KeyboardInterrupt
    assert finished == [1]


def test_without_a_run_there_is_nothing_to_end(finished: list[int]) -> None:
    sys.modules["wandb"].run = None  # type: ignore[attr-defined]
    with finished_wandb():
        pass
    assert finished == []


class _FakeRun:
    """Keeps what is logged."""

    id, offline, resumed, disabled = "run", False, False, False

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.summary: dict[str, Any] = {}
        self.ended_with: int | None = None
        self.is_preempting = False
        self.settings = SimpleNamespace(sync_dir="")
        self._local_step = 0

    def define_metric(self, name: str, **how: Any) -> None:
        assert name in ("trainer/global_step", "*")

    def log(self, row: dict[str, Any], *, step: int, commit: bool) -> None:
        assert commit
        assert step >= self._local_step
        self._local_step = step + 1
        self.rows.append(row)

    def mark_preempting(self) -> None:
        self.is_preempting = True

    def finish(self, exit_code: int) -> None:
        self.ended_with = exit_code


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> _FakeRun:
    """The run that loggers begin."""
    run = _FakeRun()
    run.settings.sync_dir = str(tmp_path)
    monkeypatch.setattr(tracking, "begin_run", lambda arguments, offline: run)
    return run


@pytest.fixture
def logger(tmp_path: Path, run: _FakeRun) -> RunAtWandb:
    logger = wandb_logger(tmp_path, "online", {})
    assert logger is not None
    return logger


def test_a_round_is_one_row_that_is_sent_when_the_next_one_begins(logger: RunAtWandb, run: _FakeRun) -> None:
    logger.log_metrics({"a": 1.0, "epoch": 0}, step=3)
    logger.log_metrics({"b": 2.0}, step=3)
    assert run.rows == []
    logger.log_metrics({"a": 3.0, "epoch": 0}, step=5)
    assert run.rows == [{"a": 1.0, "b": 2.0, "epoch": 0, "trainer/global_step": 3}]
    logger.finalize("success")
    assert run.rows[1:] == [{"a": 3.0, "epoch": 0, "trainer/global_step": 5}]


def test_what_comes_late_stands_in_the_newest_row(logger: RunAtWandb, run: _FakeRun) -> None:
    logger.log_metrics({"a": 1.0}, step=3)
    logger.log_metrics({"b": 2.0}, step=2)
    logger.log_metrics({"c": 3.0})
    logger.finalize("success")
    assert run.rows == [{"a": 1.0, "b": 2.0, "c": 3.0, "trainer/global_step": 3}]


def test_after_an_error_a_row_without_its_numbers_is_not_sent(logger: RunAtWandb, run: _FakeRun) -> None:
    logger.log_metrics({"samples": "a picture"}, step=3)
    logger.finalize("failed")
    assert run.rows == []
    logger.log_metrics({"a": 1.0, "epoch": 0}, step=3)
    logger.finalize("failed")
    assert len(run.rows) == 1


def test_somebody_elses_rows_are_not_in_the_way(logger: RunAtWandb, run: _FakeRun) -> None:
    logger.experiment.log({"mine": 1}, step=7, commit=True)
    logger.log_metrics({"a": 1.0}, step=3)
    logger.finalize("success")
    assert run.rows[1] == {"a": 1.0, "trainer/global_step": 3}


def test_the_best_score_is_in_the_summary_whatever_follows(logger: RunAtWandb, run: _FakeRun) -> None:
    for step, score in enumerate([5.0, 3.0, float("nan"), 4.0]):
        logger.log_metrics({"val/parzen_nll": score}, step=step)
    logger.finalize("success")
    assert run.summary["best/val/parzen_nll"] == 3.0


def test_a_run_that_goes_on_gets_what_it_lacks_and_nothing_twice(
    tmp_path: Path, logger: RunAtWandb, run: _FakeRun
) -> None:
    (tmp_path / "metrics.csv").write_text("step,epoch,val/parzen_nll\n3,0,2.0\n7,1,4.0\n11,2,5.0\n")
    run.resumed, run.summary["trainer/global_step"] = True, 3
    logger.log_metrics({"val/parzen_nll": 5.0, "epoch": 2}, step=11)
    logger.log_metrics({"val/parzen_nll": 6.0, "epoch": 3}, step=15)
    logger.finalize("success")
    assert [row["trainer/global_step"] for row in run.rows] == [7, 11, 15]
    assert run.summary["best/val/parzen_nll"] == 2.0


def test_what_another_run_of_that_id_has_is_not_taken_for_ours(logger: RunAtWandb, run: _FakeRun) -> None:
    run.resumed, run.summary["trainer/global_step"] = True, 3
    with pytest.warns(UserWarning, match=r"W&B has a run run already, and nothing of it is in .*: what is logged here"):
        logger.begin()
    logger.log_metrics({"a": 1.0, "epoch": 0}, step=0)
    logger.finalize("success")
    assert [row["trainer/global_step"] for row in run.rows] == [0]


def test_a_run_that_is_lost_begins_again_with_all_of_it(
    tmp_path: Path, logger: RunAtWandb, run: _FakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "metrics.csv").write_text("step,epoch,a\n3,0,1.0\n7,1,2.0\n")
    lost, run_again = run.log, _FakeRun()
    run_again.offline = True

    def fail(row: dict[str, Any], **how: Any) -> None:
        monkeypatch.setattr(tracking, "begin_run", lambda arguments, offline: run_again)
        raise ConnectionResetError("Connection lost")

    monkeypatch.setattr(tracking, "shut_down", lambda: None)
    logger.log_metrics({"a": 1.0, "epoch": 0}, step=3)
    logger.log_metrics({"a": 2.0, "epoch": 1}, step=7)
    monkeypatch.setattr(run, "log", fail)
    with pytest.warns(UserWarning, match=r"W&B is lost \(Connection lost\): the run goes on offline"):
        logger.log_metrics({"a": 3.0, "epoch": 2}, step=11)
    logger.finalize("success")
    assert lost.__self__.rows == [{"a": 1.0, "epoch": 0, "trainer/global_step": 3}]
    assert [row["trainer/global_step"] for row in run_again.rows] == [3, 7, 11]


def test_what_wandb_does_not_take_at_all_costs_a_row_and_not_the_training(
    logger: RunAtWandb, run: _FakeRun, monkeypatch: pytest.MonkeyPatch
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
    tmp_path: Path, logger: RunAtWandb, run: _FakeRun
) -> None:
    logger.log_metrics({"a": 1.0, "epoch": 0}, step=3)
    logger.log_metrics({"samples": "a picture"}, step=7)
    logger.finalize("failed")
    logger.close(exit_code=1)
    assert (tmp_path / "end.json").read_text() == '{"last_round": 3}\n'


def test_a_training_that_fails_or_is_stopped_ends_the_run_so(logger: RunAtWandb, run: _FakeRun) -> None:
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
    offline: bool, exit_code: int, logger: RunAtWandb, run: _FakeRun
) -> None:
    run.offline = offline
    with pytest.raises(RunStopped), finished_wandb([logger]):
        raise RunStopped("preempted", requeue=True)
    assert (run.is_preempting, run.ended_with) == (not offline, exit_code)


def test_ctrl_c_is_no_preemption(logger: RunAtWandb, run: _FakeRun) -> None:
    with pytest.raises(RunStopped), finished_wandb([logger]):
        raise RunStopped("interrupted")
    assert (run.is_preempting, run.ended_with) == (False, 0)


def test_ranks_other_than_the_first_begin_nothing(
    logger: RunAtWandb, run: _FakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    with finished_wandb([logger]):
        pass
    assert (logger._experiment, run.ended_with) == (None, None)


def test_the_users_own_logger_gives_its_settings_to_ours(tmp_path: Path) -> None:
    csv, theirs = CSVLogger(tmp_path), WandbLogger(project="mine", tags=["a"], resume=None, prefix="p", save_dir=".")
    ours, other = with_wandb([csv, theirs], tmp_path / "id", "online", {"seed": 1})
    assert isinstance(ours, RunAtWandb)
    assert other is csv
    said = {name: ours._wandb_init[name] for name in ("project", "tags", "resume", "name", "dir", "config")}
    assert said == {
        "project": "mine",
        "tags": ["a"],
        "resume": "allow",
        "name": "id",
        "dir": str(tmp_path / "id"),
        "config": {"cli": {"seed": 1}},
    }
    assert ours._prefix == "p"
    assert not ours._offline


@pytest.mark.parametrize(
    ("flag", "given", "offline"),
    [
        (None, None, True),
        (None, {"offline": True}, True),
        (None, {}, False),
        ("offline", {}, True),
        ("online", {"offline": True}, False),
    ],
)
def test_who_asks_for_lightnings_logger_means_online_unless_told(
    flag: Any, given: Any, offline: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_MODE")
    [ours] = with_wandb([] if given is None else [WandbLogger(**given)], tmp_path, flag, {})
    assert isinstance(ours, RunAtWandb)
    assert ours._offline is offline


def test_off_is_off_for_the_users_own_logger_too(tmp_path: Path) -> None:
    assert with_wandb([WandbLogger()], tmp_path, "off", {}) == []


@pytest.mark.parametrize("name", ["WANDB_INIT_TIMEOUT", "WANDB_FINISH_TIMEOUT"])
@pytest.mark.parametrize("said", ["30s", "-1", "inf", "nan", " "])
def test_a_time_that_is_no_number_of_seconds_is_the_users_to_mend(
    name: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, said)
    with pytest.raises(UserError, match=rf"^{name}={said}: expected seconds, such as (30|45)\.$"):
        wandb_logger(tmp_path, "offline", {})


def test_an_empty_time_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WANDB_INIT_TIMEOUT", "WANDB_FINISH_TIMEOUT"):
        monkeypatch.setenv(name, "")
    settings = session_settings()
    assert (settings["init_timeout"], settings["finish_timeout"]) == (30.0, 45.0)
    wandb.Settings(**settings)


def test_the_prefix_of_the_users_logger_is_everywhere(tmp_path: Path, run: _FakeRun) -> None:
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
    call: str, tmp_path: Path, run: _FakeRun, monkeypatch: pytest.MonkeyPatch
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
    logger: RunAtWandb, run: _FakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    logger.begin()
    run.settings.sync_dir = "/my run/wandb/run-1-a"
    monkeypatch.setattr(tracking, "finish_run", lambda run, exit_code: "gone")
    with pytest.warns(UserWarning, match="uploaded by: wandb sync --include-online '/my run/wandb/run-1-a'$"):
        logger.close(exit_code=0)


@pytest.mark.parametrize(("log_model", "said"), [(True, "true"), ("all", "all")])
def test_lightnings_way_to_upload_checkpoints_is_no_way_offline(log_model: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"^WandbLogger's log_model: {said} .* give --wandb_checkpoints true"):
        with_wandb([WandbLogger(log_model=log_model)], tmp_path, "offline", {})
