"""A score against the images seen, of one run folder or more, and what the last of them draws.

``python -m benchmarks.score_curve RUN... --out FILE.png [--goal 225] [--scores frechet_distance precision ...]`` trains
nothing: it reads what the trainings have logged. A training still running has a curve, too.
"""

import argparse
import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import matplotlib as mpl
import yaml
from PIL import Image

mpl.use("Agg")

PAPERS = "parzen_nll"


@dataclass(frozen=True)
class Curve:
    """A run's scores while it trained.

    Args:
        name: Of its configuration, or of its folder.
        images: Seen by G and D before each validation.
        values: The score then; of the paper's the log-likelihood of held-out images, in nats per image.
        real: That of real images, where the run has it.
    """

    name: str
    images: list[int]
    values: list[float]
    real: float | None


def averages(run: Path) -> list[Curve]:
    """The paper's score of the averages that ``benchmarks.averages.ScoredAverage`` kept beside the run's own."""
    with (run / "metrics.csv").open() as table:
        names = [name.removeprefix("val/") for name in next(csv.reader(table))]
    beside = [f"{PAPERS}_{way}_" for way in ("decay", "half_life", "horizon")]
    found = [name for name in names if name.startswith(tuple(beside))]
    return [replace(curve(run, name), name=f"{_name(run)}, {name.removeprefix(f'{PAPERS}_')}") for name in found]


def curve(run: Path, score: str = PAPERS) -> Curve:
    """What a run folder says; rows without a score are rounds without a validation."""
    config = yaml.safe_load((run / "config.yaml").read_text())
    coordination = config["model"]["init_args"]["coordination"]["init_args"]
    with (run / "metrics.csv").open() as table:
        rows = [row for row in csv.DictReader(table) if row.get(f"val/{score}")]
    each = int(config["data"]["init_args"]["batch_size"]) * int(coordination.get("k", 1))
    images = [(int(row["step"]) + 1) * each for row in rows]
    values = [float(row[f"val/{score}"]) for row in rows]
    if not score.startswith(PAPERS):
        return Curve(_name(run), images, values, None)
    scores = run / "scores.json"
    held_out = json.loads(scores.read_text())["val"]["rows"] if scores.exists() else {}
    real = held_out.get("training images", {}).get("log_likelihood")
    return Curve(_name(run), images, [-value for value in values], real)


def _name(run: Path) -> str:
    """`runs/NAME/ID`, or a folder of its own name."""
    return run.parent.name if run.parent.parent.name == "runs" else run.name


def plot(scores: Mapping[str, Sequence[Curve]], samples: Path | None, goal: float | None, file: Path) -> None:
    """The curves of each score over a logarithmic axis, and a grid of samples beside them."""
    from matplotlib import pyplot as plt  # noqa: PLC0415  after the backend is set

    figure = plt.figure(figsize=(12, 5), layout="constrained")
    left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=(1.4, 1))[0]
    panels = left.subplots(len(scores), sharex=True, squeeze=False)[:, 0]
    for panel, (score, curves) in zip(panels, scores.items(), strict=True):
        for each in curves:
            panel.plot(each.images, each.values, "o-", markersize=3, label=each.name)
        if goal is not None:
            panel.axhline(goal, color="grey", linestyle=":", label=f"the paper: {goal:g}")
        for real in {each.real for each in curves if each.real is not None}:
            panel.axhline(real, color="black", linestyle="--", label=f"real images: {real:.0f}")
        panel.set(xscale="log", ylim=(0, None), ylabel=_label(score))
    panels[0].legend(loc="best")
    panels[-1].set_xlabel("images seen")
    grid = right.subplots()
    grid.axis("off")
    if samples is not None:
        with Image.open(samples) as image:
            grid.imshow(image, cmap="gray")
    figure.savefig(file, dpi=100)
    plt.close(figure)


def _label(score: str) -> str:
    return "log-likelihood of held-out images, nats" if score == PAPERS else score.replace("_", " ")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--scores", nargs="+", default=[PAPERS], help="logged as val/NAME; a panel each")
    parser.add_argument("--goal", type=float, help="a score to reach, marked: 225 on MNIST, the paper's")
    arguments = parser.parse_args()
    grids = sorted((arguments.runs[-1] / "samples").glob("round-*.png"))
    scores = {score: [curve(run, score) for run in arguments.runs] for score in arguments.scores}
    if PAPERS in scores:
        scores[PAPERS] += [each for run in arguments.runs for each in averages(run)]
    plot(scores, grids[-1] if grids else None, arguments.goal, arguments.out)


if __name__ == "__main__":
    main()
