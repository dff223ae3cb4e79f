"""What is asked of Slurm and what `--resume auto` makes of it, against a real one."""

import sys
from pathlib import Path

import pytest

import lit_gan
from lit_gan.launch.slurm import job_is_queued, requeue
from lit_gan.runs.resume import choose_run_folder

pytestmark = pytest.mark.slow

_ROOT = Path(lit_gan.__file__).parents[1]

# In its first life it is preempted, and not gone at once.
_PROGRAM = """
import sys, time
from lit_gan.runs import choose_run_folder
folder, resumed = choose_run_folder(sys.argv[1], "mnist", {"lr": 0.1})
if not resumed:
    folder.mark("stopped", "preempted")
    folder.release()
    print("preempted", flush=True)
    time.sleep(100)
folder.mark("stopped", "preempted")  # of a time limit, after which nobody comes back
print(folder.path.name, "goes on", flush=True)
"""


@pytest.fixture
def of_this_cluster(slurm, monkeypatch):
    """The commands of this process ask the cluster of the tests."""
    monkeypatch.setenv("SLURM_CONF", slurm.environ["SLURM_CONF"])
    return slurm


def _choose(root):
    folder, resumed = choose_run_folder(root, "mnist", {"lr": 0.1}, environ={})
    folder.mark("finished")
    folder.release()
    return folder.path.name, resumed


def test_a_preempted_job_comes_back_to_its_run_and_leaves_it_when_it_is_gone(of_this_cluster, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(_PROGRAM)
    job = of_this_cluster.submit(f"{sys.executable} {program} {tmp_path}", environ={"PYTHONPATH": str(_ROOT)})
    job.wait_for_output("preempted")
    left = pytest.warns(UserWarning, match=f"slurm-{job.number} is left to Slurm job {job.number}, which is still in")
    with left:
        assert not _choose(tmp_path)[1]
    assert requeue(job.number) is None
    job.wait_for("PENDING")
    with left:
        assert not _choose(tmp_path)[1]
    job.wait_for("COMPLETED")
    assert f"slurm-{job.number} goes on" in job.output
    assert _choose(tmp_path) == (f"slurm-{job.number}", True)


def test_the_queue_knows_jobs_and_tasks_until_they_end(of_this_cluster):
    array = of_this_cluster.submit("sleep 100", "--array=1-2")
    array.task(1).wait_for("RUNNING")
    assert job_is_queued(f"{array.number}_1") is True
    of_this_cluster.run("scancel", f"{array.number}_1")
    array.task(1).wait_for("CANCELLED")
    of_this_cluster.cancel_all()
    assert job_is_queued(f"{array.number}_1") is False  # ended a moment ago
    assert job_is_queued("999999") is False  # long forgotten


def test_what_scontrol_says_to_a_requeue_is_told(of_this_cluster):
    assert requeue("999999") == "Invalid job id specified for job 999999"


def test_a_controller_that_is_away_gives_no_answer(monkeypatch, tmp_path, slurm):
    away = tmp_path / "slurm.conf"
    away.write_text(Path(slurm.environ["SLURM_CONF"]).read_text().replace("SlurmctldPort=", "SlurmctldPort=1 #"))
    monkeypatch.setenv("SLURM_CONF", str(away))
    assert job_is_queued("7") is None
