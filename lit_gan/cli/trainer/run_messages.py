"""What a run says at its end: where everything is, and how it goes on."""

import shutil
import sys

from lit_gan.cli.trainer.ending import Ending
from lit_gan.launch.slurm import requeue, slurm_job
from lit_gan.launch.sweep_trial import is_local_trial
from lit_gan.runs.checkpoint_files import load_checkpoint, newest_checkpoint
from lit_gan.runs.folder import RunFolder
from lit_gan.runs.shown_path import shown


def say_where_everything_is(run: RunFolder, ending: Ending, seconds: float) -> None:
    """Prints what this command has done, and where the newest of everything is.

    Args:
        run: The run folder.
        ending: What it has done.
        seconds: How long it took.
    """
    minutes, rest = divmod(round(seconds), 60)
    own = f"{ending.rounds - ending.before} rounds"
    in_all = f" in this command, {ending.rounds} in all," if ending.before else ""
    newest = max(run.samples.glob("*.png"), default=None)
    metrics = run.metrics if run.metrics.exists() else None
    print(f"lit-gan: finished {own}{in_all} in {minutes}:{rest:02d} min ({ending.reason}):")
    for name, path in (("samples", newest), ("metrics", metrics), ("checkpoint", newest_checkpoint(run.checkpoints))):
        print(f"  {name:<10} {'none' if path is None else shown(path)}")


def say_where_the_profile_is(run: RunFolder, stage: str) -> None:
    """Prints where a profiler left its files, if it wrote any; a table it shows by itself.

    Args:
        run: The run folder.
        stage: What was profiled: ``fit``, ``validate`` or ``test``, with which the files' names begin.
    """
    for path in sorted(run.path.glob(f"{stage}-*")):
        print(f"  {'profile':<10} {shown(path)}")


def say_how_to_go_on(run: RunFolder, ended: str = "stopped", *, anew: bool = False) -> None:
    """Prints what a stopped run will go on from.

    Args:
        run: The run folder.
        ended: How it came to stand.
        anew: Whether the same command begins another run, as `--resume never` has it.
    """
    checkpoint = newest_checkpoint(run.checkpoints)
    start = "from the start" if checkpoint is None else f"after round {load_checkpoint(checkpoint)['global_step']}"
    way = f"--resume {shown(run.path)} in place of --resume never" if anew else "the same command"
    print(f"\nlit-gan: {ended} in {shown(run.path)}; {way} continues it {start}.")


def queue_again() -> None:
    """Tells Slurm to start this job again, and the user that it did; outside Slurm nothing happens.

    The last thing that a process does: Slurm ends the job's present life with it. In a trial of `lit-gan sweep` it is
    the worker's to do, which has the journal to put in order first.
    """
    job = slurm_job()
    if job is None or is_local_trial():
        return
    if shutil.which("scontrol") is None:  # in an image, say, whose job script asks Slurm
        print(f"lit-gan: exit code 75 asks whoever started this to queue job {job} again.", flush=True)
        return
    fault = requeue(job)
    if fault is None:
        print(f"lit-gan: job {job} is queued again.", flush=True)
    else:
        print(f"lit-gan: warning: job {job} is not queued again: {fault}", file=sys.stderr, flush=True)
