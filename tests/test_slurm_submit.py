"""`lit-gan submit` on a real Slurm of two nodes: what it queues trains, is told to stop, comes back and goes on."""

import os
import sys
from pathlib import Path

import pytest
import yaml
from command_line import lit_gan
from fake_sweep import with_options, write
from slurm_cluster import Job, SlurmCluster
from trainings import COMMAND, ENVIRON, ROUNDS, record, rows, wait_for_rows
from waiting import wait_until

from lit_gan.cluster.template import SITE_VARIABLE

pytestmark = pytest.mark.slow

_SOON = 10  # rows: the training is well inside, and far from its end
_SECONDS = 300.0
_IN_THE_QUEUE = ("PENDING", "CONFIGURING", "RUNNING")
_FIT = ("--", *COMMAND[3:])

# In the place of a training or of an agent, without the seconds that torch takes: tells of itself and waits, until its
# second life or a signal.
_STUB = """\
#!/bin/bash
trap 'echo told; exit 75' USR1
trap 'echo ended; exit 75' TERM
echo "life ${SLURM_RESTART_COUNT:-0} of task ${SLURM_PROCID:-0}: $0 $*"
[ -n "${SLURM_RESTART_COUNT:-}" ] && exit 0
while true; do sleep 0.1; done
"""


