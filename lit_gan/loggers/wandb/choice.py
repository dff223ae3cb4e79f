"""Weights & Biases for a command: which of its loggers track there, and that their runs begin and end with ours."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger, WandbLogger

from lit_gan.errors import PREEMPTED, RunStopped, UserError
from lit_gan.launch.ranks import is_rank_zero
from lit_gan.loggers.csv import CSVMetrics
from lit_gan.loggers.wandb.identity import run_id, run_name
from lit_gan.loggers.wandb.mode import WandbMode, wandb_mode
from lit_gan.loggers.wandb.run import RunAtWandb
from lit_gan.loggers.wandb.session import session_settings


def wandb_logger(
    folder: Path,
    mode: WandbMode,
    config: Mapping[str, Any],
    on_stop: Callable[[], None] | None = None,
    *,
    given: WandbLogger | None = None,
    csv: CSVMetrics | None = None,
    checkpoints: bool = False,
) -> RunAtWandb | None:
    """The logger of a run, or ``None`` where W&B is off.

    Args:
        folder: The run folder; W&B's files go to ``wandb/`` in it. It keeps the id of the W&B run, so that a run that
            is started again continues the same W&B run, and its name is what the run is called there.
        mode: See :func:`wandb_mode`.
        config: The resolved configuration, stored under the one key ``cli``: the names of a sweep's parameters stay
            free.
        on_stop: Called, in a thread of W&B's, when the run is to be stopped from its page; W&B interrupts the process
            if ``None``.
        given: The user's own logger, whose settings count where they say something: it is one run, not two.
        csv: The logger that keeps the numbers in the folder; offline what it has waits there for the end.
        checkpoints: Whether the last and the best checkpoint become versions of an artifact at the end.

    Returns:
        The logger; nothing is started before the first thing is logged, offline not before the end.

    Raises:
        UserError: If ``given`` is to upload checkpoints, and the run is tracked offline.
    """
    if mode == "off":
        return None
    session_settings()  # what the environment says of them is the user's to mend now
    init: dict[str, Any] = {
        "project": os.environ.get("WANDB_PROJECT", "lit-gan"),
        "id": os.environ.get("WANDB_RUN_ID") or run_id(folder),
        "name": run_name(folder),
        "resume": "allow",
        "dir": str(folder),
    }
    lightnings: dict[str, Any] = {}
    if given is not None:
        said, lightnings = _logger_settings(given)
        init |= said
        if mode == "offline" and lightnings["log_model"]:
            raise UserError(
                f"WandbLogger's log_model: {str(lightnings['log_model']).lower()} uploads while the run trains, and "
                "this one is tracked offline: give --wandb_checkpoints true in its place, or --wandb online."
            )
    init["config"] = {**(init.get("config") or {}), "cli": dict(config)}
    # Who gives Lightning's logger has all of it offline, too: W&B's charts of the machine, its patches of TensorBoard.
    live = given is not None
    offline = mode == "offline"
    csv = csv or CSVMetrics(folder)
    return RunAtWandb(csv, init, offline=offline, live=live, on_stop=on_stop, checkpoints=checkpoints, **lightnings)


def with_wandb(
    loggers: list[Logger],
    folder: Path,
    flag: WandbMode | None,
    config: Mapping[str, Any],
    on_stop: Callable[[], None] | None = None,
    *,
    csv: CSVMetrics | None = None,
    checkpoints: bool = False,
) -> list[Logger]:
    """The user's loggers, and W&B's unless it is off: one of their own gives its settings to ours.

    Args:
        loggers: The user's.
        folder: See :func:`wandb_logger`, as the others.
        flag: What ``--wandb`` says, or ``None``.
        config: The resolved configuration.
        on_stop: Called when the run is to be stopped from its page.
        csv: The logger that keeps the numbers in the folder.
        checkpoints: Whether checkpoints are uploaded.
    """
    given = next((logger for logger in loggers if isinstance(logger, WandbLogger)), None)
    # Whoever asks for Lightning's logger by name means what Lightning means by it.
    usual: WandbMode = "offline" if given is None or given._offline else "online"  # noqa: SLF001
    mode = wandb_mode(flag, usual=usual)
    ours = wandb_logger(folder, mode, config, on_stop, given=given, csv=csv, checkpoints=checkpoints)
    return [*([] if ours is None else [ours]), *without_wandb(loggers)]


def without_wandb(loggers: list[Logger]) -> list[Logger]:
    """The loggers that are not W&B's.

    Args:
        loggers: The user's.
    """
    return [logger for logger in loggers if not isinstance(logger, WandbLogger)]


def _logger_settings(given: WandbLogger) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the user's own logger was told: for ``wandb.init``, and for itself.

    Lightning 2.6 keeps it in private attributes alone, and LightningCLI tells it ``None`` of everything else,
    ``resume`` included.
    """
    init = {name: value for name, value in given._wandb_init.items() if value is not None}  # noqa: SLF001
    init.pop("anonymous", None)
    if init.get("dir") == os.curdir:
        del init["dir"]
    return init, {
        "log_model": given._log_model,  # noqa: SLF001
        "prefix": given._prefix,  # noqa: SLF001
        "checkpoint_name": given._checkpoint_name,  # noqa: SLF001
        "add_file_policy": given.add_file_policy,
    }


@contextmanager
def finished_wandb(loggers: Iterable[Logger] = ()) -> Iterator[None]:
    """Begins the runs of the loggers; at the end of this context every W&B run is over, as failed after an error.

    Args:
        loggers: Of the trainer.

    Raises:
        UserError: See :meth:`RunAtWandb.begin`.
    """
    ours = [logger for logger in loggers if isinstance(logger, RunAtWandb)] if is_rank_zero(os.environ) else []
    exit_code = 1
    try:
        for logger in ours:
            logger.begin()
        yield
        exit_code = 0
    except RunStopped as stop:
        exit_code = stop.exit_code if stop.exit_code == PREEMPTED else 0
        raise
    finally:
        for logger in ours:
            logger.close(exit_code=exit_code)
        wandb = sys.modules.get("wandb")
        if wandb is not None and wandb.run is not None:  # somebody else's
            wandb.finish(exit_code=exit_code)
