"""Has the parser of `lit-gan` read the command of a trial, so that a wrong option is told before anything starts."""

import io
from contextlib import redirect_stdout
from pathlib import Path

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from lit_gan.cli.run import RunCLI
from lit_gan.cli.run_arguments import completed_arguments
from lit_gan.errors import UserError
from lit_gan.tuning.command import arguments_of_lit_gan, trial_command
from lit_gan.tuning.search_space import search_space
from lit_gan.tuning.sweep_file import Sweep

_VERBS = ("fit", "validate", "test", "predict")


def check_options(sweep: Sweep, file: str) -> None:
    """Parses one trial's command; one that runs another program is left to that.

    Args:
        sweep: What the sweep's file says.
        file: The file as the user named it.

    Raises:
        UserError: If there is no such option, or it does not take the first of the values.
    """
    point = {name: _some_value(distribution) for name, distribution in search_space(sweep.parameters).items()}
    words = trial_command(sweep.command, sweep.program, point, Path("arguments.json"))
    arguments = arguments_of_lit_gan(words)
    if not arguments or arguments[0] not in _VERBS:
        return
    verb, *flags = arguments
    try:
        with completed_arguments(verb, flags) as complete, redirect_stdout(io.StringIO()):
            RunCLI(verb, [*complete, "--print_config"])
    except UserError as error:
        raise UserError(f"{file}: {error}") from error
    except SystemExit:  # it has printed
        return


def _some_value(distribution: BaseDistribution) -> object:
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[0]
    assert isinstance(distribution, FloatDistribution | IntDistribution)  # noqa: S101 -- there are three
    return distribution.low
