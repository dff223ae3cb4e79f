"""What is seen of the trials of a sweep while it runs."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.table import Table

from lit_gan.tuning.study import SweepStudy
from lit_gan.tuning.table import TrialLines, table_of

_OTHER_LINES = 6  # of the table: its head and foot, the best trial, a line of the shell


@contextmanager
def live_trials(study: SweepStudy, names: Mapping[str, str], console: Console) -> Iterator[Callable[[], None]]:
    """Yields what shows the trials as they stand: a table on a terminal, lines elsewhere and where it does not fit."""
    lines = TrialLines(console, names, study.sweep.metric)

    def print_lines() -> None:
        lines.print_changes(study.trials())

    if not console.is_terminal or console.is_dumb_terminal:  # a dumb one cannot go back to what it has drawn
        yield print_lines
        return
    with Live(console=console, auto_refresh=False) as live:

        def draw() -> None:
            table = _table(study, names, console)
            if table is None:
                lines.print_changes(study.trials())
            live.update("" if table is None else table, refresh=True)

        yield draw


def _table(study: SweepStudy, names: Mapping[str, str], console: Console) -> Table | None:
    best, trials = study.best(), study.trials()
    number = None if best is None else best.number
    rows = max(console.height - _OTHER_LINES, 1)  # what does not fit would push the newest out of sight
    visible = [trial for trial in trials if trial.number == number or trial.number >= len(trials) - rows]
    return table_of(visible, names, study.sweep.metric, number, console)
