"""What a run folder says of its run at a glance; nothing heavy is imported, for there may be a thousand of them."""

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from lit_gan.errors import UserError
from lit_gan.runs.fingerprint import leaves_of
from lit_gan.runs.folder import RunFolder
from lit_gan.runs.layout import RunLayout
from lit_gan.runs.metrics_file import read_metrics
from lit_gan.runs.plain_data import read_json
from lit_gan.runs.record import RunRecord

#: A run whose process is gone without a word.
KILLED = "killed"
_USUAL_MONITOR = "val/parzen_nll"
# Below `runs`: of a sweep, or of `--run_dir runs/a/b/c`.
_DEEPEST = 6


@dataclass(frozen=True)
class RunSummary:
    """A run at a glance.

    Args:
        path: Its folder.
        status: ``running``, ``stopped``, ``finished``, ``failed``, or ``killed``: it says that it runs, and nobody
            writes it.
        reason: Why it stopped or failed.
        continues: Whether the same command goes on with it.
        command: What started it last.
        rounds: How many rounds there are in its metrics.
        monitor: What the best checkpoint is chosen by.
        best: The best value of that, and after how many rounds.
        started: When it was first started, ISO 8601.
        seconds: From its first start to its last sign of life.
        resumed: How many times it went on.
        num_bytes: The size of its folder.
        config: Its resolved configuration.
        fingerprint: Of that.
    """

    path: Path
    status: str
    reason: str
    continues: bool
    command: tuple[str, ...]
    rounds: int
    monitor: str
    best: tuple[float, int] | None
    started: str
    seconds: float
    resumed: int
    num_bytes: int
    config: dict[str, Any]
    fingerprint: str

    @classmethod
    def of(cls, path: Path) -> "RunSummary":
        """Reads a run folder.

        Raises:
            UserError: If there is no run in it, or its record cannot be read.
        """
        folder = RunFolder.open(path)
        record = folder.read_record()
        alive = record.status == "running" and _is_alive(folder)
        monitor, mode = _chosen_by(record.config)
        metrics = read_metrics(folder.metrics, (monitor,))
        column = metrics.columns.get(monitor)
        return cls(
            path=path,
            status=KILLED if record.status == "running" and not alive else record.status,
            reason=record.reason,
            continues=record.resumable and not alive and "verb" not in record.config,
            command=_command(folder),
            rounds=metrics.rounds,
            monitor=monitor,
            best=None if column is None else column.best(mode),
            started=record.started,
            seconds=_seconds(record),
            resumed=record.resumed,
            num_bytes=_num_bytes(path),
            config=record.config,
            fingerprint=record.fingerprint,
        )

    @property
    def score(self) -> str:
        """The best value, in words: of the Parzen score the log-likelihood, where higher is better."""
        if self.best is None:
            return ""
        return f"{-self.best[0]:.1f} nats" if self.monitor.endswith("parzen_nll") else f"{self.best[0]:.4g}"

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for a program that reads it."""
        return {
            "path": str(self.path),
            "configuration": self.path.absolute().parent.name,
            **{name: getattr(self, name) for name in ("status", "reason", "continues", "command", "rounds", "monitor")},
            "best": None if self.best is None else self.best[0],
            "best_round": None if self.best is None else self.best[1],
            **{name: getattr(self, name) for name in ("started", "seconds", "resumed")},
            "bytes": self.num_bytes,
        }


def find_runs(folder: Path) -> tuple[list[RunSummary], list[str]]:
    """All runs in a folder and below it, the newest first, and what could not be read.

    Args:
        folder: ``runs``, as a rule, or a run folder.
    """
    found: list[RunSummary] = []
    faults: list[str] = []
    for path in _run_folders(folder, _DEEPEST):
        try:
            found.append(RunSummary.of(path))
        except (UserError, OSError) as error:
            faults.append(str(error))
    return sorted(found, key=lambda run: (run.started, str(run.path)), reverse=True), faults


def differences(runs: Sequence[RunSummary]) -> dict[str, list[Any]]:
    """By dotted key the values, in the order of the runs, of what is not the same in all of their configurations.

    A key that a configuration lacks is ``None`` there.
    """
    apart = {run.fingerprint: run.config for run in runs}  # a thousand runs are often a few configurations
    leaves = {name: leaves_of(config) for name, config in apart.items()}
    varied = {key for key in {key for each in leaves.values() for key in each} if _varies(key, leaves.values())}
    keys = dict.fromkeys(key for each in leaves.values() for key in each if key in varied)
    return {key: [leaves[run.fingerprint].get(key) for run in runs] for key in keys}


def _varies(key: str, leaves: Collection[dict[str, Any]]) -> bool:
    first = next(iter(leaves)).get(key)
    return any(each.get(key) != first for each in leaves)


def _run_folders(folder: Path, depth: int) -> Iterator[Path]:
    if (folder / "run.json").is_file():
        yield folder
        return
    if depth == 0:
        return
    try:
        inside = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False))
    except OSError:  # somebody else's
        return
    for name in inside:
        yield from _run_folders(folder / name, depth - 1)


def _is_alive(folder: RunFolder) -> bool:
    try:
        return folder.is_alive()
    except OSError:  # it cannot be told, so that nothing is taken away from it
        return True


def _chosen_by(config: dict[str, Any]) -> tuple[str, str]:
    """What the best checkpoint is chosen by, and whether its least or its greatest value is the best."""
    section = config.get("checkpoint")
    named = section if isinstance(section, dict) else {}
    monitor, mode = named.get("monitor"), named.get("mode")
    return monitor if isinstance(monitor, str) and monitor else _USUAL_MONITOR, "max" if mode == "max" else "min"


def _command(folder: RunLayout) -> tuple[str, ...]:
    try:
        words = read_json(folder.environment)["argv"]
        return (Path(words[0]).name, *(str(word) for word in words[1:]))
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return ()


def _seconds(record: RunRecord) -> float:
    try:
        span = datetime.fromisoformat(record.heartbeat) - datetime.fromisoformat(record.started)
    except (ValueError, TypeError):
        return 0.0
    return max(span.total_seconds(), 0.0)


def _num_bytes(folder: Path) -> int:
    total = 0
    for entry in os.scandir(folder):
        try:
            if entry.is_dir(follow_symlinks=False):
                total += _num_bytes(Path(entry.path))
            else:
                total += entry.stat(follow_symlinks=False).st_size
        except OSError:  # it has just been replaced
            continue
    return total
