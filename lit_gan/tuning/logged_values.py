"""The metric of a trial as its run logs it, read while the run writes."""

from dataclasses import dataclass
from pathlib import Path

from lit_gan.errors import UserError
from lit_gan.runs.folder import RunFolder
from lit_gan.runs.metrics_file import fields_of, is_number, is_step
from lit_gan.runs.plain_data import read_json

_RUNS = "runs"


@dataclass(frozen=True)
class LoggedValue:
    """One value of the metric."""

    rounds: int
    value: float


class TrialRun:
    """The run folder of a trial, in any folder of ``runs``, as `lit-gan sweep` sees it; only read."""

    def __init__(self, run_id: str, root: Path | None = None) -> None:
        self._run_id = run_id
        self._root = (root or Path.cwd()) / _RUNS
        self._seen: tuple[int, int] | None = None

    @property
    def folder(self) -> Path | None:
        """The folder; None while there is none."""
        return next(iter(sorted(path for path in self._root.glob(f"*/{self._run_id}") if path.is_dir())), None)

    @property
    def status(self) -> str | None:
        """What ``run.json`` says; None where there is none.

        One that its ``max_time`` has ended counts as finished: all trials have the same time, and have used it.
        """
        try:
            content = read_json(self.folder / "run.json") if self.folder else {}
        except (OSError, ValueError):  # none, or written by something else
            return None
        if not isinstance(content, dict) or "status" not in content:
            return None
        used_up = (content["status"], content.get("reason")) == ("stopped", "max_time")
        return "finished" if used_up else str(content["status"])

    @property
    def is_written(self) -> bool:
        """Whether a process writes it now, on this machine or, by its heartbeat, on another."""
        try:
            return self.folder is not None and RunFolder(self.folder).is_alive()
        except (UserError, OSError):  # no record of ours: then nobody is kept from taking it
            return False

    def has_changed(self) -> bool:
        """Whether ``metrics.csv`` is another than when this was last asked."""
        try:
            stat = (self.folder / "metrics.csv").stat() if self.folder else None
        except FileNotFoundError:
            stat = None
        seen = None if stat is None else (stat.st_mtime_ns, stat.st_size)
        changed, self._seen = seen != self._seen, seen
        return changed

    def values(self, metric: str) -> list[LoggedValue]:
        """All values of a metric so far."""
        columns, rows = self._table()
        if metric not in columns:
            return []
        place = columns.index(metric)
        return [LoggedValue(int(row[0]) + 1, float(row[place])) for row in rows if is_number(row[place])]

    def names(self) -> list[str]:
        """What the run logs."""
        return [name for name in self._table()[0] if name not in ("step", "epoch")]

    def _table(self) -> tuple[list[str], list[list[str]]]:
        """The columns and the rows that are whole: the last line may be in the middle of being written."""
        try:
            data = (self.folder / "metrics.csv").read_bytes() if self.folder else b""
        except FileNotFoundError:
            data = b""
        whole = data[: data.rfind(b"\n") + 1].decode(errors="replace")
        columns, *rows = [fields_of(line) for line in whole.split("\n")]
        return columns, [row for row in rows if row and len(row) == len(columns) and is_step(row[0])]
