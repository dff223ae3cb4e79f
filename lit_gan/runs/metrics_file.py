"""``metrics.csv`` as a reader sees it: the numbers by name, and what of the file cannot be read."""

import csv
import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

_FIRST = ["step", "epoch"]
_MOST_FAULTS = 5  # told; a file of another kind has one in every line
_MOST_DIGITS = 18  # of a step: more than any training has rounds
_AT_ONCE = 500  # rows: Python's collector would look through millions of fields again and again


@dataclass(frozen=True)
class Column:
    """A logged quantity: after which rounds, and what it was; what is not finite is left out.

    Args:
        rounds: How many rounds there had been, from 1.
        values: The numbers.
    """

    rounds: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    @property
    def last(self) -> float | None:
        """The number that was logged last."""
        return self.values[-1] if self.values else None

    def best(self, mode: str = "min") -> tuple[float, int] | None:
        """The best number and its round; the first one of several."""
        if not self.values:
            return None
        value = max(self.values) if mode == "max" else min(self.values)
        return value, self.rounds[self.values.index(value)]


@dataclass(frozen=True)
class Metrics:
    """What a file of metrics holds.

    Args:
        columns: By the logged names, in the order of the file; those without a number are not among them.
        rounds: How many rounds there had been at the last row.
        epochs: The number of the last row's epoch, from 0; ``None`` where there is no row.
        faults: What could not be read, a line each.
    """

    columns: dict[str, Column]
    rounds: int
    epochs: int | None
    faults: list[str]

    def last(self, name: str) -> float | None:
        """A quantity as it was logged last."""
        return self.columns.get(name, Column()).last


def read_metrics(path: Path, names: Collection[str] | None = None) -> Metrics:
    r"""Reads a file of metrics, which may be in use, cut short or damaged, and leaves it as it is.

    Args:
        path: The file.
        names: Which quantities; all if ``None``.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder, "metrics.csv")
        ...     _ = file.write_text("step,epoch,val/parzen_nll\n49,0,5.0\n99,1,\n149,1,4.5\n1")
        ...     found = read_metrics(file)
        >>> found.columns["val/parzen_nll"].best(), found.rounds
        ((4.5, 150), 150)
        >>> found.faults
        ['metrics.csv, line 5: it was not written to its end, and is left out']
    """
    try:
        text = path.read_bytes().decode(errors="replace")
    except FileNotFoundError:
        return Metrics({}, 0, None, [f"{path.name}: there is none"])
    except OSError as error:
        return Metrics({}, 0, None, [f"{path.name}: it cannot be read ({error.strerror})"])
    *lines, cut = text.split("\n")  # `cut`: what its writer has not ended, whatever it looks like
    first_line = lines[0] if lines else cut
    header = fields_of(first_line)
    if header[: len(_FIRST)] != _FIRST:
        kind = f"{path.name}, line 1: expected step,epoch,..., got {first_line[:40]!r}: none of it is read"
        return Metrics({}, 0, None, [kind] if text else [])
    wanted = {name: place for place, name in enumerate(header) if place > 1 and (names is None or name in names)}
    first = 0 if names is None else min(wanted.values(), default=0)
    columns = {name: Column() for name in wanted}
    faults: list[str] = []
    rounds, epochs = 0, ""
    rows = _rows(lines, first)
    while piece := list(islice(rows, _AT_ONCE)):
        good = [row for _, row in piece if len(row) == len(header) and is_step(row[0])]
        if len(good) < len(piece):
            faults += [
                f"{path.name}, line {number}: expected {len(header)} fields that begin with a step, got {len(row)}, "
                "and is left out"
                for number, row in piece
                if row not in good
            ]
        if good:
            rounds, epochs = max(rounds, int(good[-1][0]) + 1), good[-1][1]
            for name, place in wanted.items():
                _append(columns[name], [(int(row[0]) + 1, row[place]) for row in good if row[place]])
    if cut:
        faults.append(f"{path.name}, line {len(lines) + 1}: it was not written to its end, and is left out")
    more = len(faults) - _MOST_FAULTS
    told = [*faults[:_MOST_FAULTS], *([f"{path.name}: {more} more lines that cannot be read"] if more > 0 else [])]
    filled = {name: column for name, column in columns.items() if column.values}
    return Metrics(filled, rounds, int(epochs) if is_step(epochs) else None, told)


def _rows(lines: list[str], first: int) -> Iterator[tuple[int, list[str]]]:
    """The fields of every line by its number; between the ends only of those that have one from `first` on."""
    num = lines[0].count(",") + 1 if lines else 0
    empty = "," * (num - first)  # a list of a thousand runs reads a dozen numbers of each, not all
    for number, line in enumerate(lines[1:], 2):
        if first and number != len(lines) and line.endswith(empty):
            continue
        yield number, fields_of(line) if '"' in line else line.split(",")


def _append(column: Column, filled: list[tuple[int, str]]) -> None:
    try:
        values = [float(text) for _, text in filled]
    except ValueError:  # a text that somebody has logged
        _append(column, [each for each in filled if is_number(each[1])])
        return
    finite = list(map(math.isfinite, values))
    column.rounds.extend(after for (after, _), counts in zip(filled, finite, strict=True) if counts)
    column.values.extend(value for value, counts in zip(values, finite, strict=True) if counts)


def fields_of(line: str) -> list[str]:
    r"""The fields of a line; none where it is no line of a table.

    Example:
        >>> fields_of('49,0,"a, b"'), fields_of("49,\r,")
        (['49', '0', 'a, b'], [])
    """
    try:
        return next(csv.reader([line]), [])
    except csv.Error:  # longer than any field is, or a line's end within it
        return []


def is_step(text: str) -> bool:
    """Whether a text is the number of a round, as it is written: digits, and no more than 18 of them.

    Example:
        >>> is_step("49"), is_step("-1"), is_step("9" * 5000)
        (True, False, False)
    """
    return text.isdecimal() and text.isascii() and len(text) <= _MOST_DIGITS


def is_number(text: str) -> bool:
    """Whether a text is a number, finite or not.

    Example:
        >>> is_number("1e-3"), is_number("nan"), is_number("red"), is_number("")
        (True, True, False, False)
    """
    try:
        float(text)
    except ValueError:
        return False
    return True
