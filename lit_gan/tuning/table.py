"""The trials of a sweep as they stand, in a table that is drawn anew or as lines where nothing can be drawn anew."""

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from math import isnan

from optuna.trial import FrozenTrial, TrialState
from rich.console import Console, JustifyMethod
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
# Columns by what they show: a parameter may have the name of another column.
_TRIAL, _STATE, _VALUE, _ROUNDS, _TIME, _WORKER = "trial", "state", "value", "rounds", "time", "worker"
_PARAMETER = "parameter "


def table_of(
    trials: Sequence[FrozenTrial], names: Mapping[str, str], metric: str, best: int | None, console: Console
) -> Table | None:
    """All trials as a table with as many columns as fit; None where not even a trial's number, state and value do.

    The worker goes first, then the time, then the parameters from the right, then the rounds.
    """
    columns = _columns(trials, names, metric, best)
    droppable = [_WORKER, _TIME, *(_PARAMETER + name for name in reversed(list(names))), _ROUNDS]
    table = _drawn(trials, columns, best)
    # A measure ends at the width that it is told, and the natural one is asked for.
    unbounded = console.options.update(max_width=sys.maxsize)
    while console.measure(table, options=unbounded).maximum > console.width:
        if not droppable:
            return None
        del columns[droppable.pop(0)]
        table = _drawn(trials, columns, best)
    return table


def _columns(
    trials: Sequence[FrozenTrial], names: Mapping[str, str], metric: str, best: int | None
) -> dict[str, tuple[str, list[Text]]]:
    """The heads and the cells of all columns, from left to right.

    They are Text, since a string would be read as markup: `[relu]` would vanish, and `[/x]` would be an error.
    """
    columns = {
        _TRIAL: ("trial", [Text(f"{trial.number}{' *' if trial.number == best else ''}") for trial in trials]),
        _STATE: ("state", [_coloured_state(trial) for trial in trials]),
    }
    for name, short in names.items():
        columns[_PARAMETER + name] = (short, [Text(_in_one_line(_text(trial.params.get(name)))) for trial in trials])
    return {
        **columns,
        _VALUE: (metric, [Text(_value(trial)) for trial in trials]),
        _ROUNDS: ("rounds", [Text(str(rounds_of(trial))) for trial in trials]),
        _TIME: ("time", [Text(_duration(trial)) for trial in trials]),
        _WORKER: ("worker", [Text(worker_of(trial)) for trial in trials]),
    }


def _drawn(trials: Sequence[FrozenTrial], columns: Mapping[str, tuple[str, list[Text]]], best: int | None) -> Table:
    table = Table()
    for column, (head, _) in columns.items():
        justify: JustifyMethod = "left" if column in (_STATE, _WORKER) else "right"
        table.add_column(Text(head), justify=justify, no_wrap=True, overflow="ellipsis")
    for row, trial in enumerate(trials):
        cells = (cells[row] for _, cells in columns.values())
        table.add_row(*cells, style="bold" if trial.number == best else None)
    return table


class TrialLines:
    """One line for each change of a trial's state, for files and pipes."""

    def __init__(self, console: Console, names: Mapping[str, str], metric: str) -> None:
        self._console = console
        self._names = names
        self._metric = metric
        self._printed: dict[int, str] = {}

    def print_changes(self, trials: Sequence[FrozenTrial]) -> None:
        """Says what has changed since the last time."""
        for trial in trials:
            state = _state(trial, _STATES[trial.state][0])
            state += f" on {worker_of(trial)}" if trial.state == TrialState.RUNNING and worker_of(trial) else ""
            if self._printed.get(trial.number) == state or not trial.params:
                continue
            self._printed[trial.number] = state
            self._console.print(self._line(trial, state), markup=False, highlight=False, soft_wrap=True)

    def _line(self, trial: FrozenTrial, state: str) -> str:
        parameters = ", ".join(f"{self._names[name]}={_text(value)}" for name, value in trial.params.items())
        line = f"trial {trial.number} {state}: {parameters}"
        if trial.state in (TrialState.COMPLETE, TrialState.PRUNED):
            line += f": {self._metric} {_value(trial)} after {rounds_of(trial)} rounds"
        return f"{line}: {error_of(trial)}" if trial.state == TrialState.FAIL else line


def _state(trial: FrozenTrial, state: str) -> str:
    return "left" if trial.state == TrialState.RUNNING and worker_of(trial) == "" else state


def _coloured_state(trial: FrozenTrial) -> Text:
    state, colour = _STATES[trial.state]
    return Text(_state(trial, state), colour)


def _in_one_line(text: str) -> str:
    return " ".join(text.splitlines())


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
