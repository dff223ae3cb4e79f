"""The speed and the error of the Parzen-window metric, against its competitors and the bare matrix products.

``python -m benchmarks.parzen --out FOLDER [--mnist ROOT] [--quick]`` runs the whole protocol, the choice
among 10 widths on 1,000 validation rows and the score of 10,000 test rows under 10,000 centres, in all ways
in turn, several times over, so that a busy machine is busy for all of them. It writes ``parzen.md``,
``parzen.json`` and ``parzen.png``. Seconds are of CPU time, which another process on the machine does not add to; with
two threads they are of the clock.
"""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import matplotlib as mpl
import torch
from torch import Tensor

from benchmarks.parzen_competitors import COMPETITORS, Competitor, reference
from benchmarks.parzen_problems import Problem, digits, mnist
from lit_gan.functional import PAPER_SIGMAS, parzen_log_likelihood, select_sigma, standard_error
from lit_gan.functional.distinct_rows import distinct_rows
from lit_gan.functional.matmul import int8_matmul, int8_matmul_is_exact, int8_speedup
from lit_gan.functional.parzen_search import CentreSearch
from lit_gan.functional.parzen_windows import ParzenWindows, mean
from lit_gan.functional.vector_codes import Coder, Float32Coder, Int8Coder, coder_for
from lit_gan.metrics import ParzenNLL

mpl.use("Agg")

_CHECKED_ROWS = 20
_GEMM_ROWS = 1000
_BARE = "bare float32 GEMM"


@dataclass(frozen=True)
class Way:
    """A way to be timed.

    Attributes:
        name: As the table shows it.
        seconds: Runs it on ``threads`` threads, and gives the seconds that the whole protocol takes.
        scores: The log-likelihoods of the first test rows; None for a bare product.
        threads: As many are used.
        extrapolated_from: The number of rows that are run, where it is not all.
    """

    name: str
    seconds: Callable[[], float]
    scores: Callable[[], Tensor] | None = None
    threads: int = 1
    extrapolated_from: int | None = None


@dataclass(frozen=True)
class Result:
    """A line of the table: medians, and the largest error of 20 test rows against float64, in nats."""

    problem: str
    name: str
    seconds: float
    ratio: float
    error: float | None
    extrapolated_from: int | None


def _time(action: Callable[[], object]) -> float:
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    start = clock()
    action()
    return clock() - start


def _protocol(problem: Problem) -> None:
    windows = ParzenWindows.around(problem.centres, 0.0, 1.0)
    sigma = windows.select_sigma(problem.val, PAPER_SIGMAS)
    windows.log_likelihood(problem.test, [sigma])


def _metric(problem: Problem) -> None:
    metric = ParzenNLL()
    metric.update(problem.val, real=True, split="val")
    metric.update(problem.test, real=True)
    metric.update(problem.centres, real=False)
    metric.compute()


class _FullDepth(CentreSearch):
    """As where axes do not pay."""

    @property
    def projected(self) -> None:
        """None."""


def _windows_in_full_depth(problem: Problem, coder: Callable[[], Coder]) -> ParzenWindows:
    return ParzenWindows([_FullDepth(problem.centres, *distinct_rows(problem.centres), coder)], *problem.centres.shape)


def _own_ways(problem: Problem, sigma: float) -> list[Way]:
    checked = problem.test[:_CHECKED_ROWS]

    def scores() -> Tensor:
        windows = ParzenWindows.around(problem.centres, 0.0, 1.0)
        return windows.log_likelihood(problem.test, [sigma])[:_CHECKED_ROWS, 0]

    def full_depth(name: str, coder: Callable[[], Coder]) -> Way:
        def protocol() -> None:
            windows = _windows_in_full_depth(problem, coder)
            windows.log_likelihood(problem.test, [windows.select_sigma(problem.val, PAPER_SIGMAS)])

        def its_scores() -> Tensor:
            return _windows_in_full_depth(problem, coder).log_likelihood(checked, [sigma])[:, 0]

        return Way(name, lambda: _time(protocol), its_scores)

    origin = (problem.centres.amin(0).double() + problem.centres.amax(0).double()) / 2
    ways = [
        Way("lit-gan", lambda: _time(lambda: _protocol(problem)), scores),
        Way("lit-gan, 2 threads", lambda: _time(lambda: _protocol(problem)), scores, threads=2),
        Way("lit-gan, ParzenNLL", lambda: _time(lambda: _metric(problem)), scores),
        full_depth("lit-gan, full depth in float32", lambda: Float32Coder(origin)),
    ]
    if int8_matmul_is_exact("cpu"):
        ways.append(full_depth("lit-gan, full depth in int8", lambda: coder_for(problem.centres, 0.0, 1.0)))
    return ways


