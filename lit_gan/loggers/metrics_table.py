"""``metrics.csv`` on disk: a row per round, columns in order of first appearance, no row ever lost."""

import contextlib
import csv
import io
import os
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lit_gan.errors import UserError
from lit_gan.runs.atomic_write import write_all, write_atomically
from lit_gan.runs.metrics_file import fields_of, is_step

Row = dict[str, str]

_FIRST = ("step", "epoch")


class MetricsTable:
    """A table of metrics that grows downwards by appending and to the right by rewriting.

    The newest row stays open: what is logged for its step later is merged into it in place. Everything else
    (a new column, a row of an earlier step, a file that another process has changed) rewrites the file under
    a temporary name. A line that a killed process left unfinished is dropped, with a warning, when the file
    is opened again.

    Args:
        path: The file; it need not exist.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     table = MetricsTable(Path(folder, "metrics.csv"))
        ...     table.log(10, {"epoch": 0, "train/loss_d": 0.1 + 0.2})
        ...     table.log(10, {"val/parzen_nll": 5.0})
        ...     table.flush()
        ...     print(Path(folder, "metrics.csv").read_text())
        step,epoch,train/loss_d,val/parzen_nll
        10,0,0.30000000000000004,5.0
        <BLANKLINE>
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._opened = False
        self._columns: list[str] = []
        self._rows: dict[int, Row] = {}  # by step: the last row on disk, and those not yet written
        self._start = 0  # where the first of them begins on disk
        self._end = 0  # where the file ended when this process last touched it
        self._dirty = False
        self._must_rewrite = False

    def log(self, step: int | None, values: Mapping[str, Any]) -> None:
        """Put values into the row of a step; they reach the disk with the next :meth:`flush`."""
        self._open()
        newest = max(self._rows, default=None)
        step = (newest or 0) if step is None else step
        texts = {_one_line(name): _text(value) for name, value in values.items() if name != "step"}
        new = [name for name in texts if name not in self._columns]
        self._columns.extend(new)
        earlier = newest is not None and step < newest and step not in self._rows
        self._must_rewrite |= bool(new) or earlier
        self._rows.setdefault(step, {"step": str(step)}).update(texts)
        self._dirty = True

    def flush(self) -> None:
        """Bring everything logged to the disk."""
        if not self._dirty:
            return
        if self._must_rewrite or self._size() != self._end:
            self._rewrite(self._merged())
        else:
            self._extend()
        self._dirty = False

    def truncate_after(self, step: int) -> None:
        """Drop the rows after a step, and the columns that only they had: the table as it was at that step."""
        self._open()
        merged = self._merged()
        kept = {at: row for at, row in merged.items() if at <= step}
        if len(kept) == len(merged):
            return
        used = set().union(*kept.values())
        before = self._columns
        self._columns = [name for name in before if name in used or name in _FIRST]
        try:
            self._rewrite(kept)
        except OSError:
            self._columns = before
            raise
        self._dirty = False

    def rows(self) -> list[Row]:
        """All rows by step, logged and written alike; the text of each value that is there."""
        self._open()
        return list(self._merged().values())

    def has(self, name: str) -> bool:
        """Whether there is a column of that name, on disk or logged."""
        self._open()
        return _one_line(name) in self._columns

    def _open(self) -> None:
        """Look at what an earlier process has left, once."""
        if self._opened:
            return
        self._columns, lines = self._recover()
        self._end = self._start = sum(map(len, lines))
        if len(lines) > 1:
            last = self._row(self._columns, lines[-1])
            self._start -= len(lines[-1])
            self._rows = {int(last["step"]): last}
        self._must_rewrite = not lines
        self._opened = True

    def _recover(self) -> tuple[list[str], list[bytes]]:
        """The columns and the whole lines of the file, which is cut to them."""
        data = self.path.read_bytes() if self.path.exists() else b""
        lines = data.splitlines(keepends=True)
        if not lines:
            return list(_FIRST), []
        columns = _fields(lines[0]) if _is_line(lines[0]) else []
        if tuple(columns[: len(_FIRST)]) != _FIRST:
            raise UserError(
                f"{self.path} is no table of metrics (it begins with {lines[0][:40]!r}; "
                "expected step,epoch,...): move it away."
            )
        if len(set(columns)) < len(columns):
            twice = next(name for name in columns if columns.count(name) > 1)
            raise UserError(
                f"{self.path}: two columns are called {twice!r}: mend the first line, or move the file away."
            )
        broken = [number for number, line in enumerate(lines[1:], 2) if not _is_row(line, len(columns))]
        if broken and broken[0] < len(lines):
            raise UserError(
                f"{self.path}: line {broken[0]} is not a row of {len(columns)} columns that begins with "
                "a step: mend it, or move the file away."
            )
        if broken:
            warnings.warn(
                f"{self.path}: the last line was not written to its end (the process was killed) and is dropped.",
                stacklevel=2,
            )
            del lines[-1]
            os.truncate(self.path, sum(map(len, lines)))
        return columns, lines

    def _merged(self) -> dict[int, Row]:
        """Everything on disk at this moment with everything logged, by step."""
        columns, lines = self._recover()
        self._columns.extend(name for name in columns if name not in self._columns)
        table: dict[int, Row] = {}
        for line in lines[1:]:
            row = self._row(columns, line)
            table.setdefault(int(row["step"]), {}).update(row)
        for step, row in self._rows.items():
            table.setdefault(step, {}).update(row)
        return dict(sorted(table.items()))

    def _rewrite(self, table: dict[int, Row]) -> None:
        header = _line(self._columns)
        lines = [self._row_line(row) for row in table.values()]
        write_atomically(self.path, (header + b"".join(lines)).decode())
        self._end = len(header) + sum(map(len, lines))
        self._keep_last(table, lines)
        self._must_rewrite = False

    def _extend(self) -> None:
        table = dict(sorted(self._rows.items()))
        lines = [self._row_line(row) for row in table.values()]
        self._end = _replace_tail(self.path, self._start, b"".join(lines))
        self._keep_last(table, lines)

    def _keep_last(self, table: dict[int, Row], lines: list[bytes]) -> None:
        """The last row alone stays open, to be merged into."""
        self._rows = dict(list(table.items())[-1:])
        self._start = self._end - (len(lines[-1]) if lines else 0)

    @staticmethod
    def _row(columns: list[str], line: bytes) -> Row:
        return {name: text for name, text in zip(columns, _fields(line), strict=True) if text}

    def _row_line(self, row: Row) -> bytes:
        return _line(row.get(name, "") for name in self._columns)

    def _size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else -1


def _replace_tail(path: Path, start: int, data: bytes) -> int:
    """Put ``data`` in place of all from ``start`` on, or, failing, the old tail again; the new size."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        old = os.pread(descriptor, os.fstat(descriptor).st_size - start, start)
        try:
            write_all(descriptor, data, start)
            os.ftruncate(descriptor, start + len(data))
        except OSError as error:
            with contextlib.suppress(OSError):
                write_all(descriptor, old, start)  # into space that the file owns: fits on a full disk
                os.ftruncate(descriptor, start + len(old))
            raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        os.close(descriptor)
    return start + len(data)


def _text(value: Any) -> str:
    """A number as text that reads back as the same number."""
    if hasattr(value, "item"):
        value = value.item()  # tensors and NumPy scalars
    return repr(value) if isinstance(value, float) else _one_line(str(value))


def _one_line(text: str) -> str:
    """A row is one line of the file, whatever is logged."""
    return " ".join(text.splitlines())


def _line(fields: Iterable[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(fields)
    return text.getvalue().encode()


def _fields(line: bytes) -> list[str]:
    return fields_of(line.decode(errors="replace").rstrip("\r\n"))


def _is_line(line: bytes) -> bool:
    """Whether it was written to its end; a power cut leaves zeros."""
    return line.endswith(b"\n") and b"\0" not in line


def _is_row(line: bytes, num_columns: int) -> bool:
    if not _is_line(line):
        return False
    fields = _fields(line)
    return len(fields) == num_columns and is_step(fields[0])
