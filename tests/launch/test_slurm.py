import subprocess
import sys
import time

import pytest

from lit_gan.launch import slurm
from lit_gan.launch.slurm import (
    allocated_tasks,
    job_is_queued,
    queue_again,
    requeue,
    slurm_job,
    starts_itself_under_srun,
)

_BATCH = {"SLURM_JOB_ID": "7", "SLURM_JOB_NAME": "job.sh", "SLURM_PROCID": "0"}


def _command(folder, name, body):
    (folder / name).write_text(f"#!/bin/sh\n{body}\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """A folder that comes first on PATH."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


@pytest.mark.parametrize(
    ("environ", "job"),
    [
        ({}, None),
        ({"SLURM_JOB_ID": "7"}, "7"),
        ({"SLURM_JOB_ID": "9", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "2"}, "7_2"),
    ],
)
def test_the_name_of_the_job(monkeypatch, environ, job):
    assert slurm_job(environ) == job
    for name in ("SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert slurm_job() == job


# What sbatch 22.05 sets for these options, and how many tasks its srun then starts.
@pytest.mark.parametrize(
    ("environ", "tasks"),
    [
        pytest.param({"SLURM_NNODES": "1", "SLURM_TASKS_PER_NODE": "1"}, 1, id="-N1"),
        pytest.param({"SLURM_NNODES": "1", "SLURM_TASKS_PER_NODE": "2"}, 1, id="-N1 --exclusive"),
        pytest.param({"SLURM_NNODES": "2", "SLURM_TASKS_PER_NODE": "1(x2)"}, 2, id="-N2"),
        pytest.param({"SLURM_NNODES": "1", "SLURM_NTASKS": "2"}, 2, id="-n2"),
        pytest.param(
            {"SLURM_NNODES": "2", "SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "1"}, 2, id="-N2 --ntasks-per-node=1"
        ),
        pytest.param({"SLURM_NNODES": "2", "SLURM_NTASKS_PER_NODE": "4"}, 8, id="without a total"),
    ],
)
def test_how_many_tasks_an_allocation_has(environ, tasks):
    assert allocated_tasks({**_BATCH, **environ}) == tasks
    assert starts_itself_under_srun({**_BATCH, **environ}) is (tasks > 1)
    assert allocated_tasks(environ) == 1  # left behind by somebody else: there is no job


@pytest.mark.parametrize(
    "change",
    [
        {"SLURM_STEP_ID": "0"},
        {"RANK": "0"},
        {"TORCHELASTIC_RUN_ID": "none"},
        {"SLURM_JOB_NAME": "bash"},
        {"SLURM_JOB_NAME": "interactive"},
    ],
)
def test_who_is_placed_already_or_sits_there_starts_nothing(change):
    environ = {**_BATCH, "SLURM_NTASKS": "2"}
    assert starts_itself_under_srun(environ)
    assert not starts_itself_under_srun({**environ, **change})


@pytest.mark.parametrize(("state", "known"), [("PENDING", True), ("COMPLETING", True), ("", False)])
def test_the_queue_says_whether_it_knows_a_job(queue, state, known):
    queue.holds("7_2", state)
    assert job_is_queued("7_2") is known


def test_a_job_that_slurm_has_forgotten_is_not_queued(queue):
    assert job_is_queued("7") is False


def test_filters_of_the_user_hide_no_job(commands, monkeypatch):
    monkeypatch.setenv("SQUEUE_STATES", "SUSPENDED")
    _command(commands, "squeue", 'echo "$SQUEUE_STATES"')
    assert job_is_queued("7") is False


def test_a_queue_that_gives_no_answer_is_not_waited_for(queue, monkeypatch):
    monkeypatch.setattr(slurm, "_ANSWER_SECONDS", 0.1)
    queue.fails("hangs")
    start = time.monotonic()
    assert job_is_queued("7") is None
    assert time.monotonic() - start < 300


def test_a_queue_that_cannot_be_asked(queue, monkeypatch, tmp_path):
    queue.fails("unreachable")
    assert job_is_queued("7") is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert job_is_queued("7") is None


def test_requeue_asks_scontrol(commands):
    _command(commands, "scontrol", f'echo "$@" > {commands}/asked')
    assert requeue("7_2") is None
    assert (commands / "asked").read_text() == "requeue 7_2\n"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("echo 'Invalid job id specified\nfor job 7' >&2; exit 1", "Invalid job id specified for job 7"),
        ("exit 3", "scontrol requeue 7 ended with 3"),
        ("exec sleep 60", "scontrol requeue gave no answer within 0 s"),
    ],
)
def test_a_refused_requeue_is_told_in_one_line(commands, monkeypatch, body, said):
    if "sleep" in body:
        monkeypatch.setattr(slurm, "_REQUEUE_SECONDS", 0.1)
    _command(commands, "scontrol", body)
    assert requeue("7") == said


def test_requeue_without_slurm_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert requeue("7") == "scontrol cannot be run (No such file or directory)"


@pytest.mark.parametrize(
    ("says", "out", "err"),
    [
        (None, "lit-gan: exit code 75 asks whoever started this to queue job 7 again.\n", ""),
        ("exit 0", "lit-gan: job 7 is queued again.\n", ""),
        ("echo busy >&2; exit 1", "", "lit-gan: warning: job 7 is not queued again: busy\n"),
    ],
)
def test_what_comes_of_a_requeue_is_said(says, out, err, tmp_path, monkeypatch, capsys):
    if says is not None:
        _command(tmp_path, "scontrol", says)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.delenv("LIT_GAN_SWEEP", raising=False)
    queue_again()
    assert capsys.readouterr() == (out, err)


@pytest.mark.parametrize("environ", [{}, {"SLURM_JOB_ID": "7", "LIT_GAN_SWEEP": "of a sweep, which queues itself"}])
def test_a_process_that_is_not_slurms_to_start_is_not_queued(environ, monkeypatch, capsys):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    queue_again()
    assert capsys.readouterr() == ("", "")


def test_it_is_asked_without_torch():
    program = "import sys; import lit_gan.launch.slurm; assert not {'torch', 'lightning'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
