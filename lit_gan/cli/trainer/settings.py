"""What a command asks of the Trainer, found by parsing it whole; nothing is built or run."""

from dataclasses import dataclass

from lit_gan.cli.parsing.run_arguments import completed_arguments
from lit_gan.cli.quiet import silence_what_users_cannot_mend
from lit_gan.cli.trainer.command import Command
from lit_gan.session.devices import number_of_devices

# Defaults that nobody gives: what is parsed as one of them was not asked for.
_NO_DEVICES = "as the job has them"
_NOT_GIVEN = {"trainer.devices": _NO_DEVICES, "trainer.num_nodes": 0}


@dataclass(frozen=True)
class TrainerSettings:
    """What is asked for in a command and its configurations.

    Args:
        name: The ``<config>`` of ``runs/<config>/<id>``.
        devices: How many devices on each machine; None: that is left to others.
        all_devices: Whether as many as there are were asked for, in so many words.
        num_nodes: How many machines; None: that is left to others.
        accelerator: ``auto``, ``cpu``, ``gpu``, ...
        run_dir: The run folder, where it is named.
        resume: ``auto``, ``never`` or a run folder.
    """

    name: str
    devices: int | None
    all_devices: bool
    num_nodes: int | None
    accelerator: str
    run_dir: str | None
    resume: str


def trainer_settings(verb: str, arguments: list[str]) -> TrainerSettings:
    """Parses a command as it will be parsed when it runs."""
    silence_what_users_cannot_mend()
    with completed_arguments(verb, arguments) as complete:
        command = Command(verb, complete, _NOT_GIVEN)
    trainer = command.options.trainer
    given = trainer.devices != _NO_DEVICES
    devices = number_of_devices(trainer.devices) if given else None
    return TrainerSettings(
        name=command.name,
        devices=devices,
        all_devices=given and devices is None,
        num_nodes=trainer.num_nodes or None,
        accelerator=str(trainer.accelerator),
        run_dir=command.options.get("run_dir"),
        resume=command.options.get("resume") or "auto",
    )
