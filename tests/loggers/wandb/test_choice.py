"""What a run is at W&B: its name, its rows, and its end."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
import wandb
from lightning.pytorch.loggers import CSVLogger, WandbLogger

from lit_gan.errors import UserError
from lit_gan.loggers.wandb.choice import finished_wandb, wandb_logger, with_wandb
from lit_gan.loggers.wandb.run import RunAtWandb
from lit_gan.loggers.wandb.session import run_settings, session_settings


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
    assert logger.init["id"] == "20140610-120000-1a2b3c"
    assert logger.init["name"] == "20140610-120000-1a2b3c"
    assert logger.init["project"] == "lit-gan"
    assert logger.init["resume"] == "allow"
    assert logger.init["config"] == {"cli": {"seed_everything": 3}}
    assert Path(logger.save_dir) == folder
    assert logger.offline is (mode == "offline")


def test_the_settings_of_a_run_are_copied_without_what_its_stop_belongs_to() -> None:
    class Owner:
        stopped = 0

        def __deepcopy__(self, memo: object) -> NoReturn:
            raise AssertionError("copied")

        def stop(self) -> None:
            self.stopped += 1

    owner = Owner()
    run_settings(None, owner.stop).model_copy(deep=True).stop_fn()
    assert owner.stopped == 1


def test_an_agents_names_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_RUN_ID", "3fa9x2")
    monkeypatch.setenv("WANDB_PROJECT", "mine")
    logger = wandb_logger(tmp_path, "offline", {})
    assert logger is not None
    assert (logger.init["id"], logger.init["project"]) == ("3fa9x2", "mine")


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


def test_the_users_own_logger_gives_its_settings_to_ours(tmp_path: Path) -> None:
    csv, theirs = CSVLogger(tmp_path), WandbLogger(project="mine", tags=["a"], resume=None, prefix="p", save_dir=".")
    ours, other = with_wandb([csv, theirs], tmp_path / "id", "online", {"seed": 1})
    assert isinstance(ours, RunAtWandb)
    assert other is csv
    said = {name: ours.init[name] for name in ("project", "tags", "resume", "name", "dir", "config")}
    assert said == {
        "project": "mine",
        "tags": ["a"],
        "resume": "allow",
        "name": "id",
        "dir": str(tmp_path / "id"),
        "config": {"cli": {"seed": 1}},
    }
    assert ours.prefix == "p"
    assert not ours.offline


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
    assert ours.offline is offline


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


@pytest.mark.parametrize(("log_model", "said"), [(True, "true"), ("all", "all")])
def test_lightnings_way_to_upload_checkpoints_is_no_way_offline(log_model: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"^WandbLogger's log_model: {said} .* give --wandb_checkpoints true"):
        with_wandb([WandbLogger(log_model=log_model)], tmp_path, "offline", {})
