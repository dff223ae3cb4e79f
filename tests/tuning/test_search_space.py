"""The mapping of distributions is W&B's own: the same file searches the same space there and here."""

from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml
from fake_sweep import content
from optuna.distributions import CategoricalDistribution
from wandb.sdk.sweeps.scheduler.optuna import search_space_from_sweep_config

from lit_gan.tuning.parameters import DISTRIBUTIONS, WITHOUT_COUNTERPART
from lit_gan.tuning.search_space import grid, search_space, suggest
from lit_gan.tuning.sweep_file import read_sweep

SWEEPS = sorted((Path(__file__).parents[2] / "sweeps").glob("*.yaml"))
ENTRIES: list[dict[str, Any]] = [
    {"value": 3},
    {"value": None},
    {"value": "mnist", "distribution": "constant"},
    {"values": [0.1, 2, "a", True, None]},
    {"values": [1, 2], "distribution": "categorical"},
    {"min": 1, "max": 9},
    {"min": 1, "max": 9.0},
    {"min": 0.1, "max": 0.9},
    {"distribution": "int_uniform", "min": 1, "max": 9},
    {"distribution": "uniform", "min": 1, "max": 9},
    {"distribution": "log_uniform_values", "min": 1.0e-5, "max": 0.1},
    {"distribution": "q_uniform", "min": 1, "max": 9},
    {"distribution": "q_uniform", "min": 2, "max": 64, "q": 2},
    {"distribution": "q_uniform", "min": 0.0, "max": 1.0, "q": 0.25},
    {"distribution": "q_log_uniform_values", "min": 1, "max": 64},
    {"distribution": "q_log_uniform_values", "min": 1, "max": 64, "q": 1},
]
#: W&B warns that it drops q.
WITHOUT_STEP: list[dict[str, Any]] = [
    {"distribution": "q_log_uniform_values", "min": 2, "max": 64, "q": 2},
    {"distribution": "q_log_uniform_values", "min": 0.5, "max": 64, "q": 1},
]


@pytest.mark.parametrize("entry", [*ENTRIES, *WITHOUT_STEP], ids=str)
def test_a_parameter_has_the_distribution_that_wandb_gives_it(entry: dict[str, Any]) -> None:
    read_sweep("s", content(method="random", parameters={"x": entry}))

    assert search_space({"x": entry}) == search_space_from_sweep_config({"x": entry})


def test_every_distribution_is_among_them() -> None:
    assert set(DISTRIBUTIONS) <= {entry.get("distribution") for entry in [*ENTRIES, *WITHOUT_STEP]}


@pytest.mark.parametrize("distribution", WITHOUT_COUNTERPART)
def test_what_is_refused_here_is_refused_by_wandb(distribution: str) -> None:
    with pytest.raises(ValueError, match="has no optuna equivalent"):
        search_space_from_sweep_config({"x": {"distribution": distribution, "min": 1, "max": 2}})


@pytest.mark.parametrize("file", SWEEPS, ids=lambda file: file.stem)
def test_every_shipped_sweep_has_the_search_space_that_wandb_gives_it(file: Path) -> None:
    parameters = yaml.safe_load(file.read_text())["parameters"]

    assert search_space(parameters) == search_space_from_sweep_config(parameters)


def test_a_range_that_is_no_multiple_of_its_step_ends_at_the_last_one() -> None:
    [points] = grid({"x": {"distribution": "q_uniform", "min": 0.0, "max": 1.0, "q": 0.3}}).values()

    assert list(points) == points[:] == [0.0, 0.3, 0.6, 0.9]


def test_a_grid_has_the_points_of_all_its_parameters() -> None:
    parameters = {"a": {"value": 5}, "b": {"values": ["x", None]}, "c": {"min": 3, "max": 5},
                  "d": {"distribution": "q_uniform", "min": 2, "max": 6, "q": 2}}  # fmt: skip

    assert {name: list(points) for name, points in grid(parameters).items()} == {
        "a": [5],
        "b": ["x", None],
        "c": [3, 4, 5],
        "d": [2, 4, 6],
    }


@pytest.mark.parametrize("entry", [*ENTRIES, *WITHOUT_STEP], ids=str)
def test_a_trial_gets_a_value_of_the_distribution_and_keeps_it(entry: dict[str, Any]) -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    [distribution] = search_space({"x": entry}).values()
    trial = study.ask()

    value = suggest(trial, "x", distribution)

    assert suggest(trial, "x", distribution) == value
    if isinstance(distribution, CategoricalDistribution):
        assert value in distribution.choices
    else:
        assert entry["min"] <= value <= entry["max"]
