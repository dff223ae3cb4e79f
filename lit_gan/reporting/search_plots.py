"""Pictures of a search: how it went, which values go together, and which parameters matter.

Optuna's own drawings with matplotlib are experimental, warn at each call, and take constants and texts badly.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

_COLOUR, _BEST, _FAINT = "#3b6fb6", "#d1495b", "#9aa5b1"
_MAP = "viridis"
_DPI = 150


def draw_history(trials: Sequence[FrozenTrial], metric: str, goal: str, target: Path) -> None:
    """The value of every trial, and the best one so far."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    complete, pruned = (_with_value(trials, state) for state in (TrialState.COMPLETE, TrialState.PRUNED))
    for found, label, style in (
        (complete, "complete", {"color": _COLOUR}),
        (pruned, "stopped early", {"facecolors": "none", "edgecolors": _FAINT}),
    ):
        if found:
            values = [trial.value for trial in found]
            axes.scatter([trial.number for trial in found], values, label=label, zorder=3, **style)  # type: ignore[arg-type]
    if complete:
        numbers, best = _best_so_far(complete, goal)
        axes.step([*numbers, max(trial.number for trial in trials)], [*best, best[-1]], where="post", color=_BEST,
                  label="best so far")  # fmt: skip
    if complete or pruned:
        axes.legend(frameon=False)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="trial", ylabel=metric, title=f"{metric}, {goal}d")
    _save(figure, axes, target)


def draw_parallel(
    trials: Sequence[FrozenTrial], names: Mapping[str, str], metric: str, goal: str, target: Path
) -> None:
    """Every complete trial as a line through its parameters and its value; constants are left out."""
    complete = _with_value(trials, TrialState.COMPLETE)
    varied = _varied(complete, names)
    scales = [_Scale.of_parameter(name, complete) for name in varied]
    values = _Scale([float(trial.value or 0.0) for trial in complete])
    figure = Figure(figsize=(max(5.0, 1.7 * (len(scales) + 1) + 1), 4.2), layout="constrained")
    if not varied:
        _write_empty(figure, target)
        return
    axes = figure.add_subplot()
    sign = 1 if goal == "minimize" else -1
    ranked = sorted(complete, key=lambda trial: sign * float(trial.value or 0.0), reverse=True)  # the best on top
    for trial in ranked:
        heights = [scale.height(trial.params[name]) for name, scale in zip(varied, scales, strict=True)]
        height = values.height(float(trial.value or 0.0))
        best = trial is ranked[-1]
        good = 1 - height if goal == "minimize" else height
        axes.plot(
            range(len(scales) + 1),
            [*heights, height],
            color=_BEST if best else colormaps[_MAP](0.9 * good),
            linewidth=2.5 if best else 1.2,
            alpha=1.0 if best else 0.7,
            label=f"best: trial {trial.number}" if best else None,
        )
    for place, scale in enumerate([*scales, values]):
        _draw_scale(axes, place, scale)
    axes.set_xticks(range(len(scales) + 1), [*(names[name] for name in varied), metric])
    axes.set(xlim=(-0.3, len(scales) + 0.6), ylim=(-0.06, 1.06), yticks=[])
    for side in ("left", "top", "right", "bottom"):
        axes.spines[side].set_visible(False)
    figure.legend(loc="outside upper right", frameon=False)
    figure.savefig(target, dpi=_DPI)


def draw_importances(study: Study, names: Mapping[str, str], metric: str, target: Path) -> None:
    """How much of the differences between trials each parameter explains (fANOVA)."""
    complete = _with_value(study.get_trials(deepcopy=False), TrialState.COMPLETE)
    varied = _varied(complete, names)
    figure = Figure(figsize=(7, max(2.2, 0.5 * len(varied) + 1.2)), layout="constrained")
    if not varied or len({trial.value for trial in complete}) == 1:
        _write_empty(figure, target)
        return
    shares = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0), params=varied)
    ordered = sorted(shares.items(), key=lambda item: item[1])
    axes = figure.add_subplot()
    bars = axes.barh([names[name] for name, _ in ordered], [share for _, share in ordered], color=_COLOUR)
    axes.bar_label(bars, fmt="%.2f", padding=4)
    title = f"What {metric} depends on, {len(complete)} trials"
    axes.set(xlim=(0, 1.08), xlabel="share of the variance", title=title)
    _save(figure, axes, target)


