"""The logger that is always on: every number of a run, in ``metrics.csv`` of its folder."""

import time
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from lit_gan.loggers.metrics_table import MetricsTable


class CSVMetrics(Logger):
    """Logs to ``metrics.csv``: ``step`` (rounds), ``epoch``, then the metrics in order of first appearance.

    Values keep all their digits, so that the file of a resumed run equals that of an uninterrupted one. What
    is logged for one step is one row. Rank 0 alone writes.

    Args:
        save_dir: The run folder.
        flush_rows: Calls of ``log_metrics`` after which the rows are written, at least 1. Lightning's Trainer
            calls ``save`` after each of its own, which writes at once.
        flush_seconds: Seconds after which a call of ``log_metrics`` writes, too.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     logger = CSVMetrics(folder)
        ...     logger.log_metrics({"train/loss_d": 0.5, "epoch": 0}, step=50)
        ...     logger.finalize("success")
        ...     print(Path(folder, "metrics.csv").read_text())
        step,epoch,train/loss_d
        50,0,0.5
        <BLANKLINE>
    """

    def __init__(self, save_dir: Path | str, flush_rows: int = 100, flush_seconds: float = 10.0) -> None:
        super().__init__()
        self._save_dir = Path(save_dir)
        self._flush_rows = flush_rows
        self._flush_seconds = flush_seconds
        self._table = MetricsTable(self._save_dir / "metrics.csv")
        self._unwritten = 0
        self._written_at = time.monotonic()

    @property
    def name(self) -> str:
        """Empty: Lightning's ``save_dir/name/version`` then is the run folder itself."""
        return ""

    @property
    def version(self) -> str:
        """Empty, as :attr:`name` is."""
        return ""

    @property
    def save_dir(self) -> str:
        """The run folder."""
        return str(self._save_dir)

    @property
    def log_dir(self) -> str:
        """The run folder."""
        return str(self._save_dir)

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Put numbers into the row of a step.

        Args:
            metrics: Numbers, or tensors and arrays of one element, by name.
            step: The round; None means the newest row.

        Raises:
            OSError: With the path, when the rows cannot be written.
        """
        self._table.log(step, metrics)
        self._unwritten += 1
        overdue = time.monotonic() - self._written_at >= self._flush_seconds
        if self._unwritten >= self._flush_rows or overdue:
            self.save()

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Nothing: ``config.yaml`` of the run folder holds the whole configuration.

        Args:
            params: Not used.
            *args: Not used.
            **kwargs: Not used.
        """

    @rank_zero_only
    def save(self) -> None:
        """Write what has been logged.

        Raises:
            OSError: With the path, when it cannot be written; rows on disk stay, the others wait for the next
                attempt.
        """
        self._save_dir.mkdir(parents=True, exist_ok=True)
        self._table.flush()
        self._unwritten = 0
        self._written_at = time.monotonic()

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Write what has been logged.

        Args:
            status: How the run ended; ``run.json`` is where that is kept.
        """
        self.save()

    def has(self, name: str) -> bool:
        """Whether the table has a column of that name.

        Args:
            name: As it is logged, ``val/parzen_nll``, say.
        """
        return self._table.has(name)

    @rank_zero_only
    def goes_on_after(self, rounds: int) -> None:
        """Drops the rows of later rounds, which are about to be logged again.

        Args:
            rounds: How many there were at the checkpoint.
        """
        self._table.truncate_after(rounds - 1)  # the row of a round bears its index
