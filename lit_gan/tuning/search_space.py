"""W&B's distributions as Optuna's, the way W&B itself maps them, and the points of a grid."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, overload

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import Trial

from lit_gan.tuning.parameters import distribution_of, is_whole


def search_space(parameters: Mapping[str, Mapping[str, Any]]) -> dict[str, BaseDistribution]:
    """What Optuna samples from: a distribution by each name.

    Example:
        >>> search_space({"lr": {"distribution": "log_uniform_values", "min": 0.001, "max": 0.1}})
        {'lr': FloatDistribution(high=0.1, log=True, low=0.001, step=None)}
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a range that is no multiple of its step ends at the last one
        return {name: _distribution(entry) for name, entry in parameters.items()}


def grid(parameters: Mapping[str, Mapping[str, Any]]) -> dict[str, Sequence[Any]]:
    """The values of each parameter of a grid; those of a range are worked out when they are asked for.

    Example:
        >>> grid({"k": {"min": 1, "max": 3}, "name": {"value": "x"}})
        {'k': range(1, 4), 'name': ['x']}
    """
    return {name: _points(distribution) for name, distribution in search_space(parameters).items()}


def suggest(trial: Trial, name: str, distribution: BaseDistribution) -> Any:
    """A value for one parameter, the one that the trial has already where it has one."""
    if isinstance(distribution, CategoricalDistribution):
        return trial.suggest_categorical(name, distribution.choices)
    if isinstance(distribution, IntDistribution):
        bounds = {"low": distribution.low, "high": distribution.high}
        return trial.suggest_int(name, **bounds, step=distribution.step, log=distribution.log)
    assert isinstance(distribution, FloatDistribution)  # noqa: S101 -- there are three
    return trial.suggest_float(name, distribution.low, distribution.high, step=distribution.step, log=distribution.log)


def _distribution(entry: Mapping[str, Any]) -> BaseDistribution:
    kind = distribution_of(entry)
    if kind in ("constant", "categorical"):
        return CategoricalDistribution([entry["value"]] if "value" in entry else entry["values"])
    low, high, step = entry["min"], entry["max"], entry.get("q", 1)
    if kind == "int_uniform":
        return IntDistribution(low, high)
    if kind == "uniform":
        return FloatDistribution(low, high)
    if kind == "q_uniform":
        whole = is_whole(low) and is_whole(high) and is_whole(step)
        return IntDistribution(low, high, step=step) if whole else FloatDistribution(low, high, step=step)
    if kind == "q_log_uniform_values" and step == 1 and low >= 1:
        return IntDistribution(low, high, log=True)
    return FloatDistribution(low, high, log=True)  # Optuna has no steps on a logarithmic scale


def _points(distribution: BaseDistribution) -> Sequence[Any]:
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    if isinstance(distribution, IntDistribution):
        return range(distribution.low, distribution.high + 1, distribution.step)
    assert isinstance(distribution, FloatDistribution)  # noqa: S101 -- there are three
    return _Steps(distribution)


class _Steps(Sequence[float]):
    """What ``range`` is to whole numbers."""

    def __init__(self, distribution: FloatDistribution) -> None:
        assert distribution.step is not None  # noqa: S101 -- a grid has no continuous parameters
        self._low, self._high, self._step = distribution.low, distribution.high, distribution.step

    def __len__(self) -> int:
        return round((self._high - self._low) / self._step) + 1

    @overload
    def __getitem__(self, index: int) -> float: ...
    @overload
    def __getitem__(self, index: slice) -> list[float]: ...
    def __getitem__(self, index: int | slice) -> float | list[float]:
        place = range(len(self))[index]
        return self._point(place) if isinstance(place, int) else [self._point(one) for one in place]

    def _point(self, place: int) -> float:
        return min(round(self._low + place * self._step, 12), self._high)  # not 0.30000000000000004
