"""Weights & Biases: whether, and how, a run is tracked there."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from lightning.pytorch.loggers import WandbLogger

from lit_gan.errors import RunStopped, UserError

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


def wandb_mode(flag: WandbMode | None, environ: Mapping[str, str] | None = None) -> WandbMode:
    """How W&B is used: as ``--wandb`` says, else as WANDB_MODE says, else online inside a W&B agent, else offline.

    Args:
        flag: What ``--wandb`` says, or ``None``.
        environ: The environment variables; those of the process if ``None``.

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
    return "online" if environ.get("WANDB_SWEEP_ID") else "offline"


@contextmanager
def finished_wandb() -> Iterator[None]:
    """At the end of this context the W&B run that was started within it, if any, is over, as failed after an error."""
    failed = True
    try:
        yield
        failed = False
    except RunStopped:
        failed = False
        raise
    finally:
        wandb = sys.modules.get("wandb")
        if wandb is not None and wandb.run is not None:
            wandb.finish(exit_code=int(failed))


def wandb_logger(
    folder: Path, mode: WandbMode, config: Mapping[str, Any], on_stop: Callable[[], None] | None = None
) -> WandbLogger | None:
    """The logger of a run, or ``None`` where W&B is off.

    Args:
        folder: The run folder; W&B's files go to ``wandb/`` in it, and its name is the id of the W&B run, so that a
            run that is started again continues the same W&B run.
        mode: See :func:`wandb_mode`.
        config: The resolved configuration, stored under the one key ``cli``: the names of a sweep's parameters stay
            free.
        on_stop: Called, in a thread of W&B's, when the run is to be stopped from its page; W&B interrupts the process
            if ``None``.

    Returns:
        The logger; nothing is started before the first thing is logged.
    """
    if mode == "off":
        return None
    import wandb  # two seconds of imports that a run without W&B need not pay  # noqa: PLC0415

    logger = WandbLogger(
        save_dir=str(folder),
        project=os.environ.get("WANDB_PROJECT", "lit-gan"),
        id=os.environ.get("WANDB_RUN_ID", folder.name),
        resume="allow",
        offline=mode == "offline",
        config={"cli": dict(config)},
        # The terminal belongs to the progress bar; the run folder holds what W&B would repeat there.
        settings=wandb.Settings(silent=True, console="off", show_warnings=False, stop_fn=on_stop),
    )
    # Lightning 2.6 always passes it, and W&B warns of it in every run.
    logger._wandb_init.pop("anonymous", None)  # noqa: SLF001
    return logger
