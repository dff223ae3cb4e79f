"""A sweep file: the YAML that ``wandb sweep`` takes, read and checked before anything starts."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import yaml

from lit_gan.errors import UserError
from lit_gan.runs.plain_data import parse_yaml
from lit_gan.tuning.command import DEFAULT_COMMAND, check_command
from lit_gan.tuning.parameters import check_keys, check_parameter, distribution_of, is_whole, nearest

Goal = Literal["minimize", "maximize"]

METHODS = ("grid", "random", "bayes")
GOALS: tuple[Goal, ...] = get_args(Goal)

_KEYS = (
    *("program", "command", "method", "metric", "parameters", "early_terminate", "run_cap"),
    *("name", "description", "project", "entity"),  # read by W&B alone
)
# What W&B's server takes a trial without a value for; here it counts as none.
_OF_WANDB_METRICS = ("impute", "impute_while_running")
# Of W&B's server, or of another scheduler: what they ask for cannot be had here.
_ELSEWHERE = ("controller", "imageuri", "image_uri", "job", "metrics", "prior_runs", "scheduler", "settings")
_STEPPED = ("constant", "categorical", "int_uniform", "q_uniform")
_LARGEST_GRID = 10_000_000  # its order is kept in memory
_HYPERBAND_KEYS = ("type", "min_iter", "max_iter", "s", "eta", "strict")
_ETA = 3  # W&B's default


@dataclass(frozen=True)
class Hyperband:
    """When trials are compared, and how many of them go on.

    Args:
        first: How many values a trial has logged when it is first compared.
        eta: One in so many goes on, and the next comparison is after so many times the values.
        end: From so many values on a trial is left alone; None: it never is.
    """

    first: int
    eta: int
    end: int | None


@dataclass(frozen=True)
class Sweep:
    """What a sweep file says.

    Args:
        name: The stem of the file.
        method: ``grid``, ``random`` or ``bayes``.
        metric: The name that trials log.
        goal: ``minimize`` or ``maximize``.
        parameters: By the names of the options, each a mapping as W&B takes it.
        command: The words of ``command:``, macros included.
        program: What ``${program}`` stands for.
        hyperband: When bad trials are stopped early; None: never.
        run_cap: How many trials there may be; None: any number.
    """

    name: str
    method: str
    metric: str
    goal: Goal
    parameters: dict[str, dict[str, Any]]
    command: tuple[str, ...]
    program: str | None
    hyperband: Hyperband | None
    run_cap: int | None

    @property
    def word(self) -> str:
        """The name as part of file names and of ids at W&B."""
        return re.sub(r"[^\w-]+", "-", self.name)


def load_sweep(path: Path) -> Sweep:
    """Reads and checks a sweep file."""
    try:
        content = parse_yaml(path.read_text())
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}).") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is no YAML: {_heart_of(error)}.") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected the keys of a sweep (method, metric, parameters, command).")
    try:
        return read_sweep(path.stem, content)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def read_sweep(name: str, content: Mapping[str, Any]) -> Sweep:
    """A sweep from the content of its file.

    Example:
        >>> sweep = read_sweep("lr", {"method": "random", "program": "lit-gan", "metric": {"name": "val/parzen_nll"},
        ...     "command": ["${program}", "fit", "${args}"], "parameters": {"lr": {"min": 0.0, "max": 1.0}}})
        >>> sweep.goal, sweep.hyperband
        ('minimize', None)
    """
    for key in content:
        if key in _ELSEWHERE:
            raise UserError(f"{key}: only W&B's own server reads this key; leave it out, or run `wandb sweep`.")
    check_keys("", content, _KEYS)
    method = content.get("method")
    if method not in METHODS:
        raise UserError(f"method: there is no {method!r}{nearest(str(method), METHODS)}")
    metric, goal = _metric(content.get("metric"))
    parameters = _parameters(content.get("parameters"))
    if method == "grid":
        _check_grid(parameters)
    program = content.get("program")
    command = content.get("command", list(DEFAULT_COMMAND))
    check_command(command, program)
    return Sweep(
        name=name,
        method=method,
        metric=metric,
        goal=goal,
        parameters=parameters,
        command=tuple(map(str, command)),
        program=program,
        hyperband=_hyperband(content.get("early_terminate")),
        run_cap=_whole_number("run_cap", content["run_cap"]) if "run_cap" in content else None,
    )


def _metric(entry: Any) -> tuple[str, Goal]:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("name"), str):
        raise UserError("metric: expected a name and a goal under it: they say which trial is the best.")
    if "target" in entry:
        raise UserError("metric.target: only W&B's own server stops at a target; leave it out.")
    check_keys("metric", entry, ("name", "goal", *_OF_WANDB_METRICS))
    goal = entry.get("goal", "minimize")
    if goal not in GOALS:
        raise UserError(f"metric.goal: there is no {goal!r}{nearest(str(goal), GOALS)}")
    return entry["name"], goal


def _parameters(entry: Any) -> dict[str, dict[str, Any]]:
    if not isinstance(entry, Mapping) or not entry:
        raise UserError("parameters: expected the options to be varied under it, each with its values.")
    for name, parameter in entry.items():
        if not isinstance(name, str):
            raise UserError(f"parameters.{name}: expected the name of an option, got {name!r}; put a name in quotes.")
        check_parameter(f"parameters.{name}", parameter)
    return {name: dict(parameter) for name, parameter in entry.items()}


def _check_grid(parameters: Mapping[str, Mapping[str, Any]]) -> None:
    for name, entry in parameters.items():
        distribution = distribution_of(entry)
        if distribution not in _STEPPED:
            raise UserError(
                f"parameters.{name}: {distribution} is continuous, and a grid has points: give values, or another "
                "method (random, bayes)."
            )
    size = math.prod(map(_number_of_points, parameters.values()))
    if size > _LARGEST_GRID:
        raise UserError(
            f"parameters: a grid of {size:.3g} points: expected at most {_LARGEST_GRID}; give fewer values, or another "
            "method (random, bayes)."
        )


def _number_of_points(entry: Mapping[str, Any]) -> int:
    distribution = distribution_of(entry)
    if distribution == "constant":
        return 1
    if distribution == "categorical":
        return len(entry["values"])
    return int((entry["max"] - entry["min"]) / entry.get("q", 1)) + 1


def _hyperband(entry: Any) -> Hyperband | None:
    if entry is None:
        return None
    place = "early_terminate"
    if not isinstance(entry, Mapping) or entry.get("type") != "hyperband":
        got = entry.get("type") if isinstance(entry, Mapping) else entry
        raise UserError(f"{place}.type: expected hyperband, got {got!r}.")
    check_keys(place, entry, _HYPERBAND_KEYS)
    if not isinstance(entry.get("strict", False), bool):
        raise UserError(f"{place}.strict: expected true or false, got {entry['strict']!r}.")
    eta = _whole_number(f"{place}.eta", entry.get("eta", _ETA), least=2)
    if ("min_iter" in entry) == ("max_iter" in entry):
        raise UserError(f"{place}: expected either min_iter or max_iter (with s).")
    if "min_iter" in entry:
        if "s" in entry:
            raise UserError(f"{place}.s: belongs to max_iter, not to min_iter.")
        return Hyperband(_whole_number(f"{place}.min_iter", entry["min_iter"]), eta, None)
    if "s" not in entry:
        raise UserError(f"{place}.s: missing: expected how many comparisons there are before max_iter.")
    end = _whole_number(f"{place}.max_iter", entry["max_iter"])
    first = end // eta ** _whole_number(f"{place}.s", entry["s"])
    if first < 1:
        raise UserError(f"{place}: max_iter {end} divided {entry['s']} times by eta {eta} is less than one value.")
    return Hyperband(first, eta, end)


def _whole_number(place: str, number: Any, least: int = 1) -> int:
    if not is_whole(number) or number < least:
        raise UserError(f"{place}: expected a whole number of at least {least}, got {number!r}.")
    return int(number)


def _heart_of(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return " ".join(str(error).split()).rstrip(".")
    return f"line {mark.line + 1}: {getattr(error, 'problem', None) or error}"
