"""What there is to know of a job before its script is written."""

from dataclasses import dataclass, field
from typing import Literal

#: Where a sweep is: on W&B's server, or in a file.
SweepKind = Literal["wandb", "file"]


@dataclass(frozen=True)
class Job:
    """A job as a template sees it, by the name ``job``.

    Args:
        name: Its name in the queue.
        nodes: How many machines.
        devices: Devices on each, and so processes on each.
        gpus: GPUs that are used on each machine.
        asks_for_gpus: Whether the script has to ask for them; not where one of its further options does.
        log: The file that everything printed goes to, with Slurm's signs for the job's number.
        command: What runs, as one line of shell.
        environment: The folder of the programs that belong to the Python that submits.
        submitted_by: The command that wrote the script, for its first comment.
        signal_seconds: How long before the end of its time the job is told; None: it is not, and begins anew.
        options: Further options of ``sbatch``, by their long names, in order; the value None: an option without one.
        sweep: ``wandb`` or ``file`` where the command starts the trials of a sweep, else None.
        container: The image that the command runs in, quoted for the shell; None: it runs on the machine itself.

    Example:
        >>> what = {"command": "lit-gan fit --config mnist", "submitted_by": "lit-gan submit -- fit --config mnist"}
        >>> where = {"nodes": 2, "devices": 4, "gpus": 4, "asks_for_gpus": True, "environment": "/opt/gan/bin"}
        >>> job = Job("mnist", log="mnist-%j.log", **where, **what)
        >>> job.nodes * job.devices  # processes
        8
    """

    name: str
    nodes: int
    devices: int
    gpus: int
    asks_for_gpus: bool
    log: str
    command: str
    environment: str
    submitted_by: str
    signal_seconds: int | None = 90
    options: dict[str, str | None] = field(default_factory=dict)
    sweep: SweepKind | None = None
    container: str | None = None
