"""Stopped after any round, a run goes on to the very end of one that was never stopped."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from nursery import nursery
from stop_cases import WAYS, differences, left, run

from lit_gan.callbacks.stop_signals import StopSignals, stop_of

pytestmark = pytest.mark.filterwarnings("ignore:Using ModelCheckpoint with manual optimization")


@pytest.fixture(scope="module", params=WAYS)
def whole(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PL_GLOBAL_SEED", "0")
        run(folder, request.param)
    return request.param, left(folder)


@pytest.mark.parametrize("rounds", range(1, 13))
def test_stopped_after_any_round(whole, rounds: int, tmp_path: Path) -> None:
    way, expected = whole
    run(tmp_path, way, stop_after=rounds)
    run(tmp_path, way, resume=True)
    assert differences(left(tmp_path), expected) == []


@pytest.mark.parametrize("every", [1, 4, 5])
def test_a_checkpoint_taken_on_the_way_is_as_exact(whole, every: int, tmp_path: Path) -> None:
    """What a killed run has is the last one that was due, and more lines of its log."""
    way, expected = whole
    due = {"every_n_epochs": 0, "every_n_train_steps": every}
    run(tmp_path, way, stop_after=9, dies=True, **due)
    run(tmp_path, way, resume=True, **due)
    assert differences(_trained(left(tmp_path)), _trained(expected)) == []


@pytest.mark.parametrize("way", ["rounds", "validation in the middle"])
def test_the_best_ones_are_as_exact(way: str, tmp_path: Path) -> None:
    """What is gone on from where the last checkpoint is damaged."""
    whole, other = tmp_path / "whole", tmp_path / "other"
    run(whole, way, save_top_k=-1)
    for best in (whole / "checkpoints").glob("best-*.ckpt"):
        shutil.copytree(whole, other)
        shutil.copy(best, other / "checkpoints" / "last.ckpt")
        run(other, way, resume=True, save_top_k=-1)
        assert differences(_trained(left(other)), _trained(left(whole))) == []
        shutil.rmtree(other)


def _trained(files: dict[str, Any]) -> dict[str, Any]:
    """What training made; the rest of the last checkpoint says when it was due."""
    names = ("global_step", "state_dict", "optimizer_states", "lr_schedulers", "lit_gan")
    return {"metrics": files["metrics"], **{name: files["last.ckpt"][name] for name in names}}


@pytest.mark.parametrize(("number", "reason"), [(signal.SIGTERM, "preempted"), (signal.SIGUSR1, "preempted")])
def test_signals_only_raise_a_flag(number: signal.Signals, reason: str) -> None:
    signals, before = StopSignals(), signal.getsignal(number)
    signals.listen()
    try:
        os.kill(os.getpid(), number)
        assert stop_of(signals.flag).reason == reason
        assert stop_of(signals.flag).requeue == (number == signal.SIGUSR1)
    finally:
        signals.restore()
    assert signal.getsignal(number) == before


def test_ctrl_c_is_told_and_the_second_one_is_left_to_the_kernel(capsys: pytest.CaptureFixture[str]) -> None:
    signals, before = StopSignals(), signal.getsignal(signal.SIGINT)
    signals.listen()
    try:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop_of(signals.flag).reason == "interrupted"
        assert signal.getsignal(signal.SIGINT) == signal.SIG_DFL
        signals.listen()  # as at the start of training: the second one stays the kernel's
        assert signal.getsignal(signal.SIGINT) == signal.SIG_DFL
        assert "stopping at the end of a round; Ctrl-C again quits at once" in capsys.readouterr().err
    finally:
        signals.restore()
    assert signal.getsignal(signal.SIGINT) == before


def test_the_second_ctrl_c_ends_the_process_where_somebody_has_put_our_handler_back() -> None:
    program = (
        "import os, signal; from lit_gan.callbacks.stop_signals import StopSignals\n"
        "signals = StopSignals(); signals.listen(); os.kill(os.getpid(), signal.SIGINT)\n"
        "signal.signal(signal.SIGINT, signals._heed); os.kill(os.getpid(), signal.SIGINT); print('alive')"
    )
    with nursery():
        ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (-signal.SIGINT, "")
    assert ended.stderr.count("Ctrl-C again quits at once") == 1


def test_sigterm_within_a_sweeps_agent_is_the_trackers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_SWEEP_ID", "sweep")
    signals = StopSignals()
    signals.listen()
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop_of(signals.flag).exit_code == 0
    finally:
        signals.restore()


def test_the_strongest_wish_counts() -> None:
    signals = StopSignals()
    signals.stop_by_tracker()
    signals._heed(signal.SIGUSR1, None)
    signals.stop_by_tracker()
    assert stop_of(signals.flag).requeue
