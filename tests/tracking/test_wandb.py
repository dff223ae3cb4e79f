"""Whether W&B is used, where its files go, and that its run ends with ours."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lit_gan.errors import UserError
from lit_gan.tracking.wandb import finished_wandb, wandb_logger, wandb_mode


@pytest.mark.parametrize(
    ("flag", "environ", "mode"),
    [
        # the flag
        ("online", {"WANDB_MODE": "disabled"}, "online"),
        ("offline", {"WANDB_MODE": "online", "WANDB_SWEEP_ID": "a"}, "offline"),
        ("off", {"WANDB_MODE": "online"}, "off"),
        # > WANDB_MODE
        (None, {"WANDB_MODE": "online"}, "online"),
        (None, {"WANDB_MODE": "run"}, "online"),
        (None, {"WANDB_MODE": "shared"}, "online"),
        (None, {"WANDB_MODE": "offline", "WANDB_SWEEP_ID": "a"}, "offline"),
        (None, {"WANDB_MODE": "dryrun"}, "offline"),
        (None, {"WANDB_MODE": "disabled", "WANDB_SWEEP_ID": "a"}, "off"),
        # > online inside an agent > offline
        (None, {"WANDB_SWEEP_ID": "a"}, "online"),
        (None, {"WANDB_MODE": "", "WANDB_SWEEP_ID": ""}, "offline"),
        (None, {}, "offline"),
    ],
)
def test_the_nearest_word_counts(flag: Any, environ: dict[str, str], mode: str) -> None:
    assert wandb_mode(flag, environ) == mode


def test_the_environment_of_the_process_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "dryrun")
    assert wandb_mode(None) == "offline"


def test_an_unknown_mode_is_told() -> None:
    with pytest.raises(
        UserError, match=r"WANDB_MODE='of': expected one of online, .*, or --wandb online\|offline\|off"
    ):
        wandb_mode(None, {"WANDB_MODE": "of"})


def test_off_is_no_logger(tmp_path: Path) -> None:
    assert wandb_logger(tmp_path, "off", {}) is None


@pytest.fixture
def _no_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WANDB_RUN_ID", "WANDB_PROJECT"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("_no_ids")
@pytest.mark.parametrize("mode", ["online", "offline"])
def test_the_run_is_named_after_its_folder_and_goes_on(mode: Any, tmp_path: Path) -> None:
    folder = tmp_path / "20140610-abc"
    logger = wandb_logger(folder, mode, {"seed_everything": 3})
    assert logger is not None
    assert logger._wandb_init["id"] == "20140610-abc"
    assert logger._wandb_init["project"] == "lit-gan"
    assert logger._wandb_init["resume"] == "allow"
    assert logger._wandb_init["config"] == {"cli": {"seed_everything": 3}}
    assert Path(logger.save_dir) == folder
    assert logger._offline is (mode == "offline")


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
