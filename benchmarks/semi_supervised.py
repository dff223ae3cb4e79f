"""Few labels, measured: a semi-supervised GAN, its features, and the same classifier without them.

``python -m benchmarks.semi_supervised --out FOLDER [--labels 30 100] [--draws 5] [--epochs 500]`` trains
``digits_semi_supervised`` for several draws of the labelled examples, and writes ``semi_supervised.md``, ``.json`` and
``.png``: the test errors, mean and standard deviation over the draws; with ``--config mnist_semi_supervised --root
DIR`` on MNIST. ``--checkpoint RUN`` trains nothing: it measures linear classifiers and fine-tuning on what a
finished GAN or inference network has learned without any label, the paper's own words for this extension. What is in
the JSON file is not measured again; a training that was stopped goes on.
"""

import argparse
import csv
import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import yaml

from lit_gan import GAN, InferenceNetwork, SemiSupervisedGAN
from lit_gan.cli.main import main as lit_gan
from lit_gan.data import DigitsDataModule, MNISTDataModule
from lit_gan.data.base import InMemoryDataModule
from lit_gan.errors import UserError
from lit_gan.evaluation.few_labels import few_label_errors

mpl.use("Agg")

ROWS = {
    "linear_pixels": "linear, on pixels",
    "supervised": "the same network, labels alone",
    "linear_features": "linear, on frozen features",
    "fine_tuned": "fine-tuned from there",
    "joint": "joint training (`SemiSupervisedGAN`)",
}
Measured = dict[str, Any]


def train(config: str, num_labels: int, label_seed: int, folder: Path, options: Sequence[str]) -> Path:
    """One training by the command, from its beginning or from where it was stopped; its run folder."""
    run = folder / f"{num_labels}-labels-draw-{label_seed}"
    drawn = f"--model.init_args.num_labels={num_labels}", f"--model.init_args.label_seed={label_seed}"
    code = lit_gan(["fit", "--config", config, *drawn, "--run_dir", str(run), "--wandb", "off", *options])
    if code:
        raise SystemExit(code)
    return run


def curve(run: Path) -> list[tuple[int, float]]:
    """Validation errors by round."""
    with (run / "metrics.csv").open() as table:
        return [(int(row["step"]), float(row["val/error"])) for row in csv.DictReader(table) if row.get("val/error")]


def data_of(config: str, root: str | None) -> InMemoryDataModule:
    """The data that a configuration trains on."""
    if not config.startswith("mnist"):
        return DigitsDataModule()
    if root is None:
        raise UserError(f"--config {config} needs --root DIR, the folder of the data.")
    held_out = yaml.safe_load(Path(f"configs/{config}.yaml").read_text())["data"]["init_args"]["num_validation"]
    return MNISTDataModule(root, num_validation=held_out)


def load(path: str) -> GAN | InferenceNetwork:
    """A finished module of either kind."""
    try:
        return GAN.load_from_checkpoint(path)
    except UserError:
        return InferenceNetwork.load_from_checkpoint(path)


def table(measured: Sequence[Measured]) -> str:
    """Errors in per cent, a row for each way and a column for each number of labels."""
    numbers = sorted({each["labels"] for each in measured})
    head = [f"{number:,} labels ({_draws(measured, number)})" for number in numbers]
    lines = ["| Test error, % | " + " | ".join(head) + " |", "|---|" + "---|" * len(numbers)]
    for name, said in ROWS.items():
        cells = [_cell([100 * each["errors"][name] for each in _of(measured, number, name)]) for number in numbers]
        if any(cells):
            lines.append(f"| {said} | " + " | ".join(cell or "-" for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _of(measured: Sequence[Measured], number: int, name: str) -> list[Measured]:
    return [each for each in measured if each["labels"] == number and name in each["errors"]]


def _draws(measured: Sequence[Measured], number: int) -> str:
    draws = sum(each["labels"] == number for each in measured)
    return f"{draws} draw" + ("s" if draws > 1 else "")


def _cell(errors: Sequence[float]) -> str:
    if not errors:
        return ""
    spread = f" ± {statistics.stdev(errors):.2f}" if len(errors) > 1 else ""
    return f"{statistics.mean(errors):.2f}{spread}"


def picture(measured: Sequence[Measured], path: Path) -> None:
    """The classifier's validation error over the rounds, a line for each training, and what labels alone come to."""
    from matplotlib import pyplot as plt  # noqa: PLC0415 -- after the backend is chosen

    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    numbers = sorted({each["labels"] for each in measured})
    for place, number in enumerate(numbers):
        colour = mpl.colormaps["viridis"](place / len(numbers))
        of_number = [each for each in measured if each["labels"] == number and each.get("curve")]
        for index, each in enumerate(of_number):
            said = f"{number:,} labels, joint" if index == 0 else None
            axes.plot(*zip(*each["curve"], strict=True), color=colour, label=said)
        alone = [each["errors"]["supervised"] for each in of_number]
        if alone:
            said = f"{number:,} labels, the same network alone (test)"
            axes.axhline(statistics.mean(alone), color=colour, linestyle=":", label=said)
    axes.set(xlabel="round", ylabel="error on held-out images", yscale="log")
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def write(measured: Mapping[str, Measured], out: Path) -> None:
    """All three files."""
    (out / "semi_supervised.json").write_text(json.dumps(measured, indent=1) + "\n")
    rows = list(measured.values())
    (out / "semi_supervised.md").write_text(table(rows))
    if any(each.get("curve") for each in rows):
        picture(rows, out / "semi_supervised.png")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures what is not there yet, and writes after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="digits_semi_supervised")
    parser.add_argument("--root", help="the folder of MNIST")
    parser.add_argument("--labels", type=int, nargs="+", default=[30])
    parser.add_argument("--draws", type=int, default=1, help="seeds 0, 1, ... of the draw of labels")
    parser.add_argument("--epochs", type=int, help="instead of the configuration's")
    parser.add_argument("--checkpoint", nargs="*", default=[], help="finished GANs or inference networks instead")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    stored = options.out / "semi_supervised.json"
    measured: dict[str, Measured] = json.loads(stored.read_text()) if stored.exists() else {}
    data = data_of(options.config, options.root)
    further = [] if options.root is None else [f"--data.init_args.root={options.root}"]
    further += [] if options.epochs is None else [f"--trainer.max_epochs={options.epochs}"]
    for path in options.checkpoint or [None]:
        for number, draw in ((number, draw) for number in options.labels for draw in range(options.draws)):
            key = f"{path or options.config} {number} {draw}"
            if key in measured:
                continue
            run = None if path else train(options.config, number, draw, options.out, further)
            module = load(path) if path else SemiSupervisedGAN.load_from_checkpoint(str(run))
            errors = few_label_errors(module, data, number, draw)
            measured[key] = {"labels": number, "draw": draw, "errors": errors, "curve": curve(run) if run else []}
            write(measured, options.out)
    print(table(list(measured.values())), end="")


if __name__ == "__main__":
    main()
