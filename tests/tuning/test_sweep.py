"""`lit-gan sweep` with fake trials: several at a time, killed, stopped, and gone on with."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from fake_sweep import (
    Command,
    folder_of,
    processes,
    rows,
    started,
    starts,
    states,
    status,
    study_of,
    with_options,
    write,
)
from small_disk import fill, small_disk
from trainings import ENVIRON
from waiting import wait_until

from lit_gan.tuning.study import worker_of

pytestmark = pytest.mark.slow

JOURNAL = Path("runs/s.journal")
GATED = {"parameters": {"x": {"values": [0.1, 0.2, 0.3, 0.4]}}, "command": with_options("--gate=go")}


def wait_for_running(number: int, command: Command) -> None:
    """Waits until so many trials have logged something."""

    def running() -> bool:
        tables = Path("runs/fake").glob("*/metrics.csv")
        return sum(table.read_text().count("\n") > 1 for table in tables) >= number

    command.wait_until(running, f"{number} trials run")


def test_two_trials_at_a_time_share_a_sweep_and_one_that_is_killed_has_failed() -> None:
    file = write(Path("s.yaml"), **GATED)
    with started(file, "--workers=2") as command:
        wait_for_running(2, command)
        os.kill(command.trials()[0], signal.SIGKILL)
        command.wait_until(lambda: "FAIL" in states(study_of(JOURNAL)), "it has failed")
        Path("go").touch()
        code, out, err = command.wait()

    assert (code, err) == (0, "")
    assert out.count("failed: x=") == out.count(": killed by SIGKILL") == 1
    assert sorted(states(study_of(JOURNAL))) == [*["COMPLETE"] * 3, "FAIL"]


def test_it_ends_with_the_best_configuration_and_its_pictures() -> None:
    file = write(Path("s.yaml"), parameters=GATED["parameters"])
    with started(file, "--workers=2") as command:
        code, out, err = command.wait()
    study = study_of(JOURNAL)

    assert (code, err) == (0, "")
    assert states(study) == ["COMPLETE"] * 4
    assert sorted(trial.params["x"] for trial in study.trials()) == [0.1, 0.2, 0.3, 0.4]
    assert [rows(study, number) for number in range(4)] == [["10", "20", "30", "40"]] * 4
    assert [starts(study, number) for number in range(4)] == [1] * 4
    assert "lit-gan: the best of 4 trials is" in out
    best = study.best()
    assert best is not None
    for name in ("runs/best.yaml", "runs/s.best.yaml"):
        text = Path(name).read_text()
        assert text.startswith(f"# Trial {best.number}, the best of 4 of the sweep s.\n# val/score: 0.35 (minimized)\n")
        assert "# x: 0.1\n" in text
        assert yaml.safe_load(text) == {"x": 0.1}
    assert {path.name for path in Path("runs").glob("*.png")} == {
        "s-history.png",
        "s-parallel.png",
        "s-importances.png",
    }


def test_an_interrupted_sweep_goes_on_with_its_trials() -> None:
    file = write(Path("s.yaml"), **GATED)
    with started(file, "--workers=2") as command:
        wait_for_running(2, command)
        command.process.send_signal(signal.SIGINT)
        code, out, err = command.wait()
    study = study_of(JOURNAL)

    assert code == 130
    assert "Ctrl-C again ends them at once" in err
    assert "lit-gan: stopped; the same command goes on with runs/s.journal." in out
    assert [status(study, number) for number in (0, 1)] == ["stopped", "stopped"]
    Path("go").touch()
    with started(file, "--workers=2") as command:
        code, out, err = command.wait()

    assert (code, err) == (0, "")
    assert "lit-gan: going on with runs/s.journal: 0 of 4 trials are over." in out
    assert states(study) == ["COMPLETE"] * 4
    assert [starts(study, number) for number in range(4)] == [2, 2, 1, 1]
    assert rows(study, 0) == ["10", "20", "30", "40"]


@pytest.mark.parametrize(("number", "requeued"), [(signal.SIGTERM, False), (signal.SIGUSR1, True)], ids=str)
def test_a_preempted_sweep_ends_with_75_and_only_after_sigusr1_it_is_queued_again(
    number: signal.Signals, requeued: bool
) -> None:
    scontrol = Path("bin/scontrol")
    scontrol.parent.mkdir()
    scontrol.write_text('#!/bin/sh\necho "$@" > scontrol.txt\n')
    scontrol.chmod(0o755)
    slurm = {"SLURM_JOB_ID": "7", "PATH": f"{scontrol.parent.absolute()}:{os.environ['PATH']}"}
    with started(write(Path("s.yaml"), **GATED), environ=slurm) as command:
        wait_for_running(1, command)
        command.process.send_signal(number)
        code, out, _ = command.wait()

    assert code == 75
    assert (states(study_of(JOURNAL)), status(study_of(JOURNAL), 0)) == (["RUNNING"], "stopped")
    assert ("lit-gan: job 7 is queued again." in out) == requeued
    assert Path("scontrol.txt").exists() == requeued


def test_a_journal_on_a_full_disk_ends_it_in_one_line_and_with_space_it_goes_on(tmp_path: Path) -> None:
    file = write(Path("s.yaml"), **{**GATED, "command": with_options("--gate=go", "--rounds=100")})
    with small_disk(tmp_path / "disk", 1 << 20) as disk:
        storage = f"--storage={disk / 's.journal'}"
        with started(file, "--workers=2", storage) as command:
            command.wait_until(lambda: len(list(Path("runs/fake").glob("*/metrics.csv"))) == 2, "two trials run")
            filler = fill(disk, leave=0)
            Path("go").touch()
            code, _, err = command.wait()
        assert code == 2
        assert err.startswith(f"lit-gan: error: {disk}/")
        assert "the disk is full (No space left on device). No trial is lost: free some space" in err
        assert err.count("\n") == 1
        filler.unlink()
        with started(file, "--workers=2", storage) as command:
            assert command.wait()[0] == 0

        study = study_of(disk / "s.journal")
        assert states(study) == ["COMPLETE"] * 4
        assert [len(rows(study, number)) for number in range(4)] == [100] * 4


def test_a_killed_command_takes_its_trials_along_and_another_that_runs_already_goes_on_with_them() -> None:
    file = write(Path("s.yaml"), **GATED)
    with started(file, "--workers=2") as command:
        wait_for_running(2, command)
        study, trials = study_of(JOURNAL), command.trials()
        with started(file, "--workers=2") as other:
            wait_for_running(4, other)
            command.process.kill()
            wait_until(lambda: not set(trials) & {pid for pid, _, _ in processes()}, "nothing is left of it")
            command.wait()
            Path("go").touch()
            assert other.wait()[0] == 0

    assert states(study) == ["COMPLETE"] * 4
    assert [starts(study, number) for number in range(4)] == [2, 2, 1, 1]
    assert [rows(study, number) for number in range(4)] == [["10", "20", "30", "40"]] * 4
    assert len({worker_of(trial) for trial in study.trials()}) == 1


def test_a_killed_command_is_gone_on_with_by_the_same_command() -> None:
    file = write(Path("s.yaml"), **GATED)
    with started(file, "--workers=2") as command:
        wait_for_running(2, command)
        trials = command.trials()
        command.process.kill()
        wait_until(lambda: not set(trials) & {pid for pid, _, _ in processes()}, "nothing is left of it")
        command.wait()
    Path("go").touch()
    with started(file) as command:
        code, out, err = command.wait()

    assert (code, err) == (0, "")
    assert "lit-gan: going on with runs/s.journal: 0 of 4 trials are over." in out
    study = study_of(JOURNAL)
    assert states(study) == ["COMPLETE"] * 4
    assert [starts(study, number) for number in range(4)] == [2, 2, 1, 1]


def test_two_commands_work_on_one_journal_as_from_two_machines() -> None:
    file = write(Path("s.yaml"), **GATED)
    with started(file) as first, started(file) as second:
        wait_for_running(2, first)
        Path("go").touch()
        assert (first.wait()[0], second.wait()[0]) == (0, 0)

    study = study_of(JOURNAL)
    assert states(study) == ["COMPLETE"] * 4
    assert [starts(study, number) for number in range(4)] == [1] * 4


def test_what_a_trial_shows_of_the_sweep_ends_it_in_one_line() -> None:
    file = write(Path("s.yaml"), command=with_options("--metric=val/scor"))
    with started(file, "--workers=2") as command:
        code, _, err = command.wait()

    assert code == 2
    assert err.startswith("lit-gan: error: metric: trial ")
    assert err.endswith("never logged val/score; it logs train/loss_d, val/scor.\n")


def test_what_ends_it_is_told_before_the_other_trials_are_waited_for_and_ctrl_c_ends_them_at_once() -> None:
    script = """
        trap '' TERM; mkdir running 2> /dev/null && while :; do sleep 0.05; done
        echo 'lit-gan: error: no.' >&2; exit 2
    """
    file = write(Path("s.yaml"), program="/bin/sh", command=["${program}", "-c", script, "${args}"])
    with started(file, "--workers=2") as command:
        assert command.process.stdout is not None
        assert command.process.stderr is not None
        told = next(line for line in command.process.stdout if "the other trials stop" in line)
        for _ in range(2):
            command.process.send_signal(signal.SIGINT)
            assert command.process.stderr.readline() == "\n"
            assert "Ctrl-C again ends them at once" in command.process.stderr.readline()
        code, _, err = command.wait()

    assert code == 2
    line = err.removeprefix("lit-gan: error: ")
    assert re.match(r"trial \d was refused: no \(what it printed is in", line)
    assert told == f"lit-gan: the other trials stop at the end of a round: {line}"


def test_the_gpus_are_shared_out() -> None:
    file = write(Path("s.yaml"), parameters={"x": {"values": [1, 2]}}, command=with_options("--gate=go"))
    with started(file, "--workers=2", environ={"CUDA_VISIBLE_DEVICES": "3,5,7,8,9"}) as command:
        wait_for_running(2, command)
        Path("go").touch()
        assert command.wait()[0] == 0

    study = study_of(JOURNAL)
    seen = [folder_of(study, number).joinpath("starts.txt").read_text().split()[1] for number in range(2)]
    assert sorted(seen) == ["3,5", "7,8"]


def test_waiting_costs_next_to_nothing() -> None:
    file = write(Path("s.yaml"), **GATED)
    with started(file, "--workers=4") as command:
        wait_for_running(4, command)
        before = command.cpu_seconds()
        time.sleep(2)
        assert command.cpu_seconds() - before < 0.4
        Path("go").touch()
        assert command.wait()[0] == 0


def test_on_a_terminal_the_trials_are_a_table_that_is_drawn_anew() -> None:
    main, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 140, 0, 0))
    write(Path("s.yaml"))
    process = subprocess.Popen(  # and its worker: fresh interpreters, as a user's
        [sys.executable, "-m", "lit_gan", "sweep", "s.yaml"],
        env={**os.environ, **ENVIRON, "TERM": "xterm"},
        stdin=subprocess.DEVNULL,
        stdout=terminal,
    )
    os.close(terminal)
    shown = b""
    with suppress(OSError):  # the terminal is closed with its last process
        while piece := os.read(main, 65536):
            shown += piece
    os.close(main)

    assert process.wait(300) == 0
    text = shown.decode()
    last = text[text.rindex("┏") : text.index("lit-gan: the best of")]
    assert "\x1b[" in text
    assert last.count("complete") == 3
    assert "0.45" in last
