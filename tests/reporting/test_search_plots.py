"""Plots of any search, without a warning (they are errors here)."""

from pathlib import Path
from typing import Any

import optuna
import pytest
from matplotlib.image import imread
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from lit_gan.reporting import search_plots
from lit_gan.reporting.search_plots import draw_history, draw_importances, draw_parallel

SPACE: dict[str, BaseDistribution] = {
    "lr": FloatDistribution(1e-4, 0.1, log=True),
    "k": IntDistribution(1, 3),
    "latent": CategoricalDistribution(["Uniform", "Normal", None, True]),
    "constant": CategoricalDistribution([100]),
    "single": FloatDistribution(0.5, 0.5),
}
NAMES = {name: f"model.{name}" for name in SPACE}


@pytest.fixture(autouse=True)
def _working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def search(values: list[Any]) -> optuna.Study:
    """A trial for each value: a number, None for one that failed, a text for one that was stopped early."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for value in values:
        trial = study.ask(SPACE)
        if value is None:
            study.tell(trial, state=TrialState.FAIL)
        elif isinstance(value, str):
            trial.report(float(value), 1)
            study.tell(trial, state=TrialState.PRUNED)
        else:
            study.tell(trial, value)
    return study


@pytest.mark.parametrize(
    "values",
    [[1.0], [1.0, 1.0, 1.0], [1.0, None, 3.0], [2.0, "1.5", 1.0, float("inf"), 4.0], [None, "2.0"]],
    ids=["one", "equal", "failed", "mixed", "none complete"],
)
@pytest.mark.parametrize("goal", ["minimize", "maximize"])
def test_any_search_is_drawn(values: list[Any], goal: str) -> None:
    study = search(values)
    trials = study.get_trials()

    draw_history(trials, "val/score", goal, Path("history.png"))
    draw_parallel(trials, NAMES, "val/score", goal, Path("parallel.png"))
    draw_importances(study, NAMES, "val/score", Path("importances.png"))

    for name in ("history", "parallel", "importances"):
        assert imread(f"{name}.png").std() > 0


def test_the_parameter_that_matters_has_the_longest_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(20):
        trial = study.ask(SPACE)
        study.tell(trial, trial.params["k"])
    drawn = []
    monkeypatch.setattr(search_plots, "_save", lambda figure, axes, target: drawn.append(axes))

    draw_importances(study, NAMES, "val/score", Path("importances.png"))

    [axes] = drawn
    bars = {label.get_text(): bar.get_width() for label, bar in zip(axes.get_yticklabels(), axes.patches, strict=True)}
    assert set(bars) == {"model.lr", "model.k", "model.latent"}
    assert max(bars, key=bars.__getitem__) == "model.k"
    assert bars["model.k"] > 0.8


def test_the_best_so_far_never_gets_worse() -> None:
    trials = search([3.0, 4.0, 2.0, 5.0]).get_trials()

    assert search_plots._best_so_far(trials, "minimize") == ([0, 1, 2, 3], [3.0, 3.0, 2.0, 2.0])
    assert search_plots._best_so_far(trials, "maximize") == ([0, 1, 2, 3], [3.0, 4.0, 4.0, 5.0])
