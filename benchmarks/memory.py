"""How much memory a training needs, and what grows with the number of epochs.

``python -m benchmarks.memory --out FOLDER [--root DIR] [--stops N]`` trains ``quickstart`` for many epochs and
``mnist`` for a few short ones with the whole of its evaluation, and tests both, by the command, each in a process of
its own, and writes ``memory.md``, ``memory.json`` and ``memory.png``. Noise in files of the same format takes the place
of data that ``--root`` does not name. With ``--stops`` the quickstart is ended so many times on its way, by SIGTERM and
by SIGKILL in turn, and goes on by the same command. Further options are for ``lit-gan fit``, as in
``-- --wandb=offline``.
"""

import tempfile
from collections.abc import Sequence
from itertools import cycle, groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import commands
from benchmarks.measuring import arguments, markdown, write

MOST_MIB = 1.2e9 / 2**20  # of the MNIST run
Results = dict[str, Any]


def write_noise(root: Path, num_train: int = 60_000, num_test: int = 10_000) -> None:
    """MNIST's four files with random content."""
    folder = root / "MNIST" / "raw"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for part, num in {"train": num_train, "t10k": num_test}.items():
        _write_idx(folder / f"{part}-images-idx3-ubyte", rng.integers(256, size=(num, 28, 28), dtype=np.uint8))
        _write_idx(folder / f"{part}-labels-idx1-ubyte", rng.integers(10, size=num, dtype=np.uint8))


def _write_idx(file: Path, array: Any) -> None:
    shape = np.array(array.shape, dtype=">u4").tobytes()
    file.write_bytes(bytes([0, 0, 8, array.ndim]) + shape + array.tobytes())


#: What is looked at after each epoch.
COUNTED = {
    "mib": "memory, MiB",
    "files": "open files",
    "threads": "threads",
    "children": "child processes",
    "metrics_kib": "metrics.csv, KiB",
    "kept_kib": "run folder, KiB",
    "kept_files": "files in the run folder",
}


def measure(folder: Path, config: str, epochs: int, *options: str, stops: int = 0) -> Results:
    """The peak of a training and of its test, MiB, and what the training has at the end of each epoch, by process."""
    run = folder / config
    with commands.marks(*(epochs * (stop + 1) // (stops + 1) for stop in range(stops))) as (marks, file):
        command = commands.options_of(run, config, f"--trainer.max_epochs={epochs}", *options, *marks)
        codes = [*islice(cycle(commands.ENDS.values()), stops), 0]
        fits = [commands.lit_gan(*command, code=code) for code in codes]
        left = commands.read(file, "epoch")
    processes = [list(marks) for _, marks in groupby(left, key=itemgetter("pid"))]
    scored = [option for option in options if option.startswith(("--parzen", "--evaluation"))]
    test = commands.lit_gan("test", str(run), "--allow", "benchmarks", *scored)
    peak = max(fit.peak_mib for fit in fits)
    return {"name": config, "fit": peak, "test": test.peak_mib, "stops": stops, "processes": processes}


def growth(*processes: Sequence[float]) -> float:
    """How much more an epoch, over the second half of each process, whose first one fills what is kept.

    One slope, and a level for each process: a fresh one begins lower.
    """
    later = [np.asarray(each[len(each) // 2 :], dtype=float) for each in processes]
    places = np.concatenate([np.arange(len(each)) - (len(each) - 1) / 2 for each in later])
    from_the_mean = np.concatenate([each - each.mean() for each in later])
    return float(places @ from_the_mean / max(places @ places, 1.0))


def _series(result: Results, name: str) -> list[list[float]]:
    return [[mark[name] for mark in marks] for marks in result["processes"] if name in marks[0]]


def table(results: Sequence[Results]) -> str:
    """A row for each run, and below it all that was counted of those that were stopped."""
    rows = []
    for each in results:
        peaks = [f"{each['fit']:,.0f}", f"{each['test']:,.0f}", f"{MOST_MIB:,.0f}" if each["name"] == "mnist" else ""]
        epochs = str(each["processes"][-1][-1]["epoch"])
        rows.append([each["name"], *peaks, epochs, f"{growth(*_series(each, 'mib')):+.3f}"])
    text = markdown(["", "training, peak MiB", "test, peak MiB", "at most", "epochs", "growth, MiB an epoch"], rows)
    return text + "".join(f"\n{_counted(each)}" for each in results if each["stops"])


def _counted(result: Results) -> str:
    rows = []
    for name, said in COUNTED.items():
        if series := _series(result, name):
            at_the_ends = ", ".join(f"{each[-1]:,.0f}" for each in series)
            rows.append([said, f"{series[0][0]:,.0f}", at_the_ends, f"{growth(*series):+.3f}"])
    return markdown([result["name"], "after the first epoch", "at the end of each process", "growth an epoch"], rows)


def draw(figure: Any, results: Sequence[Results]) -> None:
    """Memory by epoch, and the peaks."""
    figure.set_size_inches(4.5 * len(results), 3.2)
    for axis, each in zip(figure.subplots(1, len(results), squeeze=False)[0], results, strict=True):
        for place, marks in enumerate(each["processes"]):
            said = None if place else "at the end of an epoch, a colour for each process"
            axis.plot([mark["epoch"] for mark in marks], [mark["mib"] for mark in marks], ".-", label=said)
        axis.axhline(each["fit"], color="black", linewidth=0.8, label="peak of the training")
        if each["name"] == "mnist":
            axis.axhline(MOST_MIB, color="tab:red", linestyle=":", label="at most")
        axis.set(title=each["name"], xlabel="epoch", ylabel="MiB", ylim=(0, None))
        axis.legend(fontsize=7, loc="lower right")


def main(given: Sequence[str] | None = None) -> None:
    """Measures both."""
    parser = arguments("memory", __doc__)
    parser.add_argument("--root", type=Path, help="the folder of MNIST (default: noise in its format)")
    parser.add_argument("--epochs", type=int, help="of the quickstart (default: 200, with --quick 2)")
    parser.add_argument("--mnist-epochs", type=int, default=4, help="of MNIST (default: 4; 0: it is left out)")
    parser.add_argument("--stops", type=int, default=0, help="of the quickstart on its way (default: 0)")
    parser.add_argument("further", nargs="*", help="options of `lit-gan fit`, after --")
    options = parser.parse_args(given)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        short = ("--parzen.num_samples=200", "--evaluation.metrics=[]", "--report=false") if options.quick else ()
        epochs = options.epochs or (2 if options.quick else 200)
        results = [measure(folder, "quickstart", epochs, *short, *options.further, stops=options.stops)]
        if options.mnist_epochs and not options.quick:
            root = options.root or folder / "data"
            if options.root is None:
                write_noise(root)
            given = "--trainer.limit_train_batches=20", f"--data.init_args.root={root}"
            results.append(measure(folder, "mnist", options.mnist_epochs, *given, *options.further))
    print(write(options.out, "memory", results, table(results), lambda figure: draw(figure, results)))


if __name__ == "__main__":
    main()
