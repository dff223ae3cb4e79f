"""Commands in processes of their own: what each took, what memory it had at most, and what it was doing when."""

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from benchmarks.measuring import Seconds
from lit_gan.errors import PREEMPTED
from lit_gan.runs.layout import RunLayout

_MIB = 2**20
Mark = dict[str, Any]


@dataclass(frozen=True)
class Ran:
    """A process that has ended.

    Attributes:
        took: From its start to its end, with the processes that it started.
        peak_mib: The most memory that it had, or the largest of the processes that it started.
        begun: When it was started, on the clock of :class:`Marks`.
    """

    took: Seconds
    peak_mib: float
    begun: float


def python(*arguments: str, code: int = 0) -> Ran:
    """Runs Python to the end; another exit code (minus a signal's number) ends the benchmark with what it said."""
    begun = time.monotonic()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen([sys.executable, *arguments], stdout=said, stderr=subprocess.STDOUT)  # noqa: S603
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.monotonic() - begun
        if process.returncode != code:
            said.seek(0)
            ended = f"exit code {process.returncode}, not {code}"
            raise SystemExit(f"{' '.join(arguments)}\n{said.read().decode()}\n{ended}")
    return Ran(Seconds(used.ru_utime + used.ru_stime, wall), _peak_mib(used), begun)


def lit_gan(*arguments: str, code: int = 0) -> Ran:
    """Runs the command to the end."""
    return python("-m", "lit_gan", *arguments, code=code)


#: The signals by which a training ends itself on its way, in turn, and the exit codes that follow.
ENDS = {signal.SIGTERM: PREEMPTED, signal.SIGKILL: -signal.SIGKILL}


@contextmanager
def marks(*ends: int) -> Iterator[tuple[list[str], Path]]:
    """Options of ``lit-gan fit`` that have it leave marks, and end on its way, and the file in which they will be."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "marks.jsonl"
        callback = "--trainer.callbacks"
        yield [f"{callback}+=benchmarks.commands.Marks", f"{callback}.file={file}", f"{callback}.ends={[*ends]}"], file


def read(file: Path, kind: str) -> list[Mark]:
    """The marks of a kind, in their order; none before the first."""
    lines = file.read_text().splitlines() if file.exists() else []
    return [mark for mark in map(json.loads, lines) if mark["kind"] == kind]


class Marks(Callback):
    """Leaves a line in a file at the first round, at the end of each epoch, and after each validation.

    Each has ``at`` (seconds of the system's clock), ``cpu`` (of the process since its start), ``mib`` (memory now),
    ``round``, and ``parzen_nll`` where one was logged. That of an epoch has its number, the process, and what this and
    the run folder hold: see :func:`held` and :func:`kept`.

    Args:
        file: The file.
        ends: After which epoch the first process that leaves marks there ends itself, the second one, and so on, by the
            signals of :data:`ENDS` in turn. Those that come later end as ever.
    """

    def __init__(self, file: str, ends: list[int] | None = None) -> None:
        self._file = Path(file)
        self._begun = False
        earlier = len({mark["pid"] for mark in read(self._file, "epoch")})
        self._end = dict(enumerate(zip(ends or [], cycle(ENDS), strict=False))).get(earlier)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """The first round of the process."""
        if not self._begun:
            self._begun = True
            self._leave("first round", trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """An epoch, with its validation."""
        folder = Path(trainer.default_root_dir)
        epoch = trainer.current_epoch + 1
        self._leave("epoch", trainer, epoch=epoch, pid=os.getpid(), **held(), **kept(folder))
        if self._end is not None and epoch >= self._end[0]:
            number = self._end[1]
            self._end = None
            os.kill(os.getpid(), number)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """A validation, with its scores."""
        self._leave("validation", trainer)

    def _leave(self, kind: str, trainer: Trainer, **further: int | float) -> None:
        if trainer.is_global_zero and not trainer.sanity_checking:
            nll = trainer.callback_metrics.get("val/parzen_nll")
            mark = {"kind": kind, "at": time.monotonic(), "cpu": time.process_time(), "mib": memory_mib()}
            mark |= {"round": trainer.global_step, "parzen_nll": None if nll is None else float(nll), **further}
            with self._file.open("a") as file:
                file.write(json.dumps(mark) + "\n")


def memory_mib() -> float:
    """What this process has now; where the system does not tell, the most that it had."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return _peak_mib(resource.getrusage(resource.RUSAGE_SELF))
    return pages * resource.getpagesize() / _MIB


def held() -> dict[str, int]:
    """How many open files, threads and child processes this process has; nothing where the system does not tell."""
    own = Path("/proc/self")
    if not own.exists():
        return {}
    files, tasks = (len(os.listdir(own / each)) for each in ("fd", "task"))
    return {"files": files, "threads": tasks, "children": _children()}


def _children() -> int:
    parents = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with suppress(OSError):  # it has ended meanwhile
                parents.append(Path("/proc", entry, "stat").read_text().rpartition(")")[2].split()[1])
    return parents.count(str(os.getpid()))


def kept(folder: Path) -> dict[str, float]:
    """How many files and folders are in a run folder, how many KiB are in them, and in ``metrics.csv``."""
    sizes = {}
    for file in folder.rglob("*"):
        with suppress(FileNotFoundError):  # it was beside its place, and is in it by now
            sizes[file] = file.stat().st_size / 1024 if file.is_file() else 0.0
    metrics = sizes.get(RunLayout(folder).metrics, 0.0)
    return {"kept_files": len(sizes), "kept_kib": sum(sizes.values()), "metrics_kib": metrics}


def _peak_mib(used: Any) -> float:
    return float(used.ru_maxrss) * (1 if sys.platform == "darwin" else 1024) / _MIB


def options_of(run: Path, config: str, *further: str) -> Sequence[str]:
    """Of ``lit-gan`` for a training that shows and tracks nothing."""
    quiet = ("--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false", "--wandb=off")
    return ["fit", "--config", config, "--run_dir", str(run), *quiet, *further]
