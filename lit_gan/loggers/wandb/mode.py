"""Whether Weights & Biases is used, and how."""

import os
from collections.abc import Mapping
from typing import Literal

from lit_gan.errors import UserError

WandbMode = Literal["online", "offline", "off"]

# What WANDB_MODE may say, in W&B's words (dryrun and run are its old ones), and what it means here.
_MODES: dict[str, WandbMode] = {
    "online": "online",
    "run": "online",
    "shared": "online",
    "offline": "offline",
    "dryrun": "offline",
    "disabled": "off",
}


def wandb_mode(
    flag: WandbMode | None, environ: Mapping[str, str] | None = None, *, usual: WandbMode = "offline"
) -> WandbMode:
    """How W&B is used: as ``--wandb`` says, else as WANDB_MODE says, else online inside a W&B agent, else offline.

    Args:
        flag: What ``--wandb`` says, or ``None``.
        environ: The environment variables; those of the process if ``None``.
        usual: How, where nothing says.

    Returns:
        ``"online"``, ``"offline"`` (files in the run folder, to be synced later) or ``"off"``.

    Raises:
        UserError: If WANDB_MODE has a value that W&B does not know.

    Example:
        >>> wandb_mode(None, {}), wandb_mode(None, {"WANDB_SWEEP_ID": "a"}), wandb_mode("off", {"WANDB_MODE": "online"})
        ('offline', 'online', 'off')
    """
    environ = os.environ if environ is None else environ
    said = environ.get("WANDB_MODE")
    if flag is not None:
        return flag
    if said:
        if said not in _MODES:
            raise UserError(f"WANDB_MODE={said!r}: expected one of {', '.join(_MODES)}, or --wandb online|offline|off.")
        return _MODES[said]
    return "online" if environ.get("WANDB_SWEEP_ID") else usual
