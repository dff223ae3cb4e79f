"""The process of a trial does not outlive its command, and tells what it said last."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from fake_sweep import processes
from trainings import ENVIRON
from waiting import wait_until

from lit_gan.errors import UserError
from lit_gan.runs.lock import RunLock
from lit_gan.tuning import trial_process
from lit_gan.tuning.trial_process import TrialProcess

_WAIT = "import signal; open('ready', 'w').close(); signal.pause()"
_STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {_WAIT}"


def start(code: str, *, ours: bool = True) -> TrialProcess:
    """A trial whose lock is held by this process as well, or by it alone."""
    lock = RunLock(Path("lock"))
    assert lock.acquire()
    process = TrialProcess([sys.executable, "-c", code], os.environ, Path("out"), Path("err"), lock)
    if not ours:
        lock.release()
    return process


def end(process: TrialProcess) -> int:
    codes: list[int | None] = []
    wait_until(lambda: codes.append(process.poll()) or codes[-1] is not None, "it ends")
    assert codes[-1] is not None
    return codes[-1]


def test_its_output_is_kept_over_several_starts_and_its_last_line_is_that_of_this_one() -> None:
    write = "import sys; print('out'); sys.stderr.write('{0}\\n\\n  {0} last  \\n\\n'); sys.exit(3)"

    first = start(write.format("a"), ours=False)
    assert end(first) == 3
    second = start("pass")
    assert end(second) == 0

    assert first.last_line_of_errors() == "a last"
    assert second.last_line_of_errors() == ""
    assert Path("out").read_text() == "out\n"
    assert Path("err").read_text().count("a last") == 1


def test_a_program_that_there_is_not_is_named() -> None:
    with pytest.raises(UserError, match=r"command: no-such-program cannot be run \(No such file or directory\)\."):
        TrialProcess(["no-such-program"], os.environ, Path("out"), Path("err"), RunLock(Path("lock")))


def test_it_is_stopped_once() -> None:
    process = start(_WAIT)
    wait_until(Path("ready").exists, "it runs")
    assert process.poll() is None

    process.stop(signal.SIGTERM)
    process.stop(signal.SIGKILL)

    assert end(process) == -signal.SIGTERM


def test_one_that_does_not_leave_is_killed_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial_process, "_PATIENCE_SECONDS", 0.2)
    process = start(_STUBBORN)
    wait_until(Path("ready").exists, "it runs")

    process.stop(signal.SIGTERM)

    assert end(process) == -signal.SIGKILL


def test_the_lock_is_held_as_long_as_it_lives() -> None:
    process = start(_WAIT, ours=False)
    wait_until(Path("ready").exists, "it runs")
    assert RunLock(Path("lock")).is_held()

    process.kill()
    end(process)

    assert not RunLock(Path("lock")).is_held()


_COMMAND = """
import os, signal, sys
from pathlib import Path
from lit_gan.runs.lock import RunLock
from lit_gan.tuning.trial_process import TrialProcess
lock = RunLock(Path("lock"))
lock.acquire()
TrialProcess([sys.executable, "-c", sys.argv[1]], os.environ, Path("out"), Path("err"), lock)
signal.pause()
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere the trial is waited for")
@pytest.mark.parametrize(("code", "survives"), [(_WAIT, False), (_STUBBORN, True)], ids=["ends", "ignores SIGTERM"])
def test_it_ends_with_its_command_and_is_known_to_live_if_it_does_not(code: str, survives: bool) -> None:
    command = subprocess.Popen([sys.executable, "-c", _COMMAND, code], env={**os.environ, **ENVIRON})
    wait_until(Path("ready").exists, "it runs")
    [trial] = [pid for pid, parent, _ in processes() if parent == command.pid]

    command.kill()
    command.wait()

    if survives:
        assert RunLock(Path("lock")).is_held()
        os.kill(trial, signal.SIGKILL)
    wait_until(lambda: not RunLock(Path("lock")).is_held(), "the lock is free")
    assert trial not in [pid for pid, _, _ in processes()]
