"""Commands in processes of their own: what each took, what memory it had at most, and what it was doing when."""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from benchmarks.measuring import Seconds

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


def python(*arguments: str) -> Ran:
    """Runs Python to the end; a failure ends the benchmark with what it said."""
    begun = time.monotonic()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen([sys.executable, *arguments], stdout=said, stderr=subprocess.STDOUT)  # noqa: S603
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.monotonic() - begun
        if process.returncode:
            said.seek(0)
            raise SystemExit(f"{' '.join(arguments)}\n{said.read().decode()}")
    return Ran(Seconds(used.ru_utime + used.ru_stime, wall), _peak_mib(used), begun)


def lit_gan(*arguments: str) -> Ran:
    """Runs the command to the end."""
    return python("-m", "lit_gan", *arguments)


@contextmanager
def marks() -> Iterator[tuple[list[str], Path]]:
    """Options of ``lit-gan fit`` that have it leave marks, and the file in which they will be."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "marks.jsonl"
        callback = "--trainer.callbacks"
        yield [f"{callback}+=benchmarks.commands.Marks", f"{callback}.file={file}"], file


def read(file: Path, kind: str) -> list[Mark]:
    """The marks of a kind, in their order."""
    return [mark for mark in map(json.loads, file.read_text().splitlines()) if mark["kind"] == kind]


class Marks(Callback):
    """Leaves a line in a file at the first round, at the end of each epoch, and after each validation.

    Each has ``at`` (seconds of the system's clock), ``cpu`` (of the process since its start), ``mib`` (memory now),
    ``round``, and ``parzen_nll`` where one was logged.

    Args:
        file: The file.
    """

    def __init__(self, file: str) -> None:
        self._file = Path(file)
        self._begun = False

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """The first round of the process."""
        if not self._begun:
            self._begun = True
            self._leave("first round", trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """An epoch, with its validation."""
        self._leave("epoch", trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """A validation, with its scores."""
        self._leave("validation", trainer)

    def _leave(self, kind: str, trainer: Trainer) -> None:
        if trainer.is_global_zero and not trainer.sanity_checking:
            nll = trainer.callback_metrics.get("val/parzen_nll")
            mark = {"kind": kind, "at": time.monotonic(), "cpu": time.process_time(), "mib": memory_mib()}
            mark |= {"round": trainer.global_step, "parzen_nll": None if nll is None else float(nll)}
            with self._file.open("a") as file:
                file.write(json.dumps(mark) + "\n")


def memory_mib() -> float:
    """What this process has now; where the system does not tell, the most that it had."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return _peak_mib(resource.getrusage(resource.RUSAGE_SELF))
    return pages * resource.getpagesize() / _MIB


def _peak_mib(used: Any) -> float:
    return float(used.ru_maxrss) * (1 if sys.platform == "darwin" else 1024) / _MIB


def options_of(run: Path, config: str, *further: str) -> Sequence[str]:
    """Of ``lit-gan`` for a training that shows and tracks nothing."""
    quiet = ("--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false", "--wandb=off")
    return ["fit", "--config", config, "--run_dir", str(run), *quiet, *further]
