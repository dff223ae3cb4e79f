"""What becomes of workers that end, with programs in their place that do nothing else."""

import os
import signal
from pathlib import Path

import pytest
from waiting import wait_until

from lit_gan.errors import RunError, UserError
from lit_gan.tuning.crew import Crew
from lit_gan.tuning.sweep_layout import SweepLayout


def crew_of(script: str, monkeypatch: pytest.MonkeyPatch) -> Crew:
    """Two workers that are a shell script each."""
    layout = SweepLayout(Path("s.journal"))
    layout.workers.mkdir()
    program = Path("worker.sh").absolute()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(program))
    return Crew(layout, 3, [None, None])


def watch(crew: Crew) -> None:
    wait_until(lambda: not crew.look(0), "all have ended")


def test_workers_that_are_done_leave_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    crew = crew_of("exit 0", monkeypatch)

    watch(crew)

    assert (crew.code, crew.requeue, list(Path("s.workers").iterdir())) == (0, False, [])


def test_a_worker_is_told_who_started_it(monkeypatch: pytest.MonkeyPatch) -> None:
    watch(crew_of('echo "$@" > $PPID.txt', monkeypatch))

    words = Path(f"{os.getpid()}.txt").read_text().split()
    assert words[-2:] == ["3", str(os.getpid())]


def test_what_a_worker_says_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    crew = crew_of("echo noise >&2; echo metric: never logged >&2; exit 2", monkeypatch)

    with pytest.raises(UserError, match=r"^metric: never logged$"):
        watch(crew)
    crew.close([])
    assert not list(Path("s.workers").iterdir())


def test_a_worker_that_breaks_is_told_with_where_the_rest_is(monkeypatch: pytest.MonkeyPatch) -> None:
    crew = crew_of("echo Traceback >&2; echo KeyError: x >&2; exit 1", monkeypatch)

    with pytest.raises(
        RunError, match=r"^worker \S+ ended with exit code 1: KeyError: x \(see s\.workers/\S+\.err\)\.$"
    ):
        watch(crew)
    crew.close([])
    [kept] = Path("s.workers").iterdir()
    assert kept.read_text() == "Traceback\nKeyError: x\n"


def test_what_is_asked_while_it_closes_is_handed_on_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    script = """
        trap 'echo TERM >> $$.heard' TERM
        trap 'echo INT >> $$.heard; [ $(grep -c INT $$.heard) = 2 ] && exit 1' INT
        touch $$.heard; while :; do sleep 0.01; done
    """
    crew = crew_of(script, monkeypatch)
    heard = [Path(f"{member.process.pid}.heard") for member in crew.members]
    wait_until(lambda: all(path.exists() for path in heard), "both run")
    asked = [signal.SIGINT, signal.SIGINT]

    crew.close(asked)

    assert asked == []
    assert [sorted(path.read_text().split()) for path in heard] == [["INT", "INT", "TERM"]] * 2
    assert not list(Path("s.workers").iterdir())


@pytest.mark.parametrize(
    ("code", "ending", "requeue"), [(75, 75, True), (143, 75, False), (130, 130, False)], ids=["USR1", "TERM", "INT"]
)
def test_a_worker_whose_trial_was_told_to_stop_takes_the_others_along(
    code: int, ending: int, requeue: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    crew = crew_of(f"mkdir first && exit {code}; while :; do sleep 0.05; done", monkeypatch)

    watch(crew)

    assert (crew.code, crew.requeue) == (ending, requeue)
