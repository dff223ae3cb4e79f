"""Which point a trial gets, and which trials are stopped early: Optuna's samplers and its pruner."""

import math
import warnings
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from lit_gan.tuning.search_space import grid
from lit_gan.tuning.sweep_file import Hyperband, Sweep


class Grid(BaseSampler):
    """The point of one trial of a grid.

    The points are in the order of Optuna's ``GridSampler`` with seed 0, which draws them up all anew for every sampler.
    A trial needs one of them, which its number tells: that of a place in the shuffled order, and this the place on each
    axis, the last name's fastest. After the last point comes the first.
    """

    def __init__(self, axes: Mapping[str, Sequence[Any]], number: int) -> None:
        size = math.prod(map(len, axes.values()))
        rest = int(_shuffled(size)[number % size])
        self._point = {}
        for name in sorted(axes, reverse=True):
            rest, place = divmod(rest, len(axes[name]))
            self._point[name] = axes[name][place]

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Nothing: each parameter is asked for alone."""
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Nothing."""
        return {}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """The point's value of one parameter."""
        return self._point[param_name]


@lru_cache(maxsize=1)
def _shuffled(size: int) -> npt.NDArray[np.int64]:
    order = np.arange(size)
    np.random.RandomState(0).shuffle(order)
    return order


def sampler_for(sweep: Sweep, number: int, place: int = 0) -> BaseSampler:
    """The sampler of one parameter of one trial, seeded by the two.

    So the points of a random sweep are the same for any number of slots and however often it was interrupted, and
    those of a Bayesian one depend on nothing but the trials that had ended: also where a command was killed between two
    parameters, and the next one draws no more than the second.
    """
    seed = number * len(sweep.parameters) + place
    if sweep.method == "grid":
        return Grid(grid(sweep.parameters), number)
    if sweep.method == "random":
        return RandomSampler(seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        # Trials that still run count as bad ones, so that slots do not all try the same place.
        return TPESampler(seed=seed, constant_liar=True)


def pruner_for(hyperband: Hyperband | None) -> BasePruner:
    """What stops bad trials early, as ``early_terminate`` says; None: nothing does.

    What W&B calls hyperband is one bracket of it: all trials are compared when they have logged ``first`` values, then
    ``first * eta``, ``first * eta**2``, ... That is successive halving. Optuna's own ``HyperbandPruner`` with one
    bracket does the same, and with several compares most trials later, or never.
    """
    if hyperband is None:
        return NopPruner()
    return SuccessiveHalvingPruner(min_resource=hyperband.first, reduction_factor=hyperband.eta)


def number_of_trials(sweep: Sweep, count: int | None) -> int | None:
    """How many trials the whole sweep has, with the command line's count; None where nothing says it."""
    bounds = [bound for bound in (count, sweep.run_cap) if bound is not None]
    if sweep.method == "grid":
        bounds.append(math.prod(map(len, grid(sweep.parameters).values())))
    return min(bounds, default=None)
