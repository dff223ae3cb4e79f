import pytest

from lit_gan.errors import UserError
from lit_gan.launch import ranks


@pytest.mark.parametrize(
    ("environ", "first"),
    [
        ({}, True),
        ({"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "2"}, True),
        ({"RANK": "2", "LOCAL_RANK": "0", "WORLD_SIZE": "4"}, False),
        ({"LOCAL_RANK": "1"}, False),
        ({"NODE_RANK": "1"}, False),
        ({"SLURM_PROCID": "0"}, True),
        ({"SLURM_PROCID": "3"}, False),
        # torchrun numbers its ranks as it likes: its word counts, not the number of the srun task below it.
        ({"RANK": "0", "SLURM_PROCID": "1"}, True),
    ],
)
def test_one_rank_chooses_the_folder(environ, first):
    assert ranks.is_rank_zero(environ) is first


@pytest.mark.parametrize(
    ("environ", "path"),
    [
        ({"LIT_GAN_RUN_DIR": "a", "LOCAL_RANK": "1"}, "a"),
        ({"LIT_GAN_RUN_DIR": "a"}, None),
        ({"LIT_GAN_RUN_DIR": "a", "LOCAL_RANK": "0"}, None),
        ({"LIT_GAN_RUN_DIR": "a", "LOCAL_RANK": "1", "RANK": "1"}, None),
        ({"LOCAL_RANK": "1"}, None),
    ],
)
def test_only_ranks_that_rank_zero_started_take_over_its_folder(environ, path):
    assert ranks.path_from_rank_zero(environ) == path


@pytest.mark.parametrize(
    ("environ", "alone"),
    [
        ({"TORCHELASTIC_RUN_ID": "none", "RANK": "0", "WORLD_SIZE": "2"}, True),
        ({"RANK": "1", "WORLD_SIZE": "2"}, True),
        ({"TORCHELASTIC_RUN_ID": "none", "RANK": "0", "WORLD_SIZE": "1"}, False),
        ({"LOCAL_RANK": "0", "NODE_RANK": "0", "WORLD_SIZE": "2"}, False),  # what Lightning's launcher sets
        ({}, False),
    ],
)
def test_torchrun_is_told_from_lightnings_own_launcher(environ, alone):
    assert ranks.ranks_start_alone(environ) is alone


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({}, None),
        ({"SLURM_JOB_ID": "7"}, "slurm-7"),
        ({"SLURM_JOB_ID": "9", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "2"}, "slurm-7_2"),
    ],
)
def test_a_slurm_job_names_the_run(environ, name):
    assert ranks.slurm_id(environ) == name


def test_a_launch_is_one_srun_of_one_life_of_a_job():
    step = {"SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0"}
    requeued = {**step, "SLURM_RESTART_COUNT": "1"}
    assert ranks.slurm_launch(step) != ranks.slurm_launch(requeued)
    assert ranks.slurm_launch({"SLURM_JOB_ID": "7"}) is None


@pytest.mark.parametrize("given", ["../x", "a/b", ".", "..", "a b"])
def test_a_wandb_id_that_names_no_folder_is_refused(given):
    with pytest.raises(UserError, match=r"^WANDB_RUN_ID=.* cannot name a run folder: .* give --run_dir PATH"):
        ranks.wandb_id({"WANDB_RUN_ID": given})


def test_an_empty_wandb_id_is_none():
    assert ranks.wandb_id({"WANDB_RUN_ID": ""}) is None


def test_fresh_ids_differ_within_one_second():
    assert len({ranks.fresh_id() for _ in range(100)}) == 100
