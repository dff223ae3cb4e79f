"""The options of `lit-gan submit`, each checked by itself."""

import argparse
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from lit_gan.cli.parsing.plain_parser import PlainParser
from lit_gan.cluster.task_number import first_task
from lit_gan.cluster.time_limit import seconds_of
from lit_gan.errors import UserError
from lit_gan.launch.slurm import INTERACTIVE_NAMES

_SEPARATOR = "--"
_LATEST_SIGNAL = 65535  # Slurm's own bound
_EARLY_SECONDS = 60  # by so much Slurm may send it too early
#: What `sbatch` is given as it was given here.
PASSED_ON = ("array", "time", "partition", "account", "qos", "constraint", "cpus-per-task", "mem")
_SET_BY = {
    **{name: f"--{name}" for name in (*PASSED_ON, "nodes", "job-name")},
    **dict.fromkeys(("ntasks", "ntasks-per-node"), "--nodes and --devices"),
    **dict.fromkeys(("output", "error"), "--logs"),
    "signal": "--signal-seconds",
    **dict.fromkeys(("requeue", "no-requeue", "open-mode"), "a template of your own (--template)"),
}
# What changes how sbatch answers, or where the job runs, and what to do for it.
_INSTEAD = {
    "test-only": "nothing would be queued; --print shows the script, for `sbatch --test-only` to judge.",
    "wait": "this command ends when the job is queued; --print shows the script, for `sbatch --wait` to run.",
    "chdir": "a job runs in the folder that it is submitted from, as its paths are meant; change to that one first.",
    "parsable": "leave it out; the number of the job is alone on the first line as it is.",
    "quiet": "leave it out; what is told beside the number of the job is on the standard error.",
}
#: With any of these the site says itself which GPUs it wants.
GPU_OPTIONS = ("gres", "gpus", "gpus-per-node", "gpus-per-task", "gpus-per-socket")
_SBATCH_OPTION = re.compile(r"(?:--)?([a-z][a-z0-9-]+)(?:=(.+))?")
_JOB_NAME = re.compile(r"[\w.:+-]+")


