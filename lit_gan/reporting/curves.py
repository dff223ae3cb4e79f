"""The learning curves of a report: which quantities go together, and which values mean something."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lit_gan.reporting.line_chart import Line, LineChart
from lit_gan.reporting.run_data import RunData
from lit_gan.runs.metrics_file import Column


@dataclass(frozen=True)
class _Curve:
    title: str
    explanation: str
    names: tuple[tuple[str, str], ...]  # logged, shown
    marks: tuple[tuple[float, str], ...] = ()
    log: bool = False
    unit: str = ""


_CURVES = (
    _Curve(
        "Losses",
        "What each player minimises. In a game neither has to fall.",
        (("train/loss_d", "D"), ("train/loss_g", "G")),
    ),
    _Curve(
        "V(D, G)",
        "The value of the game: -log 4 where the samples cannot be told from data, 0 where D is always right.",
        (("train/value", "minibatches"), ("val/value", "held-out images")),
        ((-math.log(4), "-log 4"), (0.0, "0")),
        unit="nats",
    ),
    _Curve(
        "Bound of the Jensen-Shannon divergence",
        "(V + log 4) / 2, what D proves of the distance between data and samples; log 2 is all there is.",
        (("train/jsd_bound", "minibatches"), ("val/jsd_bound", "held-out images")),
        ((0.0, "0"), (math.log(2), "log 2")),
        unit="nats",
    ),
    _Curve(
        "D(x) and D(G(z))",
        "The means of D on examples and on samples; 1/2 for both where D can only guess.",
        (("train/d_real", "D(x)"), ("train/d_fake", "D(G(z))")),
        ((0.5, "1/2"),),
    ),
    _Curve(
        "D's lead",
        "Twice the share of D's right decisions, less one.",
        (("train/d_lead", "minibatches"), ("val/d_lead", "held-out images")),
        ((0.0, "a guess"),),
    ),
    _Curve(
        "Gradient norms",
        "Of each player, before clipping.",
        (("train/grad_norm_d", "D"), ("train/grad_norm_g", "G")),
        log=True,
    ),
    _Curve(
        "Learning rates",
        "Of each player.",
        (("train/lr_d", "D"), ("train/lr_g", "G")),
        log=True,
    ),
    _Curve("Throughput", "Training examples a second, evaluation left out.", (("perf/images_per_second", "images/s"),)),
)
_SHOWN = {name for curve in _CURVES for name, _ in curve.names} | {"val/parzen_nll", "val/parzen_se", "val/loss_d"}
_FEWEST = 3  # points of a quantity that has a chart of its own; two are in the table
# What says nothing as a curve.
_NOT_SHOWN = ("val/parzen_sigma", "val/loss_g", "val/d_real", "val/d_fake")


def learning_curves(runs: Sequence[RunData]) -> list[LineChart]:
    """The charts for which there are numbers, those that everybody asks for first."""
    charts = [_parzen(runs), *(_chart(curve, runs) for curve in _CURVES)]
    columns = [column for run in runs for column in run.metrics.columns.items()]
    names = dict.fromkeys(name for name, found in columns if name.startswith("val/") and len(found.values) >= _FEWEST)
    further = [name for name in names if name not in _SHOWN and name not in _NOT_SHOWN and not name.endswith("_real")]
    for name in further:
        beside = ((name, name.removeprefix("val/")), (f"{name}_real", "real images"))
        charts.append(_chart(_Curve(name.removeprefix("val/"), f"As logged: {name}.", beside), runs))
    return [chart for chart in charts if any(line.rounds for line in chart.lines)]


def _chart(curve: _Curve, runs: Sequence[RunData]) -> LineChart:
    lines = []
    for number, run in enumerate(runs):
        for kind, (name, shown) in enumerate(curve.names):
            column = run.metrics.columns.get(name, Column())
            label = f"{run.name}: {shown}" if len(runs) > 1 else shown
            lines.append(Line(label, number, column.rounds, column.values, kind=kind))
    return LineChart(curve.title, curve.explanation, lines, curve.marks, curve.log, curve.unit)


def _parzen(runs: Sequence[RunData]) -> LineChart:
    lines = []
    for number, run in enumerate(runs):
        nll = run.metrics.columns.get("val/parzen_nll", Column())
        errors = run.metrics.columns.get("val/parzen_se", Column())
        band = errors.values if errors.rounds == nll.rounds else ()
        label = run.name if len(runs) > 1 else "held-out images"
        lines.append(Line(label, number, nll.rounds, [-value for value in nll.values], band))
    text = "Parzen-window log-likelihood of held-out images, higher is better; the band is its standard error."
    return LineChart("Parzen score", text, lines, unit="nats")
