"""Whether W&B is used, and how."""

from typing import Any

import pytest

from lit_gan.errors import UserError
from lit_gan.loggers.wandb.mode import wandb_mode


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


def test_what_is_usual_is_what_nobody_has_said() -> None:
    assert wandb_mode(None, {}, usual="online") == "online"
    assert wandb_mode(None, {"WANDB_MODE": "offline"}, usual="online") == "offline"