def screen_of(problem: Problem) -> str:
    """Which way lit-gan takes to find near centres on this machine, in words."""
    members, counts = distinct_rows(problem.centres)
    search = CentreSearch(problem.centres, members, counts, lambda: coder_for(problem.centres, 0.0, 1.0))
    speedup = int8_speedup(problem.centres.shape[1])
    products = f"int8 products are {speedup:.1f} times as fast as float32" if speedup else "no exact int8 products"
    if search.projected is not None:
        return f"along {search.projected.num_axes} axes ({products})"
    return f"in full depth in {'int8' if speedup else 'float32'} ({products})"


def processor() -> str:
    """The processor's name, as Linux has it, and what it has for products of bytes."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    has = [name for name in ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8") if name in flags]
    return ", ".join([*names[:1], *has]) or platform.processor() or platform.machine()


def _competing_way(problem: Problem, competitor: Competitor, sigma: float) -> Way:
    """On part of the rows where all would take minutes; the time is extrapolated by rows."""
    num_val, num_test = problem.val.shape[0], problem.test.shape[0]
    val = problem.val[: competitor.rows]
    test = problem.test[: competitor.rows]

    def seconds() -> float:
        choice = _time(lambda: competitor.evaluate(val, problem.centres, PAPER_SIGMAS))
        score = _time(lambda: competitor.evaluate(test, problem.centres, [sigma]))
        return choice * num_val / val.shape[0] + score * num_test / test.shape[0]

    def scores() -> Tensor:
        return competitor.evaluate(problem.test[:_CHECKED_ROWS], problem.centres, [sigma])[:, 0]

    whole = competitor.rows is None or competitor.rows >= num_test
    return Way(competitor.name, seconds, scores, extrapolated_from=None if whole else competitor.rows)


def _bare_ways(problem: Problem) -> list[Way]:
    """The products of the protocol's shapes, into memory that is there: the floor of a dense method."""
    rows, centres = torch.cat([problem.val, problem.test]), problem.centres
    out = torch.empty(_GEMM_ROWS, centres.shape[0])

    def float32() -> None:
        for part in torch.split(rows, _GEMM_ROWS):
            torch.mm(part, centres.T, out=out[: part.shape[0]])

    ways = [
        Way(_BARE, lambda: _time(float32)),
        Way(f"{_BARE}, 2 threads", lambda: _time(float32), threads=2),
    ]
    if int8_matmul_is_exact("cpu"):
        coder = Int8Coder(0.0, 1.0, centres.shape[1])
        left, right = coder.encode(rows).values, coder.encode(centres).values
        out32 = torch.empty(_GEMM_ROWS, centres.shape[0], dtype=torch.int32)

        def int8() -> None:
            for part in torch.split(left, _GEMM_ROWS):
                int8_matmul(part, right, out32[: part.shape[0]])

        ways.append(Way("bare int8 GEMM", lambda: _time(int8)))
    return ways


