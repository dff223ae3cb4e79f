"""Has the parser of `lit-gan` read commands of trials, so that a wrong option is told before anything starts."""

import io
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout, suppress
from pathlib import Path
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from lit_gan.cli.parsing.run_arguments import completed_arguments
from lit_gan.cli.trainer.command import Command
from lit_gan.cli.trainer.trainer_verbs import TRAINER_VERBS
from lit_gan.errors import UserError
from lit_gan.tuning.command import arguments_of_lit_gan, trial_command
from lit_gan.tuning.search_space import search_space
from lit_gan.tuning.sweep_file import Sweep

# One takes a second or two.
_MOST_POINTS = 8


def check_options(sweep: Sweep, file: str) -> None:
    """Parses commands of trials in which every value occurs; those that run another program are left to that.

    Of a parameter with more than eight values the first eight are parsed, of a range both ends.
    """
    for point in points_to_check(search_space(sweep.parameters)):
        words = trial_command(sweep.command, sweep.program, point, Path("arguments.json"))
        arguments = arguments_of_lit_gan(words)
        if not arguments or arguments[0] not in TRAINER_VERBS:
            return
        verb, *flags = arguments
        try:
            with suppress(SystemExit), redirect_stdout(io.StringIO()), completed_arguments(verb, flags) as complete:
                Command(verb, complete)
        except UserError as error:
            raise UserError(f"{file}: {error}") from error


def points_to_check(space: Mapping[str, BaseDistribution]) -> list[dict[str, Any]]:
    """As few points as have every value of every parameter, eight at most.

    Example:
        >>> points_to_check({"k": CategoricalDistribution([1, 2, 3]), "lr": FloatDistribution(0.1, 0.5)})
        [{'k': 1, 'lr': 0.1}, {'k': 2, 'lr': 0.5}, {'k': 3, 'lr': 0.1}]
    """
    values = {name: _some_values(distribution) for name, distribution in space.items()}
    number = min(max(map(len, values.values()), default=1), _MOST_POINTS)
    return [{name: some[index % len(some)] for name, some in values.items()} for index in range(number)]


def _some_values(distribution: BaseDistribution) -> Sequence[Any]:
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices
    assert isinstance(distribution, FloatDistribution | IntDistribution)  # noqa: S101 -- there are three
    return list(dict.fromkeys((distribution.low, distribution.high)))
