import pytest

from lit_gan.runs.ownership import Claims, owner_of
from lit_gan.runs.record import RunRecord


def _stopped(owner, reason="preempted"):
    return RunRecord.first({}, owner=owner).marked("stopped", reason)


@pytest.mark.parametrize(
    ("environ", "owner"),
    [
        ({}, None),
        ({"WANDB_RUN_ID": ""}, None),
        ({"SLURM_JOB_ID": "7"}, "slurm:7"),
        ({"SLURM_JOB_ID": "9", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "2"}, "slurm:7_2"),
        # An array of agents: the trial is the agent's, whichever job runs it.
        ({"SLURM_JOB_ID": "9", "WANDB_RUN_ID": "3fa9x2"}, "wandb:3fa9x2"),
    ],
)
def test_who_a_run_belongs_to(environ, owner):
    assert owner_of(environ) == owner


@pytest.mark.parametrize(
    ("mine", "theirs", "left"),
    [
        (None, None, False),
        ("slurm:7", None, False),  # a terminal's run is anyone's
        ("slurm:7_1", "slurm:7_1", False),
        ("slurm:7_1", "slurm:7_2", True),
        ("slurm:7_1", "slurm:77_1", False),
        ("slurm:7_1", "slurm:7", False),
        ("wandb:a", "wandb:a", False),
        ("wandb:a", "wandb:b", True),
        ("slurm:7", "wandb:b", True),
        (None, "wandb:b", True),
    ],
)
def test_what_is_left_to_others_when_the_queue_is_empty(queue, mine, theirs, left):
    assert (Claims(mine).on(_stopped(theirs)) is not None) is left


def test_each_job_is_asked_for_by_itself(queue):
    queue.holds("7")
    claims = Claims(None)
    assert claims.on(_stopped("slurm:7")) == "Slurm job 7, which is still in the queue"
    assert claims.on(_stopped("slurm:8")) is None
    assert len(queue.asked) == 2
