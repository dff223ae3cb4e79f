"""What becomes of the ranks' exit codes under torchrun, which makes 1 of all of them by itself."""

import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import lit_gan as package
from lit_gan.cluster.torchrun import run_ranks

pytestmark = pytest.mark.slow

_ROOT = Path(package.__file__).parents[1]
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1)

# A training in its place: the first rank ends as it is told, the other one waits for what becomes of it.
_STUB = """
import os, signal, sys, time
from pathlib import Path

def main(verb, arguments):
    rank, ending = os.environ["RANK"], arguments[0]
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


@pytest.fixture(autouse=True)
def _stubbed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An environment in which `lit-gan fit` only ends; what torchrun sets for its process goes with the test."""
    (tmp_path / "stub.py").write_text(_STUB)
    (tmp_path / "sitecustomize.py").write_text(_PATCH)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{_ROOT}")
    monkeypatch.setenv("TORCHELASTIC_SIGNALS_TO_HANDLE", "")
    logger, handlers = logging.getLogger("torch.distributed.elastic"), {one: signal.getsignal(one) for one in _SIGNALS}
    level = logger.level
    yield
    logger.setLevel(level)
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(("ending", "code"), [("0", 0), ("1", 1), ("2", 2), ("75", 75), ("130", 130), ("killed", 1)])
def test_the_exit_code_is_that_of_the_rank_that_ended_first(
    ending: str, code: int, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_ranks(["fit", ending], 2, stopped=lambda: None) == code
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("number", "saved", "code"),
    [(signal.SIGUSR1, 75, 75), (signal.SIGINT, 130, 130), (signal.SIGTERM, 0, 0), (signal.SIGTERM, None, 143)],
)
def test_a_signal_goes_to_the_ranks_and_the_run_says_how_it_ended(
    number: signal.Signals, saved: int | None, code: int
) -> None:
    def when_both_are_there() -> None:
        deadline = time.monotonic() + 60
        while not (Path("rank-0").exists() and Path("rank-1").exists()) and time.monotonic() < deadline:
            time.sleep(0.01)
        os.kill(os.getpid(), number)

    sender = threading.Thread(target=when_both_are_there)
    sender.start()
    assert run_ranks(["fit", "waits"], 2, stopped=lambda: saved) == code
    sender.join()
