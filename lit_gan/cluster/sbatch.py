"""Handing a script to Slurm."""

import os
import subprocess
import sys
from collections.abc import Mapping

from lit_gan.errors import UserError

# What is a setting of the user's for all of Slurm's commands, and not of the job that this process may run in.
_NOT_OF_A_JOB = ("SLURM_CONF", "SLURM_CLUSTERS", "SLURM_JWT", "SLURM_TIME_FORMAT")


def submit(script: str, environ: Mapping[str, str] | None = None) -> str:
    """Queues a script.

    Args:
        script: The script, options in it.
        environ: The environment that the job begins with; None means ``os.environ``.

    Returns:
        The number of the job.

    Raises:
        UserError: If there is no ``sbatch``, it refuses the job, or it does not say which number that has.
    """
    try:
        answer = subprocess.run(
            ["sbatch", "--parsable"],  # noqa: S607 -- the site's, by its PATH
            input=script,
            env=environment_of_a_job(os.environ if environ is None else environ),
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise UserError(
            f"sbatch cannot be run ({error.strerror}): expected a login node of a Slurm cluster; --print shows the "
            "script, and --local runs the job on this machine."
        ) from error
    if answer.returncode != 0:
        raise UserError(f"sbatch refuses the job: {_in_one_line(answer.stderr) or f'exit code {answer.returncode}'}")
    number = answer.stdout.strip().rpartition("\n")[2].partition(";")[0]
    if not number.isdecimal():
        said = _in_one_line(answer.stdout + answer.stderr) or "nothing"
        raise UserError(f"sbatch names no job: expected its number, got {said}; squeue --me shows what is queued.")
    sys.stderr.write(answer.stderr)  # what a site tells about a job that it takes
    return number


def environment_of_a_job(environ: Mapping[str, str]) -> dict[str, str]:
    """What a job inherits: nothing of the job that it is submitted from, whose step it would think itself in.

    Args:
        environ: The environment of the process that submits.

    Example:
        >>> environment_of_a_job({"SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0", "HOME": "/home/me"})
        {'HOME': '/home/me'}
    """
    if "SLURM_JOB_ID" not in environ:
        return dict(environ)
    return {
        name: value
        for name, value in environ.items()
        if name in _NOT_OF_A_JOB or not name.startswith(("SLURM_", "SRUN_", "PMI"))
    }


def _in_one_line(text: str) -> str:
    """What sbatch says, without its name before every line."""
    return "; ".join(line.removeprefix("sbatch: error: ").strip() for line in text.splitlines() if line.strip())
