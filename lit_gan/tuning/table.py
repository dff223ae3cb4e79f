"""The trials of a sweep as they stand, in a table that is drawn anew or as lines where nothing can be drawn anew."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from math import isnan

from optuna.trial import FrozenTrial, TrialState
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lit_gan.tuning.study import current_value, error_of, rounds_of, worker_of

_STATES = {
    TrialState.RUNNING: ("running", "cyan"),
    TrialState.COMPLETE: ("complete", "green"),
    TrialState.PRUNED: ("pruned", "yellow"),
    TrialState.FAIL: ("failed", "red"),
    TrialState.WAITING: ("waiting", "dim"),
}
_NAMELESS = ("init_args", "class_path")


def short_names(names: Sequence[str]) -> dict[str, str]:
    """The shortest ends of dotted names that still tell them apart.

    Args:
        names: In full.

    Returns:
        A short name by each; parts that every option has (``init_args``) are left out.

    Example:
        >>> short_names(["model.init_args.optimizer_g.init_args.lr", "model.init_args.optimizer_d.init_args.lr"])
        {'model.init_args.optimizer_g.init_args.lr': 'optimizer_g.lr', ...optimizer_d.lr'}
        >>> short_names(["parzen.sigma"])
        {'parzen.sigma': 'sigma'}
    """
    parts = {name: [part for part in name.split(".") if part not in _NAMELESS] or [name] for name in names}
    found = {}
    for name in names:
        others = [parts[other] for other in names if other != name]
        sizes = range(1, len(parts[name]) + 1)
        unlike = [size for size in sizes if all(other[-size:] != parts[name][-size:] for other in others)]
        found[name] = ".".join(parts[name][-unlike[0] :]) if unlike else name
    return found


def table_of(trials: Sequence[FrozenTrial], names: Mapping[str, str], metric: str, best: int | None) -> Table:
    """All trials as a table.

    Args:
        trials: They.
        names: The short name by each parameter's.
        metric: What is compared.
        best: The number of the best trial; None if there is none.
    """
    table = Table()
    for column in ("trial", "state", *names.values(), metric, "rounds", "time", "worker"):
        # Text, since a string would be read as markup: `[relu]` would vanish, and `[/x]` would be an error.
        table.add_column(Text(column), justify="left" if column in ("state", "worker") else "right", overflow="fold")
    for trial in trials:
        state, colour = _STATES[trial.state]
        table.add_row(
            f"{trial.number}{' *' if trial.number == best else ''}",
            Text(_state(trial, state), colour),
            *(Text(_text(trial.params.get(name))) for name in names),
            _value(trial),
            str(rounds_of(trial)),
            _duration(trial),
            Text(worker_of(trial)),
            style="bold" if trial.number == best else None,
        )
    return table


class TrialLines:
    """One line for each change of a trial's state, for files and pipes.

    Args:
        console: Where they go.
        names: The short name by each parameter's.
        metric: What is compared.
    """

    def __init__(self, console: Console, names: Mapping[str, str], metric: str) -> None:
        self._console = console
        self._names = names
        self._metric = metric
        self._said: dict[int, str] = {}

    def say(self, trials: Sequence[FrozenTrial]) -> None:
        """Says what has changed since the last time.

        Args:
            trials: All of them.
        """
        for trial in trials:
            state = _state(trial, _STATES[trial.state][0])
            state += f" on {worker_of(trial)}" if trial.state == TrialState.RUNNING and worker_of(trial) else ""
            if self._said.get(trial.number) == state or not trial.params:
                continue
            self._said[trial.number] = state
            self._console.print(self._line(trial, state), markup=False, highlight=False, soft_wrap=True)

    def _line(self, trial: FrozenTrial, state: str) -> str:
        parameters = ", ".join(f"{self._names[name]}={_text(value)}" for name, value in trial.params.items())
        line = f"trial {trial.number} {state}: {parameters}"
        if trial.state in (TrialState.COMPLETE, TrialState.PRUNED):
            line += f": {self._metric} {_value(trial)} after {rounds_of(trial)} rounds"
        return f"{line}: {error_of(trial)}" if trial.state == TrialState.FAIL else line


def _state(trial: FrozenTrial, state: str) -> str:
    return "left" if trial.state == TrialState.RUNNING and worker_of(trial) == "" else state


def _text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)


def _value(trial: FrozenTrial) -> str:
    value = current_value(trial)
    return "" if isnan(value) else f"{value:.5g}"


def _duration(trial: FrozenTrial) -> str:
    if trial.datetime_start is None:
        return ""
    # Optuna's times are those of the local clock, without a zone.
    end = trial.datetime_complete or datetime.now()
    minutes, seconds = divmod(round((end - trial.datetime_start).total_seconds()), 60)
    return f"{minutes}:{seconds:02d}"
