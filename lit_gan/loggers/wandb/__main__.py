"""W&B's copy of an offline run that was killed: ``python -m lit_gan.loggers.wandb RUN``."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from lightning.pytorch.loggers import WandbLogger

from lit_gan.errors import DONE, USER_ERROR, UserError
from lit_gan.loggers.wandb.choice import wandb_logger
from lit_gan.runs.folder import RunFolder
from lit_gan.runs.plain_data import read_configuration
from lit_gan.runs.relative_path import relative_to_cwd


def main(arguments: Sequence[str]) -> int:
    """Writes it; returns the exit code."""
    try:
        if len(arguments) != 1:
            raise UserError(f"expected the path of one run, such as runs/mnist/ID, got {len(arguments)} arguments.")
        sys.stdout.write(f"lit-gan: {_write_copy(RunFolder.open(arguments[0]))}\n")
    except UserError as error:
        sys.stderr.write(f"lit-gan: error: {error}\n")
        return USER_ERROR
    return DONE


def _write_copy(run: RunFolder) -> str:
    if run.is_alive():
        raise UserError(f"{relative_to_cwd(run.path)} is being written; its command writes W&B's copy when it ends.")
    config = read_configuration(run.config)
    logger = wandb_logger(run.path, "offline", config, given=_configured_logger(config))
    if logger is None or not logger.write_copy():
        return "W&B's copy of the run has all of it already."
    return f"upload W&B's copy by: wandb sync {relative_to_cwd(run.path)}/wandb/offline-run-*"


def _configured_logger(config: Mapping[str, Any]) -> WandbLogger | None:
    """Lightning's logger, where the run's configuration has one: its project, tags, ..."""
    loggers = config.get("trainer", {}).get("logger")
    for logger in loggers if isinstance(loggers, list) else [loggers]:
        if isinstance(logger, Mapping) and str(logger["class_path"]).endswith("WandbLogger"):
            return WandbLogger(**{**logger.get("init_args", {}), "log_model": False})
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
