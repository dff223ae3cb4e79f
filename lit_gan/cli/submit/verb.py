"""`lit-gan submit`: a job for a Slurm cluster, or the same job on this machine."""

import argparse
import os
import re
import shlex
import sys
from pathlib import Path
from typing import get_args

from lit_gan.cli.submit.command import work_of_command
from lit_gan.cli.submit.options import GPU_OPTIONS, check_job_name, parsed, sbatch_options
from lit_gan.cli.submit.sweep import work_of_sweep
from lit_gan.cluster.job import Job
from lit_gan.cluster.quoting import shell_words
from lit_gan.cluster.sbatch import submit
from lit_gan.cluster.task_number import with_number
from lit_gan.cluster.work import Work
from lit_gan.errors import DONE, RunStopped, StopReason, UserError
from lit_gan.launch.ranks import fresh_id
from lit_gan.runs.record import read_record


def main(verb: str, arguments: list[str]) -> int:
    """Checks a job, and queues, shows or runs it."""
    options, command = parsed(verb, arguments)
    work = work_of_command(options, command) if options.sweep is None else work_of_sweep(options, command)
    if options.local:
        return _run_here(options, work)
    job = _job(options, work, submitted_by=shlex.join(["lit-gan", verb, *arguments]))
    from lit_gan.cluster.template import chosen_template, rendered  # noqa: PLC0415 -- for a right command only

    script = rendered(job, chosen_template(options.template))
    if options.print:
        print(script, end="")
        return DONE
    _make_folder_of_logs(Path(options.logs))
    _tell(job, submit(script), in_array=options.array is not None)
    return DONE


def _job(options: argparse.Namespace, work: Work, submitted_by: str) -> Job:
    name = options.job_name or re.sub(r"[^\w.:+-]+", "-", work.name)
    check_job_name(name)
    passed = sbatch_options(options)
    in_container = ["lit-gan", *work.arguments]
    return Job(
        name=name,
        nodes=work.nodes,
        devices=work.devices,
        gpus=work.devices if work.gpus else 0,
        asks_for_gpus=work.gpus and not any(option in passed for option in GPU_OPTIONS),
        log=str(Path(options.logs, f"{name}-{'%j' if options.array is None else '%A_%a'}.out")),
        command=shell_words(work.words() if options.container is None else in_container),
        environment=str(Path(sys.executable).parent),
        submitted_by=submitted_by,
        signal_seconds=options.signal_seconds if work.can_go_on else None,
        options=passed,
        sweep=work.sweep,
        container=None if options.container is None else shlex.quote(options.container),
    )


def _make_folder_of_logs(logs: Path) -> None:
    """Slurm makes no folders: a job without one for its output ends at once, and cannot say why."""
    try:
        logs.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--logs {logs}: cannot be made ({error.strerror}).") from error


def _tell(job: Job, number: str, *, in_array: bool) -> None:
    """The number alone on the standard output, for scripts; what a person wants to know beside it."""
    print(number, flush=True)
    before, _, after = job.log.rpartition("%A_%a" if in_array else "%j")
    log = f"{shlex.quote(f'{before}{number}_')}*{after}" if in_array else shlex.quote(f"{before}{number}{after}")
    machines = f"{job.nodes} x {job.devices} {'GPUs' if job.gpus else 'processes'}"
    print(f"lit-gan: job {number} ({job.name}, {machines}) is queued", file=sys.stderr)
    for what, command in (
        ("follow", f"tail -F {log}"),
        ("state", f"squeue -j {number}"),
        ("cancel", f"scancel {number}"),
    ):
        print(f"  {what:<7} {command}", file=sys.stderr)


def _run_here(options: argparse.Namespace, work: Work) -> int:
    """The job on this machine; options that are the cluster's alone (time, partition, ...) say nothing here."""
    for option in ("array", "container"):
        if getattr(options, option) is not None:
            raise UserError(f"--{option} with --local: this machine runs the command once, and itself; leave it out.")
    if work.nodes > 1:
        raise UserError(f"--nodes {work.nodes} with --local: this is one machine.")
    arguments = with_number(work.arguments, 0)  # of %%a alone: there is no array
    _set_threads(options.cpus_per_task, work.devices)
    if work.devices == 1 or work.sweep is not None:
        sys.stdout.flush()
        sys.stderr.flush()
        os.execv(sys.executable, [sys.executable, "-m", work.module, *arguments])  # noqa: S606 -- no shell
    return _run_ranks(work, arguments)


def _set_threads(cpus_per_task: int | None, processes: int) -> None:
    """As many as on the cluster, or else a fair share of the CPUs: torchrun would have one."""
    if cpus_per_task is not None:
        os.environ["OMP_NUM_THREADS"] = str(cpus_per_task)
    elif processes > 1:
        os.environ.setdefault("OMP_NUM_THREADS", str(max(len(os.sched_getaffinity(0)) // processes, 1)))


def _run_ranks(work: Work, arguments: list[str]) -> int:
    from lit_gan.cluster.torchrun import run_ranks  # noqa: PLC0415 -- torch, where it is needed

    run_dir = work.run_dir
    if run_dir is None and arguments[0] == "fit":
        # No rank under torchrun can know what another one would choose.
        run_dir = str(Path("runs", work.name, fresh_id()))
        arguments = [*arguments, f"--run_dir={run_dir}"]
        print(f"lit-gan: the run folder is {run_dir}; with --run_dir {run_dir} the run goes on", file=sys.stderr)
    return run_ranks(arguments, work.devices, stopped=lambda: None if run_dir is None else _ending_of(Path(run_dir)))


def _ending_of(run: Path) -> int | None:
    """The exit code of a run that saved itself and stopped."""
    record = read_record(run / "run.json")
    if record is None or record.status != "stopped":
        return None
    return next((RunStopped(reason).exit_code for reason in get_args(StopReason) if reason == record.reason), None)