def parsed(verb: str, arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Parses the command line."""
    end = arguments.index(_SEPARATOR) if _SEPARATOR in arguments else len(arguments)
    parser = _parser(verb)
    options, unknown = parser.parse_known_args(arguments[:end])
    command = list(arguments[end + 1 :])
    if unknown and not unknown[0].startswith("-") and end == len(arguments):
        raise UserError(f"{unknown[0]}: expected -- before the command, as in `lit-gan submit -- fit --config mnist`.")
    if unknown:
        parser.refuse(shlex.join(unknown))
    _check(options)
    return options, command


def sbatch_options(options: argparse.Namespace) -> dict[str, str | None]:
    """The options for `sbatch` that were given, by their long names."""
    given = {name: getattr(options, name.replace("-", "_")) for name in PASSED_ON}
    passed = {name: str(value) for name, value in given.items() if value is not None}
    return {**passed, **dict(_sbatch_option(text) for text in options.sbatch)}


def _sbatch_option(text: str) -> tuple[str, str | None]:
    found = _SBATCH_OPTION.fullmatch(text)
    if found is None:
        raise UserError(f"--sbatch {text}: expected a long option of sbatch, as in --sbatch reservation=NAME.")
    if found[1] in _SET_BY:
        raise UserError(f"--sbatch {text}: use {_SET_BY[found[1]]} for it.")
    if found[1] in _INSTEAD:
        raise UserError(f"--sbatch {text}: {_INSTEAD[found[1]]}")
    return found[1], found[2]


def _check(options: argparse.Namespace) -> None:
    for name in ("nodes", "devices", "cpus_per_task", "count"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise UserError(f"--{name.replace('_', '-')} {value}: expected at least 1.")
    for name in ("count", "storage"):
        if getattr(options, name) is not None and options.sweep is None:
            raise UserError(f"--{name} {getattr(options, name)}: that is for the trials of a sweep; give --sweep FILE.")
    if not 1 <= options.signal_seconds <= _LATEST_SIGNAL:
        raise UserError(f"--signal-seconds {options.signal_seconds}: expected 1 to {_LATEST_SIGNAL}.")
    if options.array is not None:
        first_task(options.array)
    if options.time is not None:
        _check_time(options.time, options.signal_seconds)
    if options.job_name is not None:
        check_job_name(options.job_name)
    _check_texts(options)


def _check_time(limit: str, signal_seconds: int) -> None:
    seconds = seconds_of(limit)
    if seconds is not None and seconds <= signal_seconds + _EARLY_SECONDS:
        raise UserError(
            f"--time {limit}: {seconds} s, and the job is told to stop {signal_seconds} s before the end "
            f"(--signal-seconds), by Slurm's custom up to {_EARLY_SECONDS} s earlier: give more time, or fewer seconds."
        )


def _check_texts(options: argparse.Namespace) -> None:
    if "%" in options.logs:
        raise UserError(f"--logs {options.logs}: expected a folder: %j and its like belong to the files in it.")
    own = {name: getattr(options, name) for name in ("logs", "container", "template", "sweep", "storage")}
    for name, value in {**own, **sbatch_options(options)}.items():
        if value is not None and not (value.strip() and value.isprintable()):
            raise UserError(f"--{name} {value!r}: expected a text of one line.")
    if options.container is not None and "://" not in options.container and not Path(options.container).exists():
        raise UserError(f"--container {options.container}: no such file; expected an image, or docker://NAME:TAG.")


def check_job_name(name: str) -> None:
    """Refuses a name that a job must not have."""
    if not _JOB_NAME.fullmatch(name):
        raise UserError(f"--job-name {name}: expected letters, digits and '.', '_', '-', '+', ':'.")
    if name in INTERACTIVE_NAMES:
        raise UserError(f"--job-name {name}: Lightning takes a job of that name for a terminal; choose another.")


def _parser(verb: str) -> PlainParser:
    parser = PlainParser(
        prog=f"lit-gan {verb}",
        usage=f"lit-gan {verb} [options] -- fit --config NAME ...\n       lit-gan {verb} [options] --sweep FILE|ID",
        description="Queues a job on a Slurm cluster: its number is the first line of the output.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--nodes", type=int, help="machines (default: those of the command, else 1)")
    add("--devices", type=int, help="devices on each, one process each (default: those of the command, else 1)")
    add("--no-gpus", action="store_true", help="ask for no GPUs (default: unless --trainer.accelerator is cpu)")
    add("--time", help="time limit, as in 4:00:00 or 2-12 (DAYS-HOURS)")
    for name in ("partition", "account", "qos", "constraint", "mem"):
        add(f"--{name}", help="as sbatch has it")
    add("--cpus-per-task", type=int, help="CPUs of each process, and its threads")
    add("--array", metavar="SPEC", help="several tasks, as in 0-4: each finds its number for %%a in the command")
    add("--sweep", metavar="FILE|ID", help="trials of a sweep file, or of a sweep at W&B (ENTITY/PROJECT/ID)")
    add("--count", type=int, metavar="TOTAL", help="how many trials of a sweep file there will be in all")
    add("--storage", metavar="FILE", help="the journal of a sweep file (default: runs/NAME.journal)")
    add("--container", metavar="IMAGE", help="run in this image: a file, or docker://NAME:TAG")
    add("--job-name", metavar="NAME", help="its name in the queue (default: the configuration)")
    add("--logs", metavar="DIR", default="runs/slurm", help="where its output goes (default: runs/slurm)")
    add("--signal-seconds", type=int, default=90, metavar="N", help="told so long before the end (default: 90)")
    add(
        "--sbatch", action="append", default=[], metavar="OPTION[=VALUE]", help="any other option of sbatch; repeatable"
    )
    add("--template", metavar="FILE", help="the site's own template (default: $LIT_GAN_SBATCH_TEMPLATE, or ours)")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--print", action="store_true", help="show the script, and submit nothing")
    instead.add_argument("--local", action="store_true", help="run the job on this machine, now, without Slurm")
    return parser
