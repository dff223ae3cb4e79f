"""`fit` on a real Slurm of two nodes: signalled it stops, requeues itself and goes on, as if nothing had happened."""

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import trainings
from slurm_cluster import Job, SlurmCluster
from trainings import COMMAND, ENVIRON, ROUNDS, record, rows, wait_for_rows

from benchmarks.resume import differences

pytestmark = pytest.mark.slow

_SOON = 10  # rows: the training is well inside, and far from its end
_SECONDS = 300.0
_FIT = shlex.join([*COMMAND[1:], "--trainer.num_nodes=2", "--trainer.devices=1"])
_AUTO = shlex.join([*COMMAND, "--trainer.devices=auto"])  # those of the allocation


def _submit(slurm: SlurmCluster, folder: Path, script: str) -> Job:
    return slurm.submit(script, "--nodes=2", "--ntasks-per-node=1", "--requeue", cwd=folder, environ=ENVIRON)


def _run_of(job: Job, folder: Path) -> Path:
    return folder / "runs" / "quickstart" / f"slurm-{job.number}"


def _wait_until_inside(job: Job, run: Path) -> None:
    wait_for_rows(run, _SOON, lambda: job.state in ("PENDING", "CONFIGURING", "RUNNING"), lambda: job.output)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As without Slurm: where a run is started does not show in its bits."""
    return trainings.undisturbed(tmp_path_factory)


@pytest.fixture(autouse=True)
def _no_checkpoints_of_lightnings_own(tmp_path: Path) -> Iterator[None]:
    """Lightning answers a signal of Slurm's by a checkpoint in a folder of its own choice."""
    yield
    assert list(tmp_path.rglob("*hpc_ckpt*")) == []


def test_a_signalled_job_requeues_itself_and_ends_as_if_undisturbed(
    slurm: SlurmCluster, forked_python: str, undisturbed: Path, tmp_path: Path
) -> None:
    job = _submit(slurm, tmp_path, f"srun {forked_python} {_FIT}")
    run = _run_of(job, tmp_path)
    _wait_until_inside(job, run)
    job.signal("USR1")
    job.wait_for_output(f"job {job.number} is queued again.")
    assert (record(run)["status"], record(run)["reason"]) == ("stopped", "preempted")
    assert _SOON <= rows(run) < ROUNDS

    job.wait_for("COMPLETED", seconds=_SECONDS)
    assert job.shown("Restarts") == "1"
    assert [path.name for path in run.parent.iterdir()] == [run.name]
    assert (record(run)["status"], record(run)["resumed"]) == ("finished", 1)
    assert f"continuing {run.relative_to(tmp_path)} after round" in job.output
    assert differences(run, undisturbed) == []


def test_alone_in_a_job_of_two_tasks_it_starts_itself_and_cancelled_it_stops_in_good_order(
    slurm: SlurmCluster, undisturbed: Path, tmp_path: Path
) -> None:
    cancelled = _submit(slurm, tmp_path, _AUTO)
    run = _run_of(cancelled, tmp_path)
    _wait_until_inside(cancelled, run)
    slurm.run("scancel", cancelled.number)
    cancelled.wait_for("CANCELLED")
    cancelled.wait_for_output("the same command continues it after round")
    assert "2 tasks in this Slurm allocation: starting again under srun" in cancelled.output
    assert (record(run)["status"], record(run)["reason"]) == ("stopped", "preempted")
    assert "queued again" not in cancelled.output
    assert cancelled.shown("Restarts") == "0"

    # Whoever cancelled it may go on with it: a new job with the same command, since the first has left the queue.
    job = _submit(slurm, tmp_path, _AUTO)
    job.wait_for("COMPLETED", seconds=_SECONDS)
    assert [path.name for path in run.parent.iterdir()] == [run.name]
    assert (record(run)["status"], record(run)["resumed"]) == ("finished", 1)
    assert differences(run, undisturbed) == []


def test_a_trial_on_both_nodes_that_its_agent_stops_saves_itself(slurm: SlurmCluster, tmp_path: Path) -> None:
    """SIGTERM reaches the process that the agent has started, which is no `srun` and no rank."""
    environ = {**ENVIRON, "LIT_GAN_SWEEP": "sweep", "WANDB_RUN_ID": "trial"}
    job = slurm.submit(f"exec {_AUTO}", "--nodes=2", "--ntasks-per-node=1", cwd=tmp_path, environ=environ)
    run = tmp_path / "runs" / "quickstart" / "trial"
    _wait_until_inside(job, run)
    slurm.run("scancel", "--batch", "--signal=TERM", job.number)
    job.wait_for("COMPLETED", seconds=_SECONDS)  # exit code 0
    assert (record(run)["status"], record(run)["reason"]) == ("stopped", "stopped by the tracker")
    assert (run / "checkpoints" / "last.ckpt").is_file()
    assert _SOON <= rows(run) < ROUNDS