class _Scale:
    """One vertical axis: where a value lies between its bottom (0) and its top (1)."""

    def __init__(
        self, values: Sequence[Any], *, log: bool = False, whole: bool = False, choices: Sequence[Any] | None = None
    ) -> None:
        self._log = log
        self._whole = whole
        self._choices = choices
        places = [self._place(value) for value in values] if choices is None else [0.0, float(len(choices) - 1)]
        self._low, self._high = min(places, default=0.0), max(places, default=0.0)

    @classmethod
    def of_parameter(cls, name: str, trials: Sequence[FrozenTrial]) -> "_Scale":
        distribution = trials[0].distributions[name]
        if isinstance(distribution, CategoricalDistribution):
            return cls([], choices=distribution.choices)
        assert isinstance(distribution, FloatDistribution | IntDistribution)  # noqa: S101 -- there are three
        whole = isinstance(distribution, IntDistribution)
        return cls([trial.params[name] for trial in trials], log=distribution.log, whole=whole)

    def height(self, value: Any) -> float:
        """From 0 to 1; in the middle where all values are the same."""
        return self._height_of(self._place(value))

    def ticks(self) -> list[tuple[float, str]]:
        """Heights and what is written there."""
        if self._choices is not None:
            return [(self.height(choice), _text(choice)) for choice in self._choices]
        spread = self._high - self._low
        places = [self._low + spread * part / 4 for part in range(5)] if spread else [self._low]
        values = [10**place if self._log else place for place in places]
        if self._whole:
            values = sorted({round(value) for value in values})
        return [(self.height(value), _text(value)) for value in values]

    def _height_of(self, place: float) -> float:
        spread = self._high - self._low
        return (place - self._low) / spread if spread else 0.5

    def _place(self, value: Any) -> float:
        if self._choices is not None:
            return float(list(self._choices).index(value))
        return math.log10(value) if self._log else float(value)


def _draw_scale(axes: Axes, place: int, scale: _Scale) -> None:
    axes.axvline(place, color="#333333", linewidth=0.8, zorder=0)
    for height, text in scale.ticks():
        axes.plot([place - 0.02, place + 0.02], [height, height], color="#333333", linewidth=0.8)
        axes.text(place + 0.05, height, text, fontsize=8, va="center", color="#333333", zorder=4,
                  bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.8})  # fmt: skip


def _write_empty(figure: Figure, target: Path) -> None:
    figure.text(0.5, 0.5, "Nothing to compare: no two complete trials differ.", ha="center", color="#333333")
    figure.savefig(target, dpi=_DPI)


def _with_value(trials: Sequence[FrozenTrial], state: TrialState) -> list[FrozenTrial]:
    return [
        trial for trial in trials if trial.state == state and trial.value is not None and math.isfinite(trial.value)
    ]


def _best_so_far(trials: Sequence[FrozenTrial], goal: str) -> tuple[list[int], list[float]]:
    better = min if goal == "minimize" else max
    numbers: list[int] = []
    best: list[float] = []
    for trial in sorted(trials, key=lambda trial: trial.number):
        value = float(trial.value or 0.0)
        numbers.append(trial.number)
        best.append(better(best[-1], value) if best else value)
    return numbers, best


def _varied(trials: Sequence[FrozenTrial], names: Mapping[str, str]) -> list[str]:
    """The parameters of which there are at least two values."""
    return [name for name in names if len({trial.params[name] for trial in trials}) > 1]


def _text(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _save(figure: Figure, axes: Axes, target: Path) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(target, dpi=_DPI)
