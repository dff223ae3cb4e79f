"""The points of grids come in the order of Optuna's own grid: journals that are gone on with rely on it."""

import time

import optuna
from fake_sweep import content
from optuna.samplers import GridSampler

from lit_gan.tuning.sampling import Grid, number_of_trials, sampler_for
from lit_gan.tuning.search_space import grid, search_space, suggest
from lit_gan.tuning.sweep_file import read_sweep

PARAMETERS = {
    "b": {"values": ["x", None, True, 0.5]},
    "a": {"min": 3, "max": 9},
    "d": {"distribution": "q_uniform", "min": 0.0, "max": 1.0, "q": 0.3},
    "c": {"value": 7},
}


def test_the_order_of_the_points_is_that_of_optunas_grid() -> None:
    sweep = read_sweep("s", content(parameters=PARAMETERS))
    space = search_space(PARAMETERS)
    theirs = optuna.create_study(
        sampler=GridSampler({name: list(points) for name, points in grid(PARAMETERS).items()}, seed=0)
    )
    ours = optuna.create_study()

    for number in range(number_of_trials(sweep, None) or 0):
        ours.sampler = sampler_for(sweep, number)
        there, here = theirs.ask(), ours.ask()
        for name, distribution in space.items():
            assert suggest(here, name, distribution) == suggest(there, name, distribution)

    assert len({tuple(trial.params.values()) for trial in ours.trials}) == 4 * 7 * 4


def test_a_point_of_a_large_grid_is_had_at_once() -> None:
    axes = {"a": range(1000), "b": range(1000), "c": ["x"]}
    Grid(axes, 0)
    start = time.perf_counter()

    for number in range(100):
        Grid(axes, number)

    assert time.perf_counter() - start < 1.0  # 300 s as it was
