"""Children that end in every way, and what the main process makes of it."""

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import pytest
from lightning.fabric.plugins.environments import LightningEnvironment
from nursery import nursery
from trainings import ENVIRON

from lit_gan.strategies import launcher as launcher_module
from lit_gan.strategies.launcher import WatchedLauncher

SCRIPT = Path(__file__).parents[1] / "launched_script.py"
KILL = "kill -{} $$; sleep 10"


@pytest.fixture
def launch(monkeypatch):
    """A launcher whose children are shell commands, and what it tells."""
    monkeypatch.setattr(launcher_module, "_LOOK_SECONDS", 0.02)
    monkeypatch.setattr(launcher_module, "_GRACE", 0.1)
    launchers = []

    def launch(*commands, watched=True):
        told = []

        def on_death(rank, how):
            told.append((rank, how))
            return watched

        launcher = WatchedLauncher(LightningEnvironment(), 1 + len(commands), 1, on_death=on_death)
        launcher.procs = [subprocess.Popen(["sh", "-c", command]) for command in commands]
        launchers.append(launcher)
        return launcher, told

    yield launch
    for launcher in launchers:
        launcher.end_children(0)
        for child in launcher.procs:
            child.wait(300)


def test_a_child_that_leaves_in_good_order_is_no_death(launch):
    launcher, told = launch("exit 0", "exit 75", "exit 130")
    launcher._watch_children()
    assert told == []


def test_every_death_is_told_once_with_its_rank_and_its_kind(launch):
    launcher, told = launch("exit 0", "exit 3", KILL.format("KILL"), KILL.format("SEGV"), KILL.format("34"))
    launcher._watch_children()
    assert sorted(told) == [
        (2, "ended with exit code 3"),
        (3, "was killed by SIGKILL (out of memory?)"),
        (4, "was killed by SIGSEGV"),
        (5, f"was killed by {signal.Signals(34).name}" if 34 in set(signal.Signals) else "was killed by signal 34"),
    ]


def test_ranks_count_over_the_machines(launch, monkeypatch):
    monkeypatch.setenv("NODE_RANK", "2")
    launcher, told = launch("exit 3")
    launcher._watch_children()
    assert told == [(5, "ended with exit code 3")]


def test_a_death_before_training_ends_the_main_process_and_the_other_children(launch, monkeypatch, capfd):
    ends = []
    monkeypatch.setattr(os, "_exit", ends.append)
    launcher, told = launch("sleep 100", "exit 2", watched=False)
    launcher._watch_children()
    assert ends == [1]
    assert told == [(2, "ended with exit code 2")] * 2  # again after the grace: a watch may have begun
    line = rf"lit-gan: failed: rank 2 \(process {launcher.procs[1].pid} on .+\) ended with exit code 2\.\n"
    assert re.fullmatch(line, capfd.readouterr().err)
    assert launcher.procs[0].wait(300) == -signal.SIGKILL


def test_what_children_die_of_by_a_signal_of_ours_is_no_news(launch):
    launcher, told = launch("sleep 100")
    launcher.kill(signal.SIGTERM)
    launcher._watch_children()
    assert launcher.procs[0].wait(300) == -signal.SIGTERM
    assert told == []


def test_no_child_outlives_the_main_process(launch):
    launcher, _ = launch("sleep 0.3", "kill -STOP $$")
    began = time.monotonic()
    launcher.end_children(patience=1)
    assert time.monotonic() - began < 300
    assert [child.wait(300) for child in launcher.procs] == [0, -signal.SIGKILL]


def run(case, place):
    environ = {name: value for name, value in os.environ.items() if name not in ("LOCAL_RANK", "MASTER_PORT")}
    with place:
        return subprocess.run(
            [sys.executable, str(SCRIPT), case],
            env={**environ, **ENVIRON},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )


@pytest.mark.slow
def test_the_error_of_a_child_is_the_last_that_the_user_sees():
    ended = run("error", place=nullcontext())  # a script, and children of its own, in fresh interpreters
    assert ended.returncode == 1
    error = "ZeroDivisionError: division by zero"
    assert re.search(rf"lit-gan: failed: rank 1 \(process \d+ on .+\) failed: {error}\n", ended.stderr)
    assert ended.stderr.splitlines()[-1].endswith(error)  # of the main process, or of the child, whose own it is


@pytest.mark.slow
def test_a_preempted_child_leaves_the_main_process_the_time_for_its_own_end():
    ended = run("preempted", place=nursery())
    assert ended.returncode == 75
    assert sorted(re.findall("rank . left", ended.stdout)) == ["rank 0 left", "rank 1 left"]
    assert "lit-gan: failed" not in ended.stderr
