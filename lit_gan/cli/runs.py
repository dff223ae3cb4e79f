"""`lit-gan runs`: a table of runs, a comparison of several, and what of them is not needed any more."""

import argparse
import json
import shlex
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from shutil import get_terminal_size
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lit_gan.cli.parsing.plain_parser import PlainParser
from lit_gan.errors import DONE, UserError
from lit_gan.runs.fingerprint import short_names
from lit_gan.runs.metrics_file import read_metrics
from lit_gan.runs.plain_data import json_text
from lit_gan.runs.pruning import delete, superfluous_weights
from lit_gan.runs.relative_path import relative_to_cwd
from lit_gan.runs.summary import RunSummary, differences, find_runs

_COLOURS = {"running": "cyan", "finished": "green", "stopped": "yellow", "killed": "yellow", "failed": "red"}
_LONGEST = 24  # of a value among those that set a run apart
_WIDE = 200  # where nobody looks at it, and lines are cut by nobody


def _by_score(run: RunSummary) -> tuple[bool, float]:
    highest = (run.config.get("checkpoint") or {}).get("mode") == "max"
    return run.best is None, 0.0 if run.best is None else -run.best[0] if highest else run.best[0]


_ORDERS: dict[str, Callable[[RunSummary], Any]] = {
    "started": lambda run: run.started,
    "name": lambda run: str(run.path),
    "status": lambda run: run.status,
    "rounds": lambda run: run.rounds,
    "score": _by_score,
    "time": lambda run: run.seconds,
    "size": lambda run: run.num_bytes,
}
_FROM_THE_TOP = ("started", "rounds", "time", "size")  # the largest first


def main(verb: str, arguments: list[str]) -> int:
    """Shows the runs, compares them, or deletes weights that are not needed."""
    options = _parser(verb).parse_args(arguments)
    if options.yes and not options.prune:
        raise UserError("--yes: expected --prune with it, which it is the answer to.")
    folders = [Path(folder) for folder in options.folders]
    runs, faults, compared = _found(folders)
    runs.sort(key=_ORDERS[options.sort], reverse=options.sort in _FROM_THE_TOP)
    if options.prune:
        everything, faults = _all_known(runs, faults)
        _prune(runs, everything, sure=options.yes)
    elif options.json:
        print(json_text([_as_dict(run, differs) for run, differs in _with_differences(runs, compared)]), end="")
    elif compared:
        _show_comparison(runs)
    else:
        _show_table(runs)
    for fault in faults:
        print(f"lit-gan: left out: {fault}", file=sys.stderr)
    return DONE


def _found(folders: Sequence[Path]) -> tuple[list[RunSummary], list[str], bool]:
    """The runs, what could not be read, and whether the runs themselves were named."""
    for folder in folders:
        if not folder.exists():
            raise UserError(f"{folder}: there is no such folder; expected one with runs in it, or a run folder.")
        if not folder.is_dir():
            raise UserError(f"{folder} is a file: expected a folder with runs in it, or a run folder.")
    named = [folder for folder in folders if (folder / "run.json").is_file()]
    if named and len(named) < len(folders):
        other = next(folder for folder in folders if folder not in named)
        raise UserError(f"{other} is no run folder (it has no run.json), as {named[0]} is: expected runs to compare.")
    found = [find_runs(folder) for folder in folders]
    runs = {run.path.resolve(): run for each, _ in found for run in each}
    return list(runs.values()), [fault for _, faults in found for fault in faults], bool(named)


def _with_differences(runs: Sequence[RunSummary], compared: bool) -> list[tuple[RunSummary, dict[str, Any]]]:
    """Each run with what sets it apart from those it was compared with, or else from others of its configuration."""
    groups: dict[str, list[RunSummary]] = defaultdict(list)
    for run in runs:
        groups["" if compared else run.path.absolute().parent.name].append(run)
    apart: dict[Path, dict[str, Any]] = {}
    for group in groups.values():
        rows = differences(group)
        for place, run in enumerate(group):
            apart[run.path] = {key: values[place] for key, values in rows.items()}
    return [(run, apart[run.path]) for run in runs]


def _as_dict(run: RunSummary, differs: dict[str, Any]) -> dict[str, Any]:
    return {**run.as_dict(), "differs": differs}


# -- Tables ------------------------------------------------------------------------------------------------------------


def _show_table(runs: Sequence[RunSummary]) -> None:
    if not runs:
        print("lit-gan: no runs there; `lit-gan fit --config quickstart` makes one.")
        return
    rows = [["run", "status", "rounds", "score", "time", "size", "what sets it apart"]]
    for run, differs in _with_differences(runs, compared=False):
        short = short_names(list(differs))
        apart = ", ".join(f"{short[key]}={_shortened(_text(value))}" for key, value in differs.items())
        numbers = [f"{run.rounds:,}", run.score, _time(run), _size(run.num_bytes)]
        rows.append([relative_to_cwd(run.path.absolute()), str(_status(run)), *numbers, apart])
    print("\n".join(_lines(rows)))
    if any(run.continues for run in runs):
        print("* the same command continues it; `lit-gan runs RUN` shows the command.")


