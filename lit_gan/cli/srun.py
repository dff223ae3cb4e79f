"""The command in a Slurm allocation of several tasks: one process stands there alone, and `srun` starts them all."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from types import FrameType

from lit_gan.errors import UserError
from lit_gan.launch.child_process import ends_with_parent
from lit_gan.launch.slurm import allocated_tasks, starts_itself_under_srun
from lit_gan.launch.sweep_trial import sweep_of


def start_again_under_srun(arguments: Sequence[str]) -> int | None:
    """Starts `srun` of the same command where several tasks are allocated and none has been started.

    A job script, or the command of a sweep, is then the same for one process and for many. This process becomes `srun`;
    only in a trial of a sweep it stays, to hand on the signals of its agent in words that `srun` knows. None where this
    process is to do the work itself.
    """
    if only_asks(arguments) or not starts_itself_under_srun(os.environ):
        return None
    tasks = allocated_tasks(os.environ)
    print(f"lit-gan: {tasks} tasks in this Slurm allocation: starting again under srun", file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    if "SLURM_CPUS_PER_TASK" in os.environ:
        # From 22.05 on, srun does not take over what --cpus-per-task gave the job: its tasks would share one CPU.
        os.environ.setdefault("SRUN_CPUS_PER_TASK", os.environ["SLURM_CPUS_PER_TASK"])
    command = srun_command(arguments, os.environ)
    try:
        if sweep_of() is not None:
            return _run_as_trial(command)
        os.execvp(command[0], command)  # noqa: S606 -- no shell: the arguments are passed as they are
    except FileNotFoundError as error:
        raise UserError(
            f"{tasks} tasks are allocated by Slurm, and there is no srun here to start them: start the command itself "
            "by srun, or ask Slurm for one task (--ntasks=1)."
        ) from error


def _run_as_trial(command: list[str]) -> int:
    """Runs `srun`, and tells the ranks what an agent tells this process.

    On SIGTERM `srun` kills all ranks at once, saved or not. SIGUSR1 and SIGUSR2 it hands on: so the stop of an agent
    travels as SIGUSR2, which a run heeds as SIGTERM.
    """
    waiting: list[int] = []
    started: list[subprocess.Popen[bytes]] = []

    def hand_on(number: int, _: FrameType | None) -> None:
        for_srun = signal.SIGUSR1 if number == signal.SIGUSR1 else signal.SIGUSR2
        if started:
            started[0].send_signal(for_srun)
        else:
            waiting.append(for_srun)

    for asked in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(asked, hand_on)
    # In a group of its own: `srun` answers the terminal's Ctrl-C by a question. Should this process be killed, SIGTERM
    # has it take all ranks along.
    child = subprocess.Popen(  # noqa: S603 -- no shell, as above
        command,
        process_group=0,
        preexec_fn=ends_with_parent(signal.SIGTERM),  # noqa: PLW1509 -- there is one thread
    )
    started.append(child)
    for number in waiting:
        child.send_signal(number)
    code = child.wait()
    return code if code >= 0 else 128 - code


def keep_the_exit_code() -> None:
    """From here to the end of the process SIGTERM is ignored, if other ranks of this `srun` are ending as well.

    `srun --kill-on-bad-exit=1` sends it to all ranks as soon as one has left with another code than 0. A rank that is
    leaving, too, would then be reported as killed (143), and hide that the run was preempted (75), say.
    """
    if "SLURM_STEP_ID" in os.environ and allocated_tasks(os.environ) > 1:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


def srun_command(arguments: Sequence[str], environ: Mapping[str, str]) -> list[str]:
    """The `srun` that starts this command once per task, by this very Python.

    Example:
        >>> srun_command(["fit"], {"SLURM_NTASKS": "4", "SLURM_NTASKS_PER_NODE": "2"})
        ['srun', '--kill-on-bad-exit=1', ..., '-m', 'lit_gan', 'fit']
    """
    per_node = _tasks_per_node(environ)
    return ["srun", "--kill-on-bad-exit=1", *per_node, sys.executable, "-m", "lit_gan", *arguments]


def only_asks(arguments: Sequence[str]) -> bool:
    """Whether the command only asks, as in `--help`, `--model.help CLASS` and `--print_config=skip_null`."""
    options = [argument.partition("=")[0] for argument in arguments]
    return any(option in ("-h", "--print_config") or option.endswith(("--help", ".help")) for option in options)


def _tasks_per_node(environ: Mapping[str, str]) -> list[str]:
    """What Lightning wants to be told and Slurm does not say where the job gave only a number of tasks or of nodes."""
    nodes, tasks = int(environ.get("SLURM_NNODES", "1")), allocated_tasks(environ)
    if "SLURM_NTASKS_PER_NODE" in environ or tasks % nodes:
        return []
    return [f"--ntasks-per-node={tasks // nodes}"]
