"""What Slurm says of this process and of its jobs, and what it is asked to do with them.

Nothing here needs Lightning or torch: all of it is asked before they are imported, or in the last moments of a run.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping

from lit_gan.launch.sweep_trial import is_local_trial

# squeue tries an absent controller for 18 s; a busy one answers within two.
_ANSWER_SECONDS = 5.0
# A requeue that is not confirmed is a job lost: as long as most clusters let a job live on after its last signal.
_REQUEUE_SECONDS = 30.0

#: Names of jobs that Lightning reads as "somebody sits here and starts things by hand".
INTERACTIVE_NAMES = ("bash", "interactive")


def slurm_job(environ: Mapping[str, str] | None = None) -> str | None:
    """This process's ``JOB``, or ``ARRAY_TASK``, as ``scontrol`` takes it, also after a requeue; None outside Slurm.

    Example:
        >>> slurm_job({"SLURM_JOB_ID": "12"})
        '12'
        >>> slurm_job({"SLURM_JOB_ID": "12", "SLURM_ARRAY_JOB_ID": "10", "SLURM_ARRAY_TASK_ID": "3"})
        '10_3'
    """
    environ = os.environ if environ is None else environ
    if "SLURM_ARRAY_JOB_ID" in environ and "SLURM_ARRAY_TASK_ID" in environ:
        return f"{environ['SLURM_ARRAY_JOB_ID']}_{environ['SLURM_ARRAY_TASK_ID']}"
    return environ.get("SLURM_JOB_ID")


def allocated_tasks(environ: Mapping[str, str]) -> int:
    """How many processes ``srun`` would start in this allocation; 1 outside one.

    SLURM_TASKS_PER_NODE is not asked: where nobody gave a number of tasks it counts the CPUs.

    Example:
        >>> allocated_tasks({"SLURM_JOB_ID": "7", "SLURM_NNODES": "2", "SLURM_NTASKS_PER_NODE": "4"})
        8
    """
    if "SLURM_JOB_ID" not in environ:
        return 1
    if "SLURM_NTASKS" in environ:
        return int(environ["SLURM_NTASKS"])
    return int(environ.get("SLURM_NNODES", "1")) * int(environ.get("SLURM_NTASKS_PER_NODE", "1"))


def starts_itself_under_srun(environ: Mapping[str, str]) -> bool:
    """Whether this process stands alone in an allocation of several tasks, where ``srun`` should have started it.

    Not within a step of ``srun``, nor under torchrun, nor in a job named ``bash`` or ``interactive``, in which
    Lightning leaves Slurm aside as well.

    Example:
        >>> batch = {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "2"}
        >>> starts_itself_under_srun(batch), starts_itself_under_srun({**batch, "SLURM_STEP_ID": "0"})
        (True, False)
    """
    placed = any(name in environ for name in ("SLURM_STEP_ID", "RANK", "TORCHELASTIC_RUN_ID"))
    by_hand = environ.get("SLURM_JOB_NAME") in INTERACTIVE_NAMES
    return allocated_tasks(environ) > 1 and not placed and not by_hand


def job_is_queued(job: str) -> bool | None:
    """Whether Slurm knows a job as waiting, running or between the two; None where ``squeue`` is silent."""
    # SQUEUE_STATES, SQUEUE_USERS and their like would hide jobs.
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SQUEUE_")}
    answer = _ask(["squeue", "-h", "-o", "%T", "-j", job], _ANSWER_SECONDS, environ)
    if isinstance(answer, str):
        return None
    if answer.returncode == 0:
        return bool(answer.stdout.strip())
    # A job that ended some minutes ago is forgotten altogether.
    return False if "Invalid job id" in answer.stderr else None


def requeue(job: str) -> str | None:
    """Puts a job back into the queue, which ends its present life; what ``scontrol`` said if it did not, in a line."""
    answer = _ask(["scontrol", "requeue", job], _REQUEUE_SECONDS)
    if isinstance(answer, str):
        return answer
    if answer.returncode == 0:
        return None
    return " ".join(answer.stderr.split()) or f"scontrol requeue {job} ended with {answer.returncode}"


def queue_again() -> None:
    """Tells Slurm to start this job again, and the user that it did; outside Slurm nothing happens.

    The last thing that a process does: Slurm ends the job's present life with it. In a trial of `lit-gan sweep` it is
    the worker's to do, which has the journal to put in order first.
    """
    job = slurm_job()
    if job is None or is_local_trial():
        return
    stream = sys.stdout
    if shutil.which("scontrol") is None:  # in an image, say, whose job script asks Slurm
        line = f"exit code 75 asks whoever started this to queue job {job} again."
    elif (fault := requeue(job)) is None:
        line = f"job {job} is queued again."
    else:
        stream, line = sys.stderr, f"warning: job {job} is not queued again: {fault}"
    stream.write(f"lit-gan: {line}\n")
    stream.flush()


def _ask(
    command: list[str], seconds: float, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str] | str:
    """What a command of Slurm's answered, or in words why it did not."""
    try:
        return subprocess.run(  # noqa: S603 -- fixed commands; the job's name comes from Slurm itself
            command,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except OSError as error:
        return f"{command[0]} cannot be run ({error.strerror})"
    except subprocess.TimeoutExpired:
        return f"{' '.join(command[:2])} gave no answer within {seconds:.0f} s"
