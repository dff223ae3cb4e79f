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
def shown_trials(
    study: SweepStudy, names: Mapping[str, str], console: Console
) -> Iterator[Callable[[list[str]], None]]:
    """Shows the trials as they stand: a table on a terminal, and lines elsewhere and where the table does not fit.

    Args:
        study: The sweep's.
        names: The short name by each parameter's.
        console: Where they are shown.

    Yields:
        What shows them once more, after the notes that it is given, which it takes out of their list.
    """
    lines = TrialLines(console, names, study.sweep.metric)

    def say(notes: list[str]) -> None:
        lines.say(study.trials())
        while notes:
            print(f"lit-gan: {notes.pop(0)}.", flush=True)

    if not console.is_terminal or console.is_dumb_terminal:  # a dumb one cannot go back to what it has drawn
        yield say
        return
    with Live(console=console, auto_refresh=False) as live:

        def draw(notes: list[str]) -> None:
            while notes:
                live.console.print(f"lit-gan: {notes.pop(0)}.", markup=False, highlight=False)
            table = _table(study, names, console)
            if table is None:
                lines.say(study.trials())
            live.update("" if table is None else table, refresh=True)

        yield draw


def _table(study: SweepStudy, names: Mapping[str, str], console: Console) -> Table | None:
    best, trials = study.best(), study.trials()
    number = None if best is None else best.number
    rows = max(console.height - _OTHER_LINES, 1)  # what does not fit would push the newest out of sight
    shown = [trial for trial in trials if trial.number == number or trial.number >= len(trials) - rows]
    return table_of(shown, names, study.sweep.metric, number, console)