def _lines(rows: list[list[str]]) -> Iterator[str]:
    """Columns, numbers to the right, the last one cut where the terminal ends; by hand, for there may be thousands."""
    plain = [["".join(sign if sign.isprintable() else "?" for sign in cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*plain, strict=True)]
    width = get_terminal_size().columns if sys.stdout.isatty() else None
    for row in plain:
        name, status, *numbers, apart = row
        parts = [name.ljust(widths[0]), status.ljust(widths[1])]
        parts += [number.rjust(wide) for number, wide in zip(numbers, widths[2:], strict=False)]
        before = "  ".join(parts)
        room = None if width is None else max(width - len(before) - 2, 0)
        yield f"{before}  {apart[:room]}".rstrip()


def _show_comparison(runs: Sequence[RunSummary]) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("", overflow="fold")
    for run in runs:
        table.add_column(Text(relative_to_cwd(run.path.absolute())), justify="right", overflow="fold")
    table.add_row("status", *(_status(run) for run in runs))
    table.add_row("reason", *(Text(run.reason) for run in runs))
    table.add_row("rounds", *(f"{run.rounds:,}" for run in runs))
    best = [f"{run.score} (round {run.best[1]:,})" if run.best is not None else "none" for run in runs]
    table.add_row("best score", *best)
    table.add_row("time", *(_time(run) for run in runs))
    table.add_row("size", *(_size(run.num_bytes) for run in runs))
    table.add_section()
    for key, values in differences(runs).items():
        table.add_row(Text(key), *(Text(_text(value)) for value in values))
    table.add_section()
    metrics = [read_metrics(run.path / "metrics.csv") for run in runs]
    names = dict.fromkeys(name for each in metrics for name in each.columns if name.startswith(("val/", "test/")))
    for name in names:
        last = [each.last(name) for each in metrics]
        table.add_row(Text(name), *("" if value is None else f"{value:.5g}" for value in last))
    _console().print(table)
    for run in runs:
        if run.continues:
            same = shlex.join(run.command) if run.command else "the same command"
            print(f"{relative_to_cwd(run.path.absolute())} goes on by: {same}")


def _console() -> Console:
    return Console() if sys.stdout.isatty() else Console(width=_WIDE)


def _status(run: RunSummary) -> Text:
    return Text(f"{run.status}{'*' if run.continues else ''}", style=_COLOURS.get(run.status, ""))


def _time(run: RunSummary) -> str:
    minutes, seconds = divmod(round(run.seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{'≤ ' if run.resumed else ''}{hours}:{minutes:02d}:{seconds:02d}"


def _size(num_bytes: float) -> str:
    for unit in ("B", "kB", "MB"):
        if num_bytes < 1000:
            return f"{num_bytes:.3g} {unit}"
        num_bytes /= 1000
    return f"{num_bytes:.3g} GB"


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _text(value: Any) -> str:
    return "none" if value is None else value if isinstance(value, str) else json.dumps(value)


# -- What is not needed ------------------------------------------------------------------------------------------------


def _all_known(runs: Sequence[RunSummary], faults: Sequence[str]) -> tuple[list[RunSummary], list[str]]:
    """These, those of ``runs`` here, and those of a ``runs`` that these lie in: any of them may need their weights."""
    above = {parent for run in runs for parent in run.path.absolute().parents if parent.name == "runs"}
    found = [find_runs(folder) for folder in (Path("runs"), *above)]
    known = {run.path.resolve(): run for run in (*(run for each, _ in found for run in each), *runs)}
    return list(known.values()), list(dict.fromkeys([*faults, *(fault for _, more in found for fault in more)]))


def _prune(runs: Sequence[RunSummary], everything: Sequence[RunSummary], *, sure: bool) -> None:
    mine = {run.path for run in runs}
    files = {
        path: size
        for path, size in superfluous_weights(everything).items()
        if any(path.is_relative_to(m) for m in mine)
    }
    if not files:
        print("lit-gan: nothing to delete: no finished run holds weights beside its best.")
        return
    if sure:
        print(f"lit-gan: deleted weights of finished runs but the best: {_size(delete(runs, list(files)))}.")
        return
    for path, size in files.items():
        print(f"{_size(size):>8}  {relative_to_cwd(path.absolute())}")
    all_of_them = f"these {len(files)} files, {_size(sum(files.values()))}"
    print(f"lit-gan: --prune --yes would delete {all_of_them}; the best weights of each run stay.")


def _parser(verb: str) -> argparse.ArgumentParser:
    parser = PlainParser(prog=f"lit-gan {verb}", description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "folders",
        nargs="*",
        metavar="FOLDER",
        default=["runs"],
        help="a folder with runs in it, or run folders, which are compared (default: runs)",
    )
    parser.add_argument(
        "--sort", choices=tuple(_ORDERS), default="started", help="what comes first (default: the newest)"
    )
    parser.add_argument("--json", action="store_true", help="a JSON list in place of the table")
    parser.add_argument(
        "--prune",
        action="store_true",
        help="say which weights of finished runs are not needed: all but the best of each",
    )
    parser.add_argument("--yes", action="store_true", help="with --prune: delete them")
    return parser
