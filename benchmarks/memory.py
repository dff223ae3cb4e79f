"""How much memory a training needs, and whether it grows with the number of epochs.

``python -m benchmarks.memory --out FOLDER [--root DIR]`` trains ``quickstart`` for many epochs and ``mnist`` for a few
short ones with the whole of its evaluation, and tests both, by the command, each in a process of its own, and writes
``memory.md``, ``memory.json`` and ``memory.png``. Noise in files of the same format takes the place of
data that ``--root`` does not name.
"""

import tempfile
from collections.abc import Sequence
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


def measure(folder: Path, config: str, epochs: int, *options: str) -> Results:
    """The peak of a training and of its test, MiB, and what the training has at the end of each epoch."""
    run = folder / config
    with commands.marks() as (marks, file):
        fit = commands.lit_gan(*commands.options_of(run, config, f"--trainer.max_epochs={epochs}", *options, *marks))
        by_epoch = [mark["mib"] for mark in commands.read(file, "epoch")]
    scored = [option for option in options if option.startswith(("--parzen", "--evaluation"))]
    test = commands.lit_gan("test", str(run), "--allow", "benchmarks", *scored)
    return {"name": config, "fit": fit.peak_mib, "test": test.peak_mib, "by_epoch": by_epoch}


def growth(by_epoch: Sequence[float]) -> float:
    """MiB an epoch, over the second half: the first one fills what is kept."""
    later = by_epoch[len(by_epoch) // 2 :]
    return float(np.polyfit(range(len(later)), later, 1)[0]) if len(later) > 1 else 0.0


def table(results: Sequence[Results]) -> str:
    """A row for each run."""
    rows = []
    for each in results:
        peaks = [f"{each['fit']:,.0f}", f"{each['test']:,.0f}", f"{MOST_MIB:,.0f}" if each["name"] == "mnist" else ""]
        rows.append([each["name"], *peaks, str(len(each["by_epoch"])), f"{growth(each['by_epoch']):+.3f}"])
    return markdown(["", "training, peak MiB", "test, peak MiB", "at most", "epochs", "growth, MiB an epoch"], rows)


def draw(figure: Any, results: Sequence[Results]) -> None:
    """Memory by epoch, and the peaks."""
    figure.set_size_inches(4.5 * len(results), 3.2)
    for axis, each in zip(figure.subplots(1, len(results), squeeze=False)[0], results, strict=True):
        axis.plot(range(1, len(each["by_epoch"]) + 1), each["by_epoch"], ".-", label="at the end of an epoch")
        axis.axhline(each["fit"], color="black", linewidth=0.8, label="peak of the training")
        if each["name"] == "mnist":
            axis.axhline(MOST_MIB, color="tab:red", linestyle=":", label="at most")
        axis.set(title=each["name"], xlabel="epoch", ylabel="MiB", ylim=(0, None))
        axis.legend(fontsize=7, loc="lower right")


def main(given: Sequence[str] | None = None) -> None:
    """Measures both."""
    parser = arguments("memory", __doc__)
    parser.add_argument("--root", type=Path, help="the folder of MNIST (default: noise in its format)")
    parser.add_argument("--epochs", type=int, default=200, help="of the quickstart (default: 200)")
    parser.add_argument("--mnist-epochs", type=int, default=4, help="of MNIST (default: 4)")
    options = parser.parse_args(given)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        short = ("--parzen.num_samples=200", "--evaluation.metrics=[]", "--report=false") if options.quick else ()
        results = [measure(folder, "quickstart", 2 if options.quick else options.epochs, *short)]
        if not options.quick:
            root = options.root or folder / "data"
            if options.root is None:
                write_noise(root)
            given = "--trainer.limit_train_batches=20", f"--data.init_args.root={root}"
            results.append(measure(folder, "mnist", options.mnist_epochs, *given))
    print(write(options.out, "memory", results, table(results), lambda figure: draw(figure, results)))


if __name__ == "__main__":
    main()
