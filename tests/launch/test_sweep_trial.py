"""Whose trial a process is."""

import pytest

from lit_gan.launch.sweep_trial import is_local_trial, sweep_of


@pytest.mark.parametrize(
    ("environ", "sweep", "local"),
    [
        ({}, None, False),
        ({"WANDB_SWEEP_ID": "", "LIT_GAN_SWEEP": ""}, None, False),
        ({"WANDB_SWEEP_ID": "a1b2"}, "a1b2", False),
        ({"LIT_GAN_SWEEP": "digits_quick"}, "digits_quick", True),
    ],
)
def test_the_agent_or_the_worker_says_so(environ: dict[str, str], sweep: str | None, local: bool) -> None:
    assert sweep_of(environ) == sweep
    assert is_local_trial(environ) is local


def test_the_environment_of_the_process_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_SWEEP_ID", raising=False)
    monkeypatch.setenv("LIT_GAN_SWEEP", "digits_quick")
    assert sweep_of() == "digits_quick"
    assert is_local_trial()
