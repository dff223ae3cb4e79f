"""How many devices a command asks for, before there is a Trainer to tell."""

from collections.abc import Mapping
from typing import Any

import torch

from lit_gan.errors import UserError
from lit_gan.launch.slurm import allocated_tasks
from lit_gan.strategies.ddp_gan import NAME


def allocated_devices(trainer: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, int]:
    """What ``--trainer.devices auto`` (or -1) means within a Slurm step of several tasks: one device for each task.

    So that one command, that of a sweep say, serves one device, all of a machine, and several nodes.

    Example:
        >>> step = {"SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0", "SLURM_NNODES": "2", "SLURM_NTASKS": "8"}
        >>> allocated_devices({"devices": "auto"}, step), allocated_devices({"devices": 4}, step)
        ({'devices': 4, 'num_nodes': 2}, {})
    """
    asked = str(trainer.get("devices")) in ("auto", "-1")
    tasks, nodes = allocated_tasks(environ), int(environ.get("SLURM_NNODES", "1"))
    if not asked or "SLURM_STEP_ID" not in environ or tasks == 1 or tasks % nodes:
        return {}
    return {"devices": tasks // nodes, "num_nodes": nodes}


def chosen_strategy(trainer: Mapping[str, Any]) -> Any:
    """The strategy that a run trains with: ``ddp_gan`` on several devices, unless another one was asked for.

    Example:
        >>> chosen_strategy({"strategy": "auto", "devices": 2}), chosen_strategy({"strategy": "auto", "devices": 1})
        ('ddp_gan', 'auto')
    """
    given = trainer.get("strategy", "auto")
    return NAME if given == "auto" and _several(trainer) else given


def number_of_devices(devices: Any) -> int | None:
    """How many devices on each machine ``--trainer.devices`` means, in any of Lightning's forms.

    Example:
        >>> number_of_devices("0,1"), number_of_devices("3,"), number_of_devices(4), number_of_devices("auto")
        (2, 1, 4, None)
    """
    if isinstance(devices, str):
        if "," in devices:
            return len([part for part in devices.split(",") if part.strip()])
        devices = int(devices) if devices.strip().lstrip("-").isdigit() else devices
    if isinstance(devices, list):
        return len(devices)
    if devices in ("auto", -1, None):
        return None
    if isinstance(devices, int) and devices > 0:
        return devices
    raise UserError(f"--trainer.devices {devices}: expected at least 1, or auto.")


def _several(trainer: Mapping[str, Any]) -> bool:
    if (trainer.get("num_nodes") or 1) > 1:
        return True
    number = number_of_devices(trainer.get("devices", 1))
    if number is None:  # all that there are
        on_gpus = trainer.get("accelerator", "auto") in ("auto", "gpu", "cuda")
        number = torch.cuda.device_count() if on_gpus else 1
    return number > 1
