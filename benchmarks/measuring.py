"""What the benchmarks share: the machine on record, ways timed in turn, and a table, a JSON file and a plot of them."""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import torch

from lit_gan.runs.environment import describe_environment

mpl.use("Agg")

#: What a processor is asked about, by the flags of Linux, of which one is enough.
_INSTRUCTIONS = {
    "AVX2": {"avx2"},
    "AVX-512": {"avx512f"},
    "VNNI": {"avx512_vnni", "avx_vnni"},
    "AVX-512 bf16": {"avx512_bf16"},
    "AMX": {"amx_tile"},
}


@dataclass(frozen=True)
class Seconds:
    """What something took.

    Attributes:
        cpu: Processor time of this process, all threads: other work on the machine hardly counts in it.
        wall: By the clock.
    """

    cpu: float
    wall: float

    def each(self, times: float) -> "Seconds":
        """Of one among several."""
        return Seconds(self.cpu / times, self.wall / times)


class Stopwatch:
    """Runs from its making on; a GPU is waited for at both ends."""

    def __init__(self) -> None:
        _wait_for_gpu()
        self._cpu, self._wall = time.process_time(), time.perf_counter()

    def seconds(self) -> Seconds:
        """Since then."""
        _wait_for_gpu()
        return Seconds(time.process_time() - self._cpu, time.perf_counter() - self._wall)


def timed(action: Callable[[], object], times: int = 1) -> Seconds:
    """What one of several goes takes."""
    watch = Stopwatch()
    for _ in range(times):
        action()
    return watch.seconds().each(times)


def interleaved(ways: Mapping[str, Callable[[], Seconds]], repeats: int) -> dict[str, Seconds]:
    """Medians of ways that are taken in turn: a machine that is busy for a while is so for all of them."""
    found: dict[str, list[Seconds]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            found[name].append(way())
    return {name: median(each) for name, each in found.items()}


def median(found: Sequence[Seconds]) -> Seconds:
    """Of both times."""
    return Seconds(statistics.median(each.cpu for each in found), statistics.median(each.wall for each in found))


def machine() -> dict[str, Any]:
    """What figures depend on: processor and its instructions, threads, versions, commit."""
    described = describe_environment()
    return {
        "processor": described["hardware"]["cpu"],
        "instructions": {name: bool(flags & _cpu_flags()) for name, flags in _INSTRUCTIONS.items()},
        "cpus": described["hardware"].get("cpus_allowed", os.cpu_count()),
        "threads": torch.get_num_threads(),
        "gpus": described["hardware"].get("gpus", []),
        "python": described["python"],
        "versions": described["versions"],
        "commit": described["commit"],
        "dirty": described["dirty"],
        "started": described["started"],
    }


def _cpu_flags() -> set[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux
        return set()
    return next((set(line.split()) for line in lines if line.startswith("flags")), set())


def in_words(found: Mapping[str, Any]) -> str:
    """A machine in one line."""
    has = [name for name, there in found["instructions"].items() if there]
    lacks = [name for name, there in found["instructions"].items() if not there]
    processor = f"{found['processor']} ({', '.join(has) or 'none of AVX2 and later'}"
    processor += f"; no {', '.join(lacks)})" if lacks else ")"
    parts = [processor, *found["gpus"], f"{found['cpus']} CPUs, {found['threads']} thread(s)"]
    parts += [f"{name} {found['versions'][name]}" for name in ("torch", "lightning")]
    commit = (found["commit"] or "unknown")[:12] + (" and changes" if found["dirty"] else "")
    return ", ".join([*parts, f"commit {commit}"])


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table."""
    lines = [f"| {' | '.join(cells)} |" for cells in (head, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]]) + "\n"


def write(out: Path, name: str, results: Any, table: str, draw: Callable[[Any], None]) -> str:
    """Writes ``NAME.json``, ``NAME.md`` and ``NAME.png`` into a folder, each with the machine.

    Args:
        out: The folder.
        name: The benchmark's.
        results: What was measured, for the JSON file.
        table: The same in Markdown.
        draw: Draws it on a figure of matplotlib.

    Returns:
        The table, below the machine.
    """
    from matplotlib import pyplot as plt  # noqa: PLC0415  after the backend is set

    found = machine()
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{name}.json").write_text(json.dumps({"machine": found, "results": results}, indent=1) + "\n")
    text = f"{in_words(found)}\n\n{table}"
    (out / f"{name}.md").write_text(text)
    figure = plt.figure(layout="constrained")
    draw(figure)
    figure.text(0.99, -0.01, in_words(found), fontsize=5, ha="right", va="top", color="gray")
    figure.savefig(out / f"{name}.png", dpi=110, bbox_inches="tight")
    plt.close(figure)
    return text


def arguments(module: str, description: str | None) -> argparse.ArgumentParser:
    """A parser with what every benchmark takes: ``--out``, ``--quick``, ``--threads``."""
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{module}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the table, the JSON file and the plot")
    parser.add_argument("--quick", action="store_true", help="small and short: that it runs, and no more")
    parser.add_argument("--threads", type=int, default=1, help="of torch (default: 1)")
    return parser


def _wait_for_gpu() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