@pytest.fixture(autouse=True)
def _user_of_the_cluster(slurm: SlurmCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in {**slurm.environ, **ENVIRON}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv(SITE_VARIABLE, raising=False)


def _submit(slurm: SlurmCluster, *arguments: str) -> Job:
    ending = lit_gan("submit", *arguments)
    assert ending.code == 0, ending.err
    return Job(slurm, ending.out.strip())


def _run_of(job: Job) -> Path:
    return Path("runs/quickstart", f"slurm-{job.number}")


@pytest.fixture
def _forked(forked_python: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a job starts is forked: a training that `srun` starts afresh is in test_slurm_fit.py."""
    monkeypatch.setattr(sys, "executable", forked_python)


def _tell_to_stop(job: Job, run: Path) -> None:
    wait_for_rows(run, _SOON, lambda: job.state in _IN_THE_QUEUE, lambda: job.output)
    job.signal("USR1")  # what Slurm does for --signal=USR1@90
    job.wait_for_output(f"job {job.number} is queued again.")
    assert (record(run)["status"], record(run)["reason"]) == ("stopped", "preempted")


@pytest.mark.usefixtures("_forked")
def test_a_job_trains_on_both_nodes_and_told_to_stop_goes_on_as_the_same_run(slurm: SlurmCluster) -> None:
    job = _submit(slurm, "--nodes=2", "--time=1:00:00", *_FIT)
    run = _run_of(job)
    _tell_to_stop(job, run)
    job.wait_for("COMPLETED", seconds=_SECONDS)
    assert job.shown("Restarts") == "1"
    assert [path.name for path in run.parent.iterdir()] == [run.name]
    assert (record(run)["status"], record(run)["resumed"]) == ("finished", 1)
    assert rows(run) == ROUNDS  # of two ranks: one alone has twice as many
    assert job.shown("StdOut") == str(Path.cwd() / f"runs/slurm/quickstart-{job.number}.out")
    assert job.output.count("lit-gan: finished") == 1


@pytest.mark.usefixtures("_forked")
def test_every_task_of_an_array_is_a_run_and_one_that_is_told_to_stop_goes_on_as_the_same(slurm: SlurmCluster) -> None:
    job = _submit(slurm, "--array=3-5", *_FIT, "--trainer.max_epochs=5", "--wandb=offline", "--seed_everything=%a")
    tasks = [job.task(number) for number in (3, 4, 5)]
    runs = [_run_of(task) for task in tasks]
    _tell_to_stop(tasks[1], runs[1])
    for task in tasks:
        task.wait_for("COMPLETED", seconds=_SECONDS)

    assert [task.shown("Restarts") for task in tasks] == ["0", "1", "0"]
    assert sorted(path.name for path in runs[0].parent.iterdir()) == [run.name for run in runs]
    assert [(record(run)["status"], record(run)["resumed"]) for run in runs] == [("finished", n) for n in (0, 1, 0)]
    assert [record(run)["config"]["seed_everything"] for run in runs] == [3, 4, 5]
    assert len({rows(run) for run in runs}) == 1
    for run in runs:
        [at_wandb] = {path.name.split("-", maxsplit=3)[3] for path in run.glob("wandb/offline-run-*")}
        assert at_wandb.startswith(f"{run.name}-")
    assert tasks[1].shown("StdOut").endswith(f"runs/slurm/quickstart-{job.number}_4.out")


def test_the_agent_of_a_sweep_is_the_process_that_the_signal_is_for(
    slurm: SlurmCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "bin" / "python"
    _program(python)
    monkeypatch.setattr(sys, "executable", str(python))
    job = _submit(slurm, "--sweep=ada/gan/a1b2c3d4", "--no-gpus", "--array=7")
    task = job.task(7)
    task.wait_for_output(f"{python} -m wandb agent --count 1 --forward-signals ada/gan/a1b2c3d4")
    slurm.run("scancel", "--batch", "--signal=USR1", task.number)  # what Slurm does for --signal=B:USR1@90
    task.wait_for("FAILED")
    assert (task.shown("ExitCode"), task.output.splitlines()[1]) == ("75:0", "told")


def _program(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(_STUB)
    path.chmod(0o755)


@pytest.fixture
def apptainer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program that runs images, on the nodes."""
    _program(tmp_path / "bin" / "apptainer")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")


@pytest.mark.usefixtures("apptainer")
def test_a_run_in_an_image_is_queued_again_from_outside_of_it(slurm: SlurmCluster, tmp_path: Path) -> None:
    job = _submit(slurm, "--nodes=2", "--container=docker://lit-gan:1", *_FIT)
    for task in (0, 1):
        job.wait_for_output(f"life 0 of task {task}: {tmp_path}/bin/apptainer exec --bind {tmp_path} --pwd {tmp_path} ")
    assert "docker://lit-gan:1 lit-gan fit --config=quickstart" in job.output
    job.signal("USR1")
    job.wait_for("COMPLETED", seconds=_SECONDS)
    assert job.shown("Restarts") == "1"
    assert "life 1 of task 1" in job.output


@pytest.mark.usefixtures("apptainer")
def test_a_run_in_an_image_that_somebody_cancels_is_not_queued_again(slurm: SlurmCluster) -> None:
    comment = """it's "a" #1 \\ $x"""
    job = _submit(slurm, "--container=docker://lit-gan:1", f"--sbatch=comment={comment}", *_FIT)
    job.wait_for_output("life 0 of task 0")
    assert slurm.run("squeue", "--noheader", "--format=%k").strip() == comment
    slurm.run("scancel", job.number)
    job.wait_for("CANCELLED")
    job.wait_for_output("ended")
    assert job.shown("Restarts") == "0"


def test_what_the_cluster_does_not_have_is_told_in_one_line() -> None:
    told = lit_gan("submit", "--partition=nope", *_FIT).line
    assert told.startswith("sbatch refuses the job: invalid partition specified: nope; Batch job submission failed: ")
    assert lit_gan("submit", "--", "fit", "--config=mnist").line.startswith("sbatch refuses the job: Invalid generic")


def _starts(folder: Path) -> int:
    """How often the trial of a folder was started."""
    return len((folder / "starts.txt").read_text().splitlines())


def test_the_tasks_of_an_array_share_a_sweep_and_one_that_is_told_to_stop_goes_on(
    slurm: SlurmCluster, tmp_path: Path
) -> None:
    # Of three trials, two at a time, none goes on to its second row before it is let.
    write(tmp_path / "score.yaml", command=with_options("--gate=open"))
    job = _submit(slurm, "--sweep=score.yaml", "--array=0-1", "--no-gpus", "--time=1:00:00")
    tasks = [job.task(0), job.task(1)]
    trials = tmp_path / "runs" / "fake"
    wait_until(lambda: len(list(trials.glob("*/metrics.csv"))) == 2, "two trials")
    slurm.run("scancel", "--batch", "--signal=USR1", tasks[0].number)  # what Slurm does for --signal=B:USR1@90
    tasks[0].wait_for_output(f"job {tasks[0].number} is queued again.")
    Path("open").touch()
    for task in tasks:
        task.wait_for("COMPLETED", seconds=_SECONDS)

    assert [task.shown("Restarts") for task in tasks] == ["1", "0"]
    folders = sorted(trials.iterdir())
    assert [record(folder)["status"] for folder in folders] == ["finished"] * 3
    assert sorted(map(_starts, folders)) == [1, 1, 2]
    assert yaml.safe_load(Path("runs/score.best.yaml").read_text()) == {"x": 0.2}
