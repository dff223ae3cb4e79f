"""The Slurm that tests run on is a real one, and goes without a trace."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import slurm_cluster
from requirements import require
from slurm_cluster import SlurmCluster, SlurmNotUpError, what_slurm_lacks
from waiting import wait_until

pytestmark = pytest.mark.slow


def test_a_job_of_two_nodes_runs_a_rank_on_each(slurm: SlurmCluster, tmp_path: Path) -> None:
    job = slurm.submit(
        "srun bash -c 'echo rank $SLURM_PROCID of $SLURM_NTASKS on $SLURMD_NODENAME in $PWD: $MINE'",
        "--nodes=2",
        "--ntasks-per-node=1",
        cwd=tmp_path,
        environ={"MINE": "yes"},
    )
    job.wait_for("COMPLETED")
    assert sorted(job.output.splitlines()) == [
        f"rank 0 of 2 on n1 in {tmp_path}: yes",
        f"rank 1 of 2 on n2 in {tmp_path}: yes",
    ]


def test_a_requeued_job_starts_again_under_its_number(slurm: SlurmCluster) -> None:
    job = slurm.submit("echo life ${SLURM_RESTART_COUNT:-0} of $SLURM_JOB_ID; [ $SLURM_RESTART_COUNT ] || sleep 99")
    job.wait_for_output("life 0")
    job.requeue()
    job.wait_for("COMPLETED")
    assert job.output.splitlines()[0] == f"life 0 of {job.number}"
    assert job.output.splitlines()[-1] == f"life 1 of {job.number}"
    assert job.shown("Restarts") == "1"


def test_a_signal_reaches_what_srun_started(slurm: SlurmCluster) -> None:
    job = slurm.submit("srun bash -c 'trap \"echo told; exit 3\" USR1; echo ready; while :; do sleep 0.1; done'")
    job.wait_for_output("ready")
    job.signal("USR1")
    job.wait_for("FAILED")
    assert "told" in job.output
    assert job.shown("ExitCode") == "3:0"


def test_tasks_of_an_array_are_jobs_of_their_own(slurm: SlurmCluster) -> None:
    array = slurm.submit("echo task $SLURM_ARRAY_TASK_ID", "--array=1-2")
    for number in (1, 2):
        array.task(number).wait_for("COMPLETED")
        assert array.task(number).output == f"task {number}\n"


def test_a_job_that_ends_otherwise_is_not_waited_for(slurm: SlurmCluster) -> None:
    job = slurm.submit("echo why; exit 4")
    with pytest.raises(AssertionError, match=r"is FAILED \(ExitCode 4:0\); it printed:\nwhy"):
        job.wait_for("COMPLETED")
    with pytest.raises(AssertionError, match="is FAILED"):
        job.wait_for_output("because")


def test_nothing_of_a_cluster_is_left(tmp_path: Path) -> None:
    require("slurm", what_slurm_lacks())
    with SlurmCluster(tmp_path) as cluster:
        job = cluster.submit("trap '' TERM; echo ready; while :; do sleep 0.1; done")
        waiting = cluster.submit("true", "--begin=now+1hour")
        job.wait_for_output("ready")
        waiting.wait_for("PENDING")
        assert cluster.processes()
    assert not cluster.processes()


def test_a_cluster_that_cannot_come_up_says_so_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require("slurm", what_slurm_lacks())
    monkeypatch.setattr(slurm_cluster, "_CONFIGURATION", slurm_cluster._CONFIGURATION + "Nonsense=1\n")
    cluster = SlurmCluster(tmp_path)
    with pytest.raises(SlurmNotUpError, match="Nonsense"):
        cluster.__enter__()
    assert not cluster.processes()


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "srun" else name)
    assert what_slurm_lacks() == "there is no srun (Debian's slurm-wlm)"
    monkeypatch.setattr(shutil, "which", lambda name: name)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert what_slurm_lacks() == "only root can start its daemons"


def test_a_job_that_runs_the_tests_is_none_of_the_clusters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"SLURM_CONF": "/elsewhere", "SLURM_JOB_ID": "7", "SQUEUE_STATES": "all"}.items():
        monkeypatch.setenv(name, value)
    environ = SlurmCluster(tmp_path).environ
    assert environ["SLURM_CONF"] == str(tmp_path / "slurm.conf")
    assert not {"SLURM_JOB_ID", "SQUEUE_STATES"} & set(environ)


def test_the_daemons_go_with_whoever_started_them(tmp_path: Path) -> None:
    require("slurm", what_slurm_lacks())
    program = (
        "import os, signal, sys; from pathlib import Path; from slurm_cluster import SlurmCluster\n"
        "SlurmCluster(Path(sys.argv[1])).__enter__(); print('up', flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", program, tmp_path], cwd=Path(__file__).parent, check=False, timeout=300)
    cluster = SlurmCluster(tmp_path)
    assert (tmp_path / "slurm.conf").exists()
    wait_until(lambda: not cluster.processes(), "nothing of it is left", 10)
