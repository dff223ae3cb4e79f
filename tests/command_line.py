"""The command line inside the test's own process: a fresh one costs nine seconds of imports."""

import io
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
import yaml

from lit_gan.cli.main import main
from lit_gan.loggers.metrics_table import MetricsTable
from lit_gan.runs import environment

#: No frills, on any machine.
QUIET = (
    "--trainer.accelerator=cpu",
    "--trainer.enable_progress_bar=false",
    "--trainer.enable_model_summary=false",
    "--parzen.num_samples=0",
    "--evaluation.metrics=[]",
)
#: Four rounds an epoch, every one of them logged, and a checkpoint after each epoch.
SHORT = (
    *QUIET,
    "--wandb=off",
    "--report=false",
    "--sample_grid.num_samples=4",
    "--data.init_args.batch_size=300",
    "--trainer.log_every_n_steps=1",
    "--trainer.check_val_every_n_epoch=1",
    "--checkpoint.every_n_epochs=1",
)


# Each training asks git, in three processes: nobody commits while tests run.
_ASKED_ONCE = cache(environment._commit)


@dataclass(frozen=True)
class Ending:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """What a refused command said; anything but one line is no refusal."""
        assert self.code == 2, f"exit code {self.code}\n{self.out}\n{self.err}"
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("lit-gan: error: ")
        return lines[0].removeprefix("lit-gan: error: ")


def lit_gan(*arguments: Any) -> Ending:
    """One command; everything global is as it was afterwards."""
    out, err = io.StringIO(), io.StringIO()
    asked_once = patch.object(environment, "_commit", _ASKED_ONCE)
    with _restored(), asked_once, redirect_stdout(out), redirect_stderr(err):
        code = main([str(argument) for argument in arguments])
    return Ending(code, out.getvalue(), err.getvalue())


def fit(*arguments: Any, config: str | Path = "quickstart", epochs: int = 2) -> Ending:
    """A short training."""
    return lit_gan("fit", "--config", config, *SHORT, f"--trainer.max_epochs={epochs}", *arguments)


def the_run(root: Path = Path("runs")) -> Path:
    """The one run folder that there is."""
    found = [path.parent for path in root.glob("*/*/run.json")]
    assert len(found) == 1, found
    return found[0]


def metrics(run: Path) -> list[dict[str, str]]:
    """The rows of a run's metrics."""
    return MetricsTable(run / "metrics.csv").rows()


def repeatable(run: Path) -> list[dict[str, str]]:
    """What a run's metrics are whenever it is trained: all but its speed."""
    return [{name: value for name, value in row.items() if not name.startswith("perf/")} for row in metrics(run)]


def weights(run: Path) -> dict[str, torch.Tensor]:
    """What a run's last checkpoint holds."""
    found: dict[str, torch.Tensor] = checkpoint(run)["state_dict"]
    return found


def checkpoint(run: Path) -> dict[str, Any]:
    """A run's last checkpoint."""
    content: dict[str, Any] = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    return content


def resolved(run: Path) -> dict[str, Any]:
    """The configuration that a run keeps."""
    content: dict[str, Any] = yaml.safe_load((run / "config.yaml").read_text())
    return content


@contextmanager
def _restored() -> Iterator[None]:
    environment, threads = dict(os.environ), torch.get_num_threads()
    lightning = "lightning.pytorch"
    names = ("profilers", "callbacks", "tuner", "utilities.rank_zero")
    loggers = [
        logging.getLogger(name) for name in (lightning, "lightning.fabric", *(f"{lightning}.{n}" for n in names))
    ]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(environment)
            torch.set_num_threads(threads)
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
