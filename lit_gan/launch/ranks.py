"""Who started this process, which rank it is, and what the world outside calls the run.

Everything is read from the environment and before Lightning exists: the run folder is chosen by then.
"""

import hashlib
import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime

from lit_gan.errors import UserError
from lit_gan.launch.slurm import slurm_job

# Rank 0 leaves the folder's path here; Lightning's subprocess launcher hands its environment to the ranks it
# starts.
RUN_DIR_VARIABLE = "LIT_GAN_RUN_DIR"

# What sets a rank apart when the launcher gives no global RANK: Lightning's launcher, several nodes, srun.
_RANK_VARIABLES = ("LOCAL_RANK", "NODE_RANK", "SLURM_PROCID")


def is_rank_zero(environ: Mapping[str, str]) -> bool:
    """Whether this process is the one that chooses the folder and writes into it.

    Example:
        >>> is_rank_zero({}), is_rank_zero({"RANK": "2", "LOCAL_RANK": "0"})
        (True, False)
    """
    if "RANK" in environ:
        return environ["RANK"] == "0"
    return all(environ.get(name, "0") == "0" for name in _RANK_VARIABLES)


def rank_in_job(environ: Mapping[str, str]) -> str:
    """The rank of this process as its launcher counts, for what is said and written of one rank alone.

    Example:
        >>> rank_in_job({}), rank_in_job({"RANK": "2", "LOCAL_RANK": "0"})
        ('0', '2')
    """
    return next((environ[name] for name in ("RANK", "SLURM_PROCID", "LOCAL_RANK") if environ.get(name)), "0")


def path_from_rank_zero(environ: Mapping[str, str]) -> str | None:
    """The folder that rank 0 handed to this process, if rank 0 itself started it.

    Only Lightning's own launcher sets LOCAL_RANK above 0 without RANK. Any other process that carries the
    variable has inherited it from a run it is no part of, and must not write into that one.

    Example:
        >>> path_from_rank_zero({"LIT_GAN_RUN_DIR": "runs/a", "LOCAL_RANK": "1"})
        'runs/a'
        >>> path_from_rank_zero({"LIT_GAN_RUN_DIR": "runs/a"}) is None
        True
    """
    if "RANK" in environ or environ.get("LOCAL_RANK", "0") == "0":
        return None
    return environ.get(RUN_DIR_VARIABLE)


def ranks_start_alone(environ: Mapping[str, str]) -> bool:
    """Whether ranks were started by something that tells them no common name of the run (``torchrun``).

    Example:
        >>> [ranks_start_alone({"RANK": "0", "WORLD_SIZE": size}) for size in "12"]
        [False, True]
    """
    by_torchrun = "TORCHELASTIC_RUN_ID" in environ or "RANK" in environ
    return by_torchrun and int(environ.get("WORLD_SIZE", "1")) > 1


def run_dir_required() -> UserError:
    """What to tell a rank that cannot know which folder the others use."""
    return UserError(
        "--run_dir PATH is required when torchrun or another launcher starts the ranks, since each of them "
        "would choose a folder of its own: give the same PATH to all."
    )


def wandb_id(environ: Mapping[str, str]) -> str | None:
    """The run's name at W&B, where an agent or the user gave one by WANDB_RUN_ID.

    Example:
        >>> wandb_id({"WANDB_RUN_ID": "3fa9x2"})
        '3fa9x2'
    """
    given = environ.get("WANDB_RUN_ID")
    if given and not re.fullmatch(r"[\w-][\w.-]*", given):
        raise UserError(
            f"WANDB_RUN_ID={given!r} cannot name a run folder: expected letters, digits, '-', '_' and '.'; "
            "set another one, or give --run_dir PATH."
        )
    return given or None


def slurm_id(environ: Mapping[str, str]) -> str | None:
    """``slurm-JOB``, or ``slurm-JOB_TASK`` in a job array: the same after a requeue.

    Example:
        >>> slurm_id({"SLURM_JOB_ID": "12", "SLURM_ARRAY_JOB_ID": "10", "SLURM_ARRAY_TASK_ID": "3"})
        'slurm-10_3'
    """
    job = slurm_job(environ)
    return None if job is None else f"slurm-{job}"


def slurm_launch(environ: Mapping[str, str]) -> str | None:
    """The one ``srun`` that started this rank, the same on all its ranks; a requeued job's is another one.

    Example:
        >>> slurm_launch({"SLURM_JOB_ID": "12", "SLURM_STEP_ID": "0"})
        'slurm 12.0 restart 0'
    """
    if "SLURM_JOB_ID" not in environ or "SLURM_STEP_ID" not in environ:
        return None
    restart = environ.get("SLURM_RESTART_COUNT", "0")
    return f"slurm {environ['SLURM_JOB_ID']}.{environ['SLURM_STEP_ID']} restart {restart}"


def fresh_id() -> str:
    """A new name: the time (UTC, so that names sort alike on all machines) and a short hash of random bytes.

    Example:
        >>> len(fresh_id()) == len("20140610-120000-1a2b3c")
        True
    """
    moment = datetime.now(UTC)
    digest = hashlib.blake2b(os.urandom(16), digest_size=3).hexdigest()
    return f"{moment:%Y%m%d-%H%M%S}-{digest}"


def is_fresh_id(name: str) -> bool:
    """Whether a name was made by :func:`fresh_id`, so that no other run has it.

    Example:
        >>> is_fresh_id(fresh_id()), is_fresh_id("seed0")
        (True, False)
    """
    return re.fullmatch(r"\d{8}-\d{6}-[0-9a-f]{6}", name) is not None
