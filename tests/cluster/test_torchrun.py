"""What becomes of the ranks' exit codes under torchrun, which makes 1 of all of them by itself."""

import argparse
import logging
import os
import signal
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from nursery import nursery
from torch.distributed.elastic.rendezvous import dynamic_rendezvous
from torch.distributed.elastic.rendezvous.utils import _PeriodicTimer
from torch.distributed.run import parse_args
from trainings import COMMAND, ENVIRON, record, rows

import lit_gan as package
from lit_gan.cluster import torchrun
from lit_gan.cluster.torchrun import run_ranks, torchrun_options
from lit_gan.functional.torch_seam import let_heartbeats_end_anywhere

pytestmark = pytest.mark.slow

_ROOT = Path(package.__file__).parents[1]
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1)

# A training in its place: the first rank ends as it is told, the other one waits for what becomes of it.
_FIT = ("fit", "--config", "quickstart", "--run_dir")  # and, for the name of the folder, how it ends
_STUB = """
import os, signal, sys, time
from pathlib import Path

def main(verb, arguments):
    rank, ending = os.environ["RANK"], arguments[-1]
    for number in (signal.SIGINT, signal.SIGUSR1):
        signal.signal(number, lambda number, frame: sys.exit(0))
    Path(f"rank-{rank}").touch()
    if rank == "0" and ending == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if rank == "0" and ending != "waits":
        return int(ending)
    while ending != "0":
        time.sleep(0.01)
    return 0
"""
_PATCH = """
from lit_gan.cli import main

main._VERBS["fit"] = ("stub", "")
"""


@pytest.fixture
def _forked() -> Iterator[None]:
    """The ranks are forks of the nursery."""
    with nursery():
        yield


@pytest.fixture
def _stubbed(_forked: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment in which `lit-gan fit` only ends."""
    # For each event of a rendezvous torch looks up the source of every frame among all modules that are imported.
    monkeypatch.setattr(dynamic_rendezvous, "get_method_name", lambda depth=2: sys._getframe(depth).f_code.co_name)
    (tmp_path / "stub.py").write_text(_STUB)
    (tmp_path / "sitecustomize.py").write_text(_PATCH)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{_ROOT}")


@pytest.fixture(autouse=True)
def _as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What torchrun sets for its process goes with the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TORCHELASTIC_SIGNALS_TO_HANDLE", "")
    names = ("torch.distributed.elastic", "torch.distributed.elastic.agent.server.api")
    levels = {name: logging.getLogger(name).level for name in names}
    handlers = {one: signal.getsignal(one) for one in _SIGNALS}
    yield
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_ranks_that_save_themselves_are_given_the_time_that_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parse_args([*torchrun_options(2), "-m", "lit_gan"]).shutdown_timeout >= 24 * 3600
    monkeypatch.setattr(torchrun, "get_args_parser", argparse.ArgumentParser)
    assert not any("--shutdown-timeout" in option for option in torchrun_options(2))


@pytest.mark.usefixtures("_stubbed")
@pytest.mark.parametrize(("ending", "code"), [("0", 0), ("1", 1), ("2", 2), ("75", 75), ("130", 130), ("killed", 1)])
def test_the_exit_code_is_that_of_the_rank_that_ended_first(
    ending: str, code: int, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_ranks([*_FIT, ending], 2, stopped=lambda: None) == code
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("_stubbed")
@pytest.mark.parametrize(
    ("number", "saved", "code"),
    [(signal.SIGUSR1, 75, 75), (signal.SIGINT, 130, 130), (signal.SIGTERM, 0, 0), (signal.SIGTERM, None, 143)],
)
def test_a_signal_goes_to_the_ranks_and_the_run_says_how_it_ended(
    number: signal.Signals, saved: int | None, code: int, capfd: pytest.CaptureFixture[str]
) -> None:
    both = [Path("rank-0"), Path("rank-1")]
    with _sending(number, when=lambda: all(path.exists() for path in both)):
        assert run_ranks([*_FIT, "waits"], 2, stopped=lambda: saved) == code
    assert "death signal" not in capfd.readouterr().err


def test_a_training_on_two_ranks_saves_itself_when_it_is_told_to(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    run = Path("run")
    options = ("--trainer.max_epochs=500", "--trainer.devices=2", f"--run_dir={run}")
    with _sending(signal.SIGUSR1, when=lambda: rows(run) > 5):
        run_ranks([*COMMAND[3:], *options], 2, stopped=lambda: None)
    printed = "".join(capfd.readouterr())
    assert (record(run)["status"], record(run)["reason"]) == ("stopped", "preempted"), printed
    assert "the same command continues it after round" in printed
    assert "torch.distributed" not in printed


def test_a_rendezvous_whose_heartbeat_outlives_it_ends_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_PeriodicTimer, "_stop_thread", vars(_PeriodicTimer)["_stop_thread"])  # given back afterwards
    errors: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", errors.append)
    let_heartbeats_end_anywhere()
    beating, left = threading.Event(), threading.Event()

    class Rendezvous:
        def __init__(self) -> None:
            self.timer = _PeriodicTimer(timedelta(milliseconds=1), self.beat, weakref.ref(self))
            self.timer.start()

        @staticmethod
        def beat(weak: Any) -> None:
            held = weak()  # as torch's own has it
            if held is not None:
                beating.set()
                left.wait(60)

    rendezvous = Rendezvous()
    (thread,) = [one for one in threading.enumerate() if one.name == "PeriodicTimer"]
    assert beating.wait(60)
    del rendezvous  # now the heartbeat alone holds it
    left.set()
    thread.join(60)
    assert not thread.is_alive()
    assert errors == []


def test_who_ends_a_heartbeat_from_elsewhere_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_PeriodicTimer, "_stop_thread", vars(_PeriodicTimer)["_stop_thread"])
    let_heartbeats_end_anywhere()
    beating = threading.Event()

    def beat() -> None:
        beating.set()
        time.sleep(0.05)

    timer = _PeriodicTimer(timedelta(milliseconds=1), beat)
    timer.start()
    (thread,) = [one for one in threading.enumerate() if one.name == "PeriodicTimer"]
    assert beating.wait(60)
    timer.cancel()
    assert not thread.is_alive()


@contextmanager
def _sending(number: signal.Signals, when: Callable[[], bool]) -> Iterator[None]:
    """Sends this process a signal as soon as something is true."""

    def send() -> None:
        deadline = time.monotonic() + 300
        while not when() and time.monotonic() < deadline:
            time.sleep(0.01)
        os.kill(os.getpid(), number)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield
    finally:
        sender.join()
