"""`fit` on two processes of one machine, as a user starts it: how it stops, goes on and fails."""

import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trainings
from trainings import ROUNDS, Training, record, rows

from benchmarks.resume import differences

pytestmark = pytest.mark.slow

_SOON = 10  # rows: the training is well inside, and far from its end


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Training]]:
    """Starts a training in the folder `run`; nothing of it outlives the test."""
    started: list[Training] = []

    def begin(*options: str) -> Training:
        started.append(Training.start(tmp_path / "run", *options))
        return started[-1]

    yield begin
    for training in started:
        training.kill()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trainings.undisturbed(tmp_path_factory)


def _check_it_goes_on(start: Callable[..., Training], undisturbed: Path) -> None:
    training = start()
    assert training.wait() == 0, training.err
    assert "continuing" in training.out
    assert record(training.folder)["status"] == "finished"
    assert record(training.folder)["resumed"] == 1
    assert differences(training.folder, undisturbed) == []


def test_sigterm_to_rank_0_alone_stops_both_and_the_same_command_goes_on(
    start: Callable[..., Training], undisturbed: Path
) -> None:
    training = start()
    training.wait_for_rows(_SOON)
    training.process.send_signal(signal.SIGTERM)
    assert training.wait() == 75, training.err
    assert training.err == ""
    assert (record(training.folder)["status"], record(training.folder)["reason"]) == ("stopped", "preempted")
    assert _SOON <= rows(training.folder) < ROUNDS
    _check_it_goes_on(start, undisturbed)


def test_ctrl_c_stops_both_and_the_same_command_goes_on(start: Callable[..., Training], undisturbed: Path) -> None:
    training = start()
    training.wait_for_rows(_SOON)
    os.killpg(training.process.pid, signal.SIGINT)
    assert training.wait() == 130, training.err
    assert training.err == "\nlit-gan: stopping at the end of a round; Ctrl-C again quits at once.\n"
    assert (record(training.folder)["status"], record(training.folder)["reason"]) == ("stopped", "interrupted")
    assert _SOON <= rows(training.folder) < ROUNDS
    _check_it_goes_on(start, undisturbed)


def _check_the_loss_is_told(training: Training, loss: str) -> None:
    # Whichever of the two processes ends last has the last line.
    told = re.findall(rf"^lit-gan: failed: (rank 1 \(process \d+ on \S+\) {loss})$", training.err, re.MULTILINE)
    assert told, training.err
    assert record(training.folder)["status"] == "failed"
    assert record(training.folder)["reason"] == told[-1]


def test_a_rank_that_fails_takes_the_other_down_with_its_error_shown(start: Callable[..., Training]) -> None:
    callback = "--trainer.callbacks+=own_modules.FailOnRankOne"
    training = start(callback, f"--trainer.callbacks.init_args.rounds={_SOON}")
    training.wait_for_rows(_SOON - 1)
    assert training.wait() == 1, training.err
    _check_the_loss_is_told(training, "failed: ZeroDivisionError: integer division or modulo by zero")
    # Rank 1's own traceback is kept; rank 0's broken connection is nobody's business.
    assert "Traceback" not in training.err
    (kept,) = training.folder.glob("traceback*")
    assert kept.name == "traceback-rank-1.txt"
    assert "self.rounds = self.rounds // 0" in kept.read_text()
    own = next(line for line in training.err.splitlines() if line.startswith("lit-gan: failed (rank 1): Zero"))
    assert f"the whole traceback is in {os.path.relpath(kept)}" in own


def test_a_rank_that_is_killed_takes_the_other_down_with_its_end_told(start: Callable[..., Training]) -> None:
    training = start()
    training.wait_for_rows(_SOON)
    os.kill(training.members()[1], signal.SIGKILL)
    assert training.wait() == 1, training.err
    _check_the_loss_is_told(training, r"was killed by SIGKILL \(out of memory\?\)")
    assert "Traceback" not in training.err


def test_plain_ddp_is_refused_with_the_name_of_the_one_that_works(start: Callable[..., Training]) -> None:
    training = start("--trainer.strategy=ddp")
    assert training.wait() == 2, training.err
    (line,) = training.err.splitlines()
    assert line.startswith("lit-gan: error: ")
    assert "expected --trainer.strategy ddp_gan" in line
    assert not training.folder.exists()
