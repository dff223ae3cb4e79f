"""W&B's copy of a run that nothing goes on with: ``python -m lit_gan.loggers.wandb RUN``."""

import sys
from pathlib import Path

import yaml

from lit_gan.errors import USER_ERROR, UserError
from lit_gan.loggers.csv import CSVMetrics
from lit_gan.loggers.wandb.choice import wandb_logger
from lit_gan.runs.folder import RunFolder


def main(arguments: list[str]) -> int:
    """Writes it; returns the exit code."""
    try:
        if len(arguments) != 1:
            raise UserError(f"python -m lit_gan.loggers.wandb: expected one run folder, got {len(arguments)} arguments.")
        run = RunFolder.open(Path(arguments[0]))
        if run.is_alive():
            raise UserError(f"{arguments[0]} is being written: when its command ends, it writes W&B's copy itself.")
        logger = wandb_logger(CSVMetrics(run.path), "offline", yaml.safe_load(run.config.read_text()))
        logger.write_copy()
    except UserError as error:
        print(f"lit-gan: error: {error}", file=sys.stderr)
        return USER_ERROR
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
