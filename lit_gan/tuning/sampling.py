"""Which point a trial gets, and which trials are stopped early: Optuna's samplers and its pruner."""

import warnings
from collections.abc import Sequence

from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler, GridSampler, RandomSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from lit_gan.tuning.search_space import grid
from lit_gan.tuning.sweep_file import Hyperband, Sweep


class Grid(GridSampler):
    """Optuna's grid, whose last point stops nothing: the number of trials does."""

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """Nothing; Optuna would stop an ``optimize`` that does not run."""


def sampler_for(sweep: Sweep, number: int, place: int = 0) -> BaseSampler:
    """The sampler of one parameter of one trial, seeded by the two.

    So the points of a random sweep are the same for any number of workers and however often it was interrupted, and
    those of a Bayesian one depend on nothing but the trials that had ended: also where a worker was killed between two
    parameters, and the next one draws no more than the second.

    Args:
        sweep: What the sweep's file says.
        number: The trial's number.
        place: The parameter's, in the order of the file.
    """
    seed = number * len(sweep.parameters) + place
    if sweep.method == "grid":
        return Grid(grid(sweep.parameters), seed=0)  # the order of its points; the same for every trial
    if sweep.method == "random":
        return RandomSampler(seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        # Trials that still run count as bad ones, so that workers do not all try the same place.
        return TPESampler(seed=seed, constant_liar=True)


def pruner_for(hyperband: Hyperband | None) -> BasePruner:
    """What stops bad trials early.

    What W&B calls hyperband is one bracket of it: all trials are compared when they have logged ``first`` values, then
    ``first * eta``, ``first * eta**2``, ... That is successive halving. Optuna's own ``HyperbandPruner`` with one
    bracket does the same, and with several compares most trials later, or never.

    Args:
        hyperband: What ``early_terminate`` says; None: nothing is stopped.
    """
    if hyperband is None:
        return NopPruner()
    return SuccessiveHalvingPruner(min_resource=hyperband.first, reduction_factor=hyperband.eta)


def number_of_trials(sweep: Sweep, count: int | None) -> int | None:
    """How many trials the whole sweep has; None where nothing says it.

    Args:
        sweep: What the sweep's file says.
        count: What the command line says; None: nothing.
    """
    bounds = [bound for bound in (count, sweep.run_cap) if bound is not None]
    if sweep.method == "grid":
        size = 1
        for points in grid(sweep.parameters).values():
            size *= len(points)
        bounds.append(size)
    return min(bounds, default=None)