def _run(problem: Problem, repeats: int, competitors: Sequence[Competitor]) -> list[Result]:
    torch.set_num_threads(1)
    sigma = select_sigma(problem.val, problem.centres)
    scores = parzen_log_likelihood(problem.test, problem.centres, sigma)
    print(
        f"{problem.name}: {mean(scores):.2f} +- {standard_error(scores):.2f} nats at sigma {sigma:.4f}",
        flush=True,
    )
    print(f"  found {screen_of(problem)}", flush=True)
    ways = [*_bare_ways(problem), *_own_ways(problem, sigma)]
    ways += [_competing_way(problem, competitor, sigma) for competitor in competitors]
    exact = reference(problem.test[:_CHECKED_ROWS], problem.centres, sigma)
    errors = {way.name: float((way.scores() - exact).abs().max()) for way in ways if way.scores is not None}
    seconds: dict[str, list[float]] = {way.name: [] for way in ways}
    for _ in range(repeats):
        for way in ways:
            torch.set_num_threads(way.threads)
            seconds[way.name].append(way.seconds())
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    return [
        Result(
            problem.name,
            way.name,
            medians[way.name],
            medians[way.name] / medians[_BARE],
            errors.get(way.name),
            way.extrapolated_from,
        )
        for way in ways
    ]


def _table(results: list[Result]) -> str:
    lines = [
        "| data | way | seconds | x bare float32 GEMM | largest error, nats | measured on |",
        "|---|---|---|---|---|---|",
    ]
    for r in results:
        error = "" if r.error is None else f"{r.error:.1e}"
        rows = "all rows" if r.extrapolated_from is None else f"{r.extrapolated_from} rows, extrapolated"
        lines.append(f"| {r.problem} | {r.name} | {r.seconds:.3g} | {r.ratio:.3g} | {error} | {rows} |")
    return "\n".join(lines) + "\n"


def _plot(results: list[Result], file: Path) -> None:
    from matplotlib import pyplot as plt  # noqa: PLC0415  after the backend is set

    problems = list(dict.fromkeys(r.problem for r in results))
    figure, axes = plt.subplots(1, len(problems), figsize=(6 * len(problems), 5), sharey=True, squeeze=False)
    for axis, problem in zip(axes[0], problems, strict=True):
        lines = [r for r in results if r.problem == problem]
        colours = ["tab:orange" if r.name.startswith("lit-gan") else "tab:gray" for r in lines]
        names = [r.name + (" (extrapolated)" if r.extrapolated_from else "") for r in lines]
        axis.barh(names, [r.ratio for r in lines], color=colours)
        axis.set(xscale="log", title=problem, xlabel="time / bare float32 GEMM, one thread")
        axis.axvline(1, color="black", linewidth=0.8)
        axis.invert_yaxis()
    figure.tight_layout()
    figure.savefig(file, dpi=120)
    plt.close(figure)


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.parzen", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for the table and the plot")
    parser.add_argument("--mnist", type=Path, help="root of MNIST as torchvision has it")
    parser.add_argument("--depths", type=int, nargs="+", default=[784, 2304, 3072], help="784, 2304, 3072")
    parser.add_argument("--repeats", type=int, default=3, help="rounds; the table shows medians")
    parser.add_argument("--own", action="store_true", help="without the competitors, which take most of the time")
    parser.add_argument("--quick", action="store_true", help="1/10 of the rows and centres, to try it out")
    options = parser.parse_args()
    sizes = (100, 1000, 1000) if options.quick else (1000, 10_000, 10_000)
    results, screens = [], []
    for depth in options.depths:
        real = options.mnist is not None and depth == 784
        problem = mnist(options.mnist, *sizes) if real else digits(depth, *sizes)
        results += _run(problem, options.repeats, () if options.own else COMPETITORS)
        screens.append(f"{problem.name}: near centres are found {screen_of(problem)}")
    options.out.mkdir(parents=True, exist_ok=True)
    header = f"{processor()}; torch {torch.__version__}, medians of {options.repeats} rounds in turn\n\n"
    (options.out / "parzen.md").write_text(header + "\n".join(screens) + "\n\n" + _table(results))
    whole = {"processor": processor(), "torch": torch.__version__, "screens": screens}
    (options.out / "parzen.json").write_text(json.dumps(whole | {"results": [asdict(r) for r in results]}, indent=1))
    _plot(results, options.out / "parzen.png")
    print(_table(results))


if __name__ == "__main__":
    main()
