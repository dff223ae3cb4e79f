"""The paper's score against the images seen, of one run folder or more, and what the last of them draws.

``python -m benchmarks.score_curve RUN... --out FILE.png [--goal 225]`` trains nothing: it reads what the trainings have
logged. A training still running has a curve, too.
"""

import argparse
import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import yaml
from PIL import Image

mpl.use("Agg")


@dataclass(frozen=True)
class Curve:
    """A run's scores while it trained.

    Args:
        name: Of its configuration, or of its folder.
        images: Seen by G and D before each validation.
        nats: Log-likelihoods of held-out images, per image.
        real: That of real images, where the run has it.
    """

    name: str
    images: list[int]
    nats: list[float]
    real: float | None


def curve(run: Path) -> Curve:
    """What a run folder says; rows without a score are rounds without a validation."""
    config = yaml.safe_load((run / "config.yaml").read_text())
    coordination = config["model"]["init_args"]["coordination"]["init_args"]
    with (run / "metrics.csv").open() as table:
        rows = [row for row in csv.DictReader(table) if row.get("val/parzen_nll")]
    each = int(config["data"]["init_args"]["batch_size"]) * int(coordination.get("k", 1))
    scores = run / "scores.json"
    held_out = json.loads(scores.read_text())["val"]["rows"] if scores.exists() else {}
    real = held_out.get("training images", {}).get("log_likelihood")
    images = [(int(row["step"]) + 1) * each for row in rows]
    return Curve(_name(run), images, [-float(row["val/parzen_nll"]) for row in rows], real)


def _name(run: Path) -> str:
    """`runs/NAME/ID`, or a folder of its own name."""
    return run.parent.name if run.parent.parent.name == "runs" else run.name


def plot(curves: Sequence[Curve], samples: Path | None, goal: float | None, file: Path) -> None:
    """Curves over a logarithmic axis, and a grid of samples beside them."""
    from matplotlib import pyplot as plt  # noqa: PLC0415  after the backend is set

    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 5), width_ratios=(1.4, 1))
    for each in curves:
        left.plot(each.images, each.nats, "o-", markersize=3, label=each.name)
    if goal is not None:
        left.axhline(goal, color="grey", linestyle=":", label=f"the paper: {goal:g}")
    for real in {each.real for each in curves if each.real is not None}:
        left.axhline(real, color="black", linestyle="--", label=f"real images: {real:.0f}")
    left.set(xscale="log", ylim=(0, None), xlabel="images seen", ylabel="log-likelihood of held-out images, nats")
    left.legend(loc="lower right")
    right.axis("off")
    if samples is not None:
        with Image.open(samples) as image:
            right.imshow(image, cmap="gray")
    figure.tight_layout()
    figure.savefig(file, dpi=100)
    plt.close(figure)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--goal", type=float, help="a score to reach, marked: 225 on MNIST, the paper's")
    arguments = parser.parse_args()
    grids = sorted((arguments.runs[-1] / "samples").glob("round-*.png"))
    plot([curve(run) for run in arguments.runs], grids[-1] if grids else None, arguments.goal, arguments.out)


if __name__ == "__main__":
    main()
