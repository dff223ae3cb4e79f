import errno
import fcntl
import os
import signal

import pytest

from lit_gan.runs.lock import RunLock

_HOLD = """
import sys
from pathlib import Path
from lit_gan.runs.lock import RunLock
lock = RunLock(Path(sys.argv[1]))
print(lock.acquire(), flush=True)
sys.stdin.read()
"""


@pytest.mark.slow
def test_the_lock_of_a_killed_process_is_free(tmp_path, start_python):
    lock = RunLock(tmp_path / "run.lock")
    process = start_python(_HOLD, lock.path)
    assert process.stdout.readline() == "True\n"
    assert lock.is_held()
    assert not lock.acquire()
    assert lock.holder().startswith(f"process {process.pid} on ")
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not lock.is_held()
    assert lock.acquire()
    lock.release()


@pytest.mark.slow
def test_a_forked_worker_that_outlives_a_killed_run_does_not_hold_its_lock(tmp_path, start_python):
    # The parent alone prints: two processes' lines would interleave in the one pipe.
    fork = "import os\nchild = os.fork()\nif child:\n    print(child, flush=True)\n"
    forking = _HOLD.replace("sys.stdin.read()", f"{fork}sys.stdin.read()")
    lock = RunLock(tmp_path / "run.lock")
    process = start_python(forking, lock.path)
    assert process.stdout.readline() == "True\n"
    worker = int(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    os.kill(worker, 0)  # it lives on
    os.waitpid(process.pid, 0)
    assert lock.acquire()
    lock.release()
    os.kill(worker, signal.SIGKILL)


def test_a_lock_excludes_a_second_one_in_the_same_process(tmp_path):
    first, second = RunLock(tmp_path / "run.lock"), RunLock(tmp_path / "run.lock")
    assert first.acquire()
    assert not second.acquire()
    first.release()
    assert second.acquire()
    second.release()
    second.release()  # nothing happens


def test_nothing_is_held_and_nothing_made_where_there_is_no_lock_file(tmp_path):
    assert RunLock(tmp_path / "run.lock").is_held() is False
    assert list(tmp_path.iterdir()) == []


def test_a_question_in_passing_does_not_keep_the_lock_from_its_taker(tmp_path, monkeypatch):
    lock, real, asked = RunLock(tmp_path / "run.lock"), fcntl.flock, []

    def busy_twice(descriptor, operation):
        asked.append(operation)
        if len(asked) <= 2:
            raise BlockingIOError
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", busy_twice)
    assert lock.acquire()
    lock.release()


def _no_locks(descriptor, operation):
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))


def test_a_file_system_without_locks_is_told_once_taken(tmp_path, monkeypatch):
    lock = RunLock(tmp_path / "run.lock")
    monkeypatch.setattr(fcntl, "flock", _no_locks)
    with pytest.warns(UserWarning, match="keeps no file locks: .* heartbeat alone"):
        assert lock.acquire()
    assert lock.is_held() is None
    lock.release()


def test_any_other_fault_of_the_file_system_is_not_taken_for_a_lock(tmp_path, monkeypatch):
    def broken(descriptor, operation):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    lock = RunLock(tmp_path / "run.lock")
    lock.path.touch()
    monkeypatch.setattr(fcntl, "flock", broken)
    with pytest.raises(OSError, match=r"run\.lock"):
        lock.acquire()
    with pytest.raises(OSError, match="Input/output error"):
        lock.is_held()


def test_a_full_disk_leaves_the_holder_unnamed_but_the_lock_taken(tmp_path, monkeypatch):
    def full(descriptor, data, offset):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    lock = RunLock(tmp_path / "run.lock")
    monkeypatch.setattr(os, "pwrite", full)
    assert lock.acquire()
    assert lock.holder() == "another process"
    lock.release()
