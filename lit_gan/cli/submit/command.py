"""The work of a job that runs one command: the command is parsed, and agrees with the machines that are asked for."""

import argparse
import os
import sys

from lit_gan.cli.parsing.first_look import look
from lit_gan.cli.srun import only_asks
from lit_gan.cli.trainer.trainer_verbs import TRAINER_VERBS
from lit_gan.cluster.task_number import TASK_NUMBER, first_task, is_chain, names_the_task, with_number
from lit_gan.cluster.work import Work
from lit_gan.errors import UserError

_OF_ONE_PROCESS = "predict"
_EXAMPLE = "`lit-gan submit --nodes 2 --devices 4 -- fit --config mnist`"


def work_of_command(options: argparse.Namespace, command: list[str]) -> Work:
    """What a job does that runs a command."""
    _check_verb(command)
    if options.array is None and names_the_task(command):
        raise UserError(
            f"{TASK_NUMBER} stands for the number of an array's task: expected --array SPEC (%%a for the text itself)."
        )
    if options.array is not None and os.environ.get("WANDB_RUN_ID"):
        raise UserError("--array with WANDB_RUN_ID set: all tasks would be that one run; unset it.")
    # Every task's command is parsed when it runs; here that of the first one speaks for all.
    verb, *arguments = with_number(command, 0 if options.array is None else first_task(options.array))
    look(verb, arguments)
    from lit_gan.cli.trainer.settings import trainer_settings  # noqa: PLC0415 -- torch, after all that needs none

    settings = trainer_settings(verb, arguments)
    if options.array is not None and not names_the_task(command):
        _check_chain(options.array, settings.run_dir)
    if settings.resume == "never" and not options.local:
        raise UserError(
            "--resume never: after a requeue the job would begin anew; give --run_dir PATH, which is begun once, and "
            "gone on with."
        )
    nodes = _agreed("--nodes", options.nodes, "--trainer.num_nodes", settings.num_nodes)
    devices = _agreed("--devices", options.devices, "--trainer.devices", settings.devices)
    if settings.all_devices and options.devices is None:
        print(
            "lit-gan: --trainer.devices auto: one device on each machine is taken; --devices N asks for more.",
            file=sys.stderr,
        )
    if verb == _OF_ONE_PROCESS and nodes * devices > 1:
        raise UserError(f"{verb} is of one process: expected --nodes 1 and --devices 1.")
    if options.no_gpus and settings.accelerator not in ("auto", "cpu"):
        raise UserError(f"--no-gpus against --trainer.accelerator {settings.accelerator}: leave one of them out.")
    told = [
        *([f"--trainer.num_nodes={nodes}"] if settings.num_nodes is None else []),
        *([f"--trainer.devices={devices}"] if settings.devices is None else []),
    ]
    resumed = settings.resume if settings.resume not in ("auto", "never") else None
    return Work(
        name=settings.name,
        module="lit_gan",
        arguments=(*command, *told),
        nodes=nodes,
        devices=devices,
        gpus=settings.accelerator != "cpu" and not options.no_gpus,
        can_go_on=verb == "fit",
        run_dir=settings.run_dir or resumed,
    )


def _check_verb(command: list[str]) -> None:
    if not command:
        raise UserError(f"there is no command: expected one behind --, as in {_EXAMPLE}, or --sweep FILE.")
    verb = command[0]
    if verb not in TRAINER_VERBS:
        raise UserError(f"{verb}: expected one of {', '.join(TRAINER_VERBS)} behind --, as in {_EXAMPLE}.")
    if only_asks(command):
        raise UserError("the command only asks something: run it here, without `submit`.")


def _check_chain(array: str, run_dir: str | None) -> None:
    """Tasks with one and the same command are right where one goes on with the run of the other."""
    if run_dir is None or not is_chain(array):
        raise UserError(
            f"--array {array}: nothing differs between the tasks; write {TASK_NUMBER} where the task's number belongs, "
            f"as in --seed_everything {TASK_NUMBER}."
        )


def _agreed(option: str, asked: int | None, setting: str, given: int | None) -> int:
    """The number of machines or devices, on which the job and its command agree."""
    if asked is not None and given is not None and asked != given:
        raise UserError(
            f"{option} {asked} against {setting} {given} of the command or its configuration: give one, or equal ones."
        )
    return asked or given or 1
