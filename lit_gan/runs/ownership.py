"""Who a run belongs to, and whether that one may still come back for it.

A run that stopped may be waiting for its owner: a preempted Slurm job in the queue, an agent of a sweep that will be
given the same trial again. The same command elsewhere, in a second terminal or in another task of the array, must not
take it meanwhile.
"""

from collections.abc import Mapping

from lit_gan.launch.slurm import job_is_queued, slurm_job
from lit_gan.runs.record import RunRecord


def owner_of(environ: Mapping[str, str]) -> str | None:
    """Who starts or goes on with a run in this environment, as ``run.json`` keeps it.

    ``wandb:ID`` where an agent or the user named the run, else ``slurm:JOB`` or ``slurm:ARRAY_TASK``, else None: a run
    from a terminal belongs to whoever gives its command again.

    Example:
        >>> owner_of({"WANDB_RUN_ID": "3fa9x2", "SLURM_JOB_ID": "12"}), owner_of({"SLURM_JOB_ID": "12"}), owner_of({})
        ('wandb:3fa9x2', 'slurm:12', None)
    """
    if environ.get("WANDB_RUN_ID"):
        return f"wandb:{environ['WANDB_RUN_ID']}"
    job = slurm_job(environ)
    return None if job is None else f"slurm:{job}"


class Claims:
    """Says which runs of others are to be left alone; asks Slurm's queue only where the answer hangs on it.

    Example:
        >>> trial = RunRecord.first({}, owner="wandb:3fa9x2").marked("stopped", "interrupted")
        >>> Claims("wandb:3fa9x2").on(trial) is None
        True
        >>> Claims(None).on(trial)
        'W&B run 3fa9x2, which only its own WANDB_RUN_ID goes on with'
    """

    def __init__(self, mine: str | None) -> None:
        self._mine = mine
        self._squeue_answers = True

    def on(self, record: RunRecord) -> str | None:
        """Who a run that nobody writes is left to, and why, in words; None when this process may go on with it."""
        if record.owner is None or record.owner == self._mine:
            return None
        kind, _, name = record.owner.partition(":")
        if kind == "wandb":
            return f"W&B run {name}, which only its own WANDB_RUN_ID goes on with"
        if self._is_sibling(record.owner):
            return f"Slurm job {name}, another task of this array"
        queued = self._is_queued(name)
        if queued:
            return f"Slurm job {name}, which is still in the queue"
        if queued is None and _may_come_back(record):
            return f"Slurm job {name}, which may come back (squeue cannot be asked)"
        return None

    def _is_sibling(self, owner: str) -> bool:
        if self._mine is None:
            return False
        (array, underscore, _), (mine, _, _) = owner.partition("_"), self._mine.partition("_")
        return bool(underscore) and array == mine

    def _is_queued(self, job: str) -> bool | None:
        if not self._squeue_answers:  # it would only keep the user waiting again
            return None
        queued = job_is_queued(job)
        self._squeue_answers = queued is not None
        return queued


def _may_come_back(record: RunRecord) -> bool:
    """Whether the run ended as those do that Slurm starts again: preempted, or killed before it could say anything."""
    return record.status == "running" or (record.status == "stopped" and record.reason.startswith("preempted"))
