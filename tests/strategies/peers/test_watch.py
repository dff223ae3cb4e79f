"""Real gloo processes: one is lost, the others say so and end."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from nursery import nursery
from ranks import free_port
from trainings import ENVIRON

from lit_gan.strategies.peers.watch import PeerWatch

SCRIPT = Path(__file__).parents[2] / "rank_script.py"
HOST = re.escape(socket.gethostname())
SHORT = {"silence": 3}  # for what ends by a silence
KILLED = r"it was killed \(out of memory\?\), or its machine or the network is gone"


class Ranks:
    """The processes of one job."""

    def __init__(self, folder, case, world=2, **options):
        environ = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": str(world)}
        self._folder = folder
        self._processes = [
            self._start(case, json.dumps(options), {**ENVIRON, **environ, "RANK": str(rank)}) for rank in range(world)
        ]
        self.pids = [process.pid for process in self._processes]

    def _start(self, case, options, environ):
        names = (f"{stream}{environ['RANK']}" for stream in ("stdout", "stderr"))
        out, err = ((self._folder / name).open("w") for name in names)
        with nursery(), out, err:
            command = [sys.executable, str(SCRIPT), case, options]
            return subprocess.Popen(
                command, env={**os.environ, **environ}, stdin=subprocess.DEVNULL, stdout=out, stderr=err
            )

    def signal(self, rank, signum):
        os.kill(self.pids[rank], signum)

    def end(self, rank):
        """Exit code, stdout and stderr of one rank; waits for it."""
        deadline = time.monotonic() + 300
        while self._processes[rank].poll() is None:
            assert time.monotonic() < deadline, self._output(rank)
            time.sleep(0.02)
        return self._processes[rank].returncode, *self._output(rank)

    def ends(self):
        return [self.end(rank) for rank in range(len(self.pids))]

    def kill(self):
        for process in self._processes:
            process.kill()
            process.wait()

    def _output(self, rank):
        return tuple((self._folder / f"{stream}{rank}").read_text() for stream in ("stdout", "stderr"))


@pytest.fixture
def start(tmp_path):
    jobs = []

    def start(case, **options):
        jobs.append(Ranks(tmp_path, case, **options))
        return jobs[-1]

    yield start
    for job in jobs:
        job.kill()


def told(stderr):
    return [line for line in stderr.splitlines() if line.startswith("lit-gan: failed: ")]


def message(ranks, rank, rest):
    return rf"rank {rank} \(process {ranks.pids[rank]} on {HOST}\){rest}"


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_an_error_ends_the_others_where_no_exception_reaches_them(start, victim):
    ranks = start("error", victim=victim, deaf=True)
    ends = ranks.ends()
    survivor, failed = ends[1 - victim], ends[victim]
    expected = message(ranks, victim, " failed: ZeroDivisionError: division by zero")
    assert survivor[0] == 1
    assert re.fullmatch(f"lit-gan: failed: {expected}", survivor[2].strip())
    assert re.fullmatch(f"on_loss: {expected}", survivor[1].strip())
    assert failed[0] == 1
    assert failed[2].strip().endswith("ZeroDivisionError: division by zero")
    assert told(failed[2]) == []


@pytest.mark.slow
def test_the_error_stands_before_and_after_its_consequence(start):
    ranks = start("error", speed={"grace": 20})
    code, stdout, stderr = ranks.end(0)
    line = f"lit-gan: failed: {message(ranks, 1, ' failed: ZeroDivisionError: division by zero')}"
    assert code == 1
    assert re.match(line, stderr)
    assert re.search("Connection closed by peer|gloo", stderr)
    assert re.fullmatch(rf"(\[rank0\]: )?{line}", stderr.splitlines()[-1])  # torch marks its tracebacks
    assert stdout.count("on_loss") == 1


@pytest.mark.slow
@pytest.mark.parametrize("deaf", [False, True])
def test_a_killed_rank_is_named_by_those_whose_connection_broke_and_by_those_who_only_wait(start, deaf):
    ranks = start("SIGKILL", world=3, deaf=deaf, speed=SHORT)
    ends = ranks.ends()
    unheard = r" has not been heard of for (0\.9|3) s: "
    for code, stdout, stderr in (ends[0], ends[2]):
        assert code == 1
        assert re.match(f"lit-gan: failed: {message(ranks, 1, unheard)}{KILLED}", stderr)
        assert stdout.count("on_loss") == 1
    assert ends[1][0] == -signal.SIGKILL


@pytest.mark.slow
@pytest.mark.parametrize("deaf", [False, True])
def test_the_end_of_the_stores_host_is_told_as_its_loss(start, deaf):
    ranks = start("SIGKILL", victim=0, deaf=deaf)
    code, _, stderr = ranks.end(1)
    assert code == 1
    lines = told(stderr)
    assert re.fullmatch(
        f"lit-gan: failed: {message(ranks, 0, f', which holds the job.s store, has ended: {KILLED}')}", lines[0]
    )
    assert "frame #" not in stderr  # what torch prints of a call on a dead store


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_a_rank_that_stands_still_is_told_after_the_silence_and_ends_when_it_wakes(start, victim):
    ranks = start("SIGSTOP", victim=victim, speed=SHORT)
    code, _, stderr = ranks.end(1 - victim)
    rest = " has not been heard of for 3 s: " if victim else ", which holds the job.s store, has not answered for 3 s: "
    assert code == 1
    assert re.fullmatch(f"lit-gan: failed: {message(ranks, victim, rest)}{KILLED}", told(stderr)[0])
    ranks.signal(victim, signal.SIGCONT)
    assert ranks.end(victim)[0] == 1


@pytest.mark.slow
def test_a_job_that_is_stopped_and_continued_as_a_whole_has_lost_nobody(start):
    ranks = start("left", after=[4, 4], speed=SHORT)
    time.sleep(2)
    for signum in (signal.SIGSTOP, signal.SIGCONT):
        ranks.signal(0, signum)
        ranks.signal(1, signum)
        time.sleep(4)
    assert ranks.ends() == [(0, "done\n", "")] * 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("after", "kind"),
    [([0, 0, 0], "tcp"), ([0, 1, 0.4], "tcp"), ([1, 0.2, 0], "tcp"), ([0.5, 0, 3], "tcp"), ([0, 1, 0.4], "file")],
)
def test_ranks_leave_in_any_order_without_a_word_and_may_begin_again(start, after, kind, tmp_path):
    options = {"init_method": f"file://{tmp_path}/store"} if kind == "file" else {}
    ends = start("left", world=3, after=after, times=2 if max(after) < 3 else 1, **options).ends()
    assert ends == [(0, "done\n", "")] * 3


@pytest.mark.slow
def test_a_death_that_the_launcher_has_seen_is_told_to_all_at_once(start):
    ranks = start("seen from outside", after=0.1, rest=100, leaves=False)
    for code, _, stderr in ranks.ends():
        assert code == 1
        assert re.fullmatch(f"lit-gan: failed: {message(ranks, 1, ' was killed by SIGKILL')}", stderr.strip())


@pytest.mark.slow
def test_a_rank_that_dies_after_it_has_left_is_no_loss(start):
    ends = start("seen from outside", after=1, rest=1, leaves=True).ends()
    assert ends == [(0, "done\n", "")] * 2


@pytest.mark.slow
def test_a_stop_that_was_asked_for_is_no_loss(start):
    assert start("stopped").ends() == [(75, "", "")] * 2


@pytest.mark.slow
def test_an_error_that_all_ranks_share_is_told_by_each_as_its_own(start):
    for code, stdout, stderr in start("all fail", world=3).ends():
        assert code == 1
        assert stdout == ""
        assert stderr.strip().endswith("RuntimeError: the loss is not finite")
        assert told(stderr) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "complaint"),
    [("hanging_on_loss", "TimeoutError: no answer for 5 s"), ("failing_on_loss", "OSError: disk full")],
)
def test_an_on_loss_that_hangs_or_fails_does_not_stop_the_exit(start, fault, complaint):
    ranks = start("error", deaf=True, **{fault: True})
    code, stdout, stderr = ranks.end(0)
    assert code == 1
    assert stdout.count("on_loss") == 1
    assert len(told(stderr)) == 1
    assert stderr.splitlines()[-1] == f"lit-gan: the loss could not be noted down: {complaint}"


def test_alone_there_is_nothing_to_watch():
    watch = PeerWatch(0, 1)
    watch.start()
    assert watch.report(ZeroDivisionError()) is None
    watch.lose(0, "was killed")
    watch.stop()
    assert watch.loss is None
