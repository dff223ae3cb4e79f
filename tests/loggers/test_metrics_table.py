import csv
import errno
import math
import os
import resource

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mutations import check_told, mutations
from properties import examples

from lit_gan.errors import UserError
from lit_gan.loggers.metrics_table import MetricsTable
from lit_gan.runs.metrics_file import read_metrics


@pytest.fixture
def path(tmp_path):
    return tmp_path / "metrics.csv"


def _logged(path, *rows):
    table = MetricsTable(path)
    for step, values in rows:
        table.log(step, values)
    table.flush()
    return table


def test_columns_stand_in_order_of_first_appearance_after_step_and_epoch(path):
    _logged(path, (1, {"b": 1.0, "epoch": 0}), (2, {"a": 2.0, "epoch": 0}), (3, {"b": 3.0, "c": 4.0, "epoch": 1}))
    assert path.read_text() == "step,epoch,b,a,c\n1,0,1.0,,\n2,0,,2.0,\n3,1,3.0,,4.0\n"


@pytest.mark.parametrize("flush_between", [False, True])
def test_what_is_logged_for_one_step_is_one_row(path, flush_between):
    table = _logged(path, (1, {"epoch": 0, "train": 0.5}), (2, {"epoch": 0, "train": 0.25}))
    table.log(2, {"val": 1.5, "train": 0.125})
    if flush_between:
        table.flush()
    table.log(2, {"test": 3.0})
    table.log(None, {"more": 4.0})
    table.flush()
    last = path.read_text().splitlines()[-1]
    assert last == "2,0,0.125,1.5,3.0,4.0"
    assert len(path.read_text().splitlines()) == 3


def test_a_flush_without_new_columns_appends_in_place(path):
    table = _logged(path, (1, {"a": 1.0}))
    inode = path.stat().st_ino
    for step in range(2, 6):
        table.log(step, {"a": float(step)})
        table.flush()
    table.log(5, {"a": 0.125})
    table.flush()
    table.log(5, {"a": 7.0})  # shorter than what stands there
    table.flush()
    assert path.stat().st_ino == inode
    assert path.read_text() == "step,epoch,a\n1,,1.0\n2,,2.0\n3,,3.0\n4,,4.0\n5,,7.0\n"


def test_a_step_logged_late_goes_to_its_row(path):
    table = _logged(path, (1, {"a": 1.0}), (3, {"a": 3.0}), (5, {"a": 5.0}))
    table.log(3, {"b": 0.5})
    table.log(2, {"a": 2.0})
    table.flush()
    table.log(6, {"a": 6.0})
    table.flush()
    assert path.read_text() == "step,epoch,a,b\n1,,1.0,\n2,,2.0,\n3,,3.0,0.5\n5,,5.0,\n6,,6.0,\n"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1 + 0.2, "0.30000000000000004"),
        (torch.tensor(0.1), repr(torch.tensor(0.1).item())),
        (torch.tensor([7], dtype=torch.int64), "7"),
        (np.float32(0.1), repr(float(np.float32(0.1)))),
        (np.float64(0.1), "0.1"),
        (np.int64(3), "3"),
        (3, "3"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (5e-324, "5e-324"),
        ("two\nlines", "two lines"),
    ],
)
def test_values_keep_all_their_digits(path, value, text):
    _logged(path, (1, {"a": value}))
    with path.open(newline="") as file:
        assert next(csv.DictReader(file))["a"] == text


def test_names_with_commas_quotes_and_newlines_stay_one_column(path):
    _logged(path, (1, {'a,"b"': 1.0, "c\nd": 2.0}))
    _logged(path, (2, {'a,"b"': 3.0}))
    with path.open(newline="") as file:
        assert [row['a,"b"'] for row in csv.DictReader(file)] == ["1.0", "3.0"]


def test_a_reopened_table_goes_on_and_merges_into_its_last_row(path):
    _logged(path, (1, {"a": 1.0}), (2, {"a": 2.0}))
    _logged(path, (2, {"b": 0.5}), (3, {"b": 1.5}))
    assert path.read_text() == "step,epoch,a,b\n1,,1.0,\n2,,2.0,0.5\n3,,,1.5\n"


def test_reopening_alone_changes_nothing(path):
    _logged(path, (1, {"a": 1.0}))
    before = path.stat()
    table = MetricsTable(path)
    assert table.rows() == [{"step": "1", "a": "1.0"}]
    table.flush()
    assert path.stat() == before


@pytest.mark.parametrize("tail", [b"3,,3.", b"3", b"\0\0\0\0", b"3,\n", b"3,,3.0\0\n"])
def test_a_last_line_that_was_not_finished_is_dropped_with_a_warning(path, tail):
    _logged(path, (1, {"a": 1.0}), (2, {"a": 2.0}))
    whole = path.read_bytes()
    path.write_bytes(whole + tail)
    table = MetricsTable(path)
    with pytest.warns(UserWarning, match=r"metrics\.csv: the last line was not written to its end .* is dropped"):
        table.log(3, {"a": 3.5})
    table.flush()
    assert path.read_bytes() == whole + b"3,,3.5\n"


@pytest.mark.parametrize("content", ["hello", "a,b\n1,2\n", "step,epoch", "\0\0"])
def test_a_file_of_something_else_is_not_touched(path, content):
    path.write_text(content)
    with pytest.raises(UserError, match=r"is no table of metrics \(it begins with .*expected step,epoch.*move it away"):
        MetricsTable(path).log(1, {"a": 1.0})
    assert path.read_text() == content


def test_a_damaged_line_in_the_middle_is_told_before_the_run(path):
    path.write_text("step,epoch,a\n1,,1.0\n2\n3,,3.0\n")
    with pytest.raises(UserError, match=r"metrics\.csv: line 3 is not a row of 3 columns .*: mend it, or move"):
        MetricsTable(path).log(4, {"a": 1.0})


def test_truncation_gives_the_table_as_it_was_at_that_step(path):
    rows = [(step, {"epoch": 0, "a": step / 3}) for step in range(1, 6)]
    _logged(path, *rows)
    at_checkpoint = path.read_bytes()
    _logged(path, (5, {"a": 5 / 3}), (6, {"a": 2.0, "late": 1.0}), (7, {"late": 2.0}))
    table = MetricsTable(path)
    table.truncate_after(5)
    assert path.read_bytes() == at_checkpoint
    table.log(6, {"a": 2.0, "late": 1.0})
    table.flush()
    assert path.read_text().splitlines()[-1] == "6,,2.0,1.0"


def test_truncation_reaches_rows_not_yet_written_and_may_leave_none(path):
    table = MetricsTable(path)
    table.truncate_after(3)
    assert not path.exists()
    for step in (1, 2, 3):
        table.log(step, {"a": 1.0})
    table.truncate_after(2)
    assert path.read_text() == "step,epoch,a\n1,,1.0\n2,,1.0\n"
    table.truncate_after(0)
    assert path.read_text() == "step,epoch\n"
    table.log(1, {"a": 2.0})
    table.flush()
    assert path.read_text() == "step,epoch,a\n1,,2.0\n"


def test_truncation_with_nothing_to_drop_does_not_touch_the_file(path):
    _logged(path, (1, {"a": 1.0}))
    before = path.stat()
    MetricsTable(path).truncate_after(1)
    # Not st_atime: the file has been read.
    after = path.stat()
    assert (after.st_ino, after.st_size, after.st_mtime_ns) == (before.st_ino, before.st_size, before.st_mtime_ns)


def test_rows_that_another_process_adds_are_kept(path):
    ours = _logged(path, (1, {"a": 1.0}))
    theirs = _logged(path, (1, {"test": 0.5}))  # `lit-gan test` while the run goes on
    ours.log(2, {"a": 2.0})
    ours.flush()
    assert path.read_text() == "step,epoch,a,test\n1,,1.0,0.5\n2,,2.0,\n"
    theirs.log(1, {"test": 0.25})
    theirs.flush()
    assert path.read_text() == "step,epoch,a,test\n1,,1.0,0.25\n2,,2.0,\n"


def test_a_file_that_is_deleted_comes_back_with_what_is_at_hand(path):
    table = _logged(path, (1, {"a": 1.0}), (2, {"a": 2.0}))
    path.unlink()
    table.log(3, {"a": 3.0})
    table.flush()
    assert path.read_text() == "step,epoch,a\n2,,2.0\n3,,3.0\n"


@pytest.mark.parametrize("new_column", [False, True])
@pytest.mark.parametrize("written_first", [0, 2, 9])
def test_a_full_disk_loses_no_row(path, monkeypatch, new_column, written_first):
    table = _logged(path, (1, {"a": 1.0}), (2, {"a": 2.0}))
    before, real, room = path.read_bytes(), os.pwrite, [written_first]

    def until_full(descriptor, data, offset):
        fits = max(0, min(len(data), before_end + room[0] - offset))
        if fits == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(descriptor, data[:fits], offset)

    before_end = 0 if new_column else len(before)
    table.log(2, {"epoch": 5})  # the open row is written over in place: its old text must come back
    table.log(3, {"a": 3.0, "b": 4.0} if new_column else {"a": 3.0, "epoch": 123456789})
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", until_full)
        with pytest.raises(OSError, match=rf"No space left on device: '{path}'") as caught:
            table.flush()
    assert caught.value.errno == errno.ENOSPC
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
    table.flush()  # somebody has made room
    assert [row["a"] for row in MetricsTable(path).rows()] == ["1.0", "2.0", "3.0"]


def test_a_full_disk_while_truncating_keeps_the_table(path, monkeypatch):
    def full(descriptor, data, offset):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    table = _logged(path, (1, {"a": 1.0}), (2, {"a": 2.0, "b": 3.0}))
    before = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(OSError, match="No space left on device"):
            table.truncate_after(1)
    assert path.read_bytes() == before
    table.log(3, {"b": 4.0})
    table.flush()
    assert path.read_bytes() == before + b"3,,,4.0\n"


_FILL = """
import resource, signal, sys
from pathlib import Path
from lit_gan.loggers.metrics_table import MetricsTable
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (400, 400))
table = MetricsTable(Path(sys.argv[1]))
try:
    for step in range(100):
        table.log(step, {"loss": step / 3})
        table.flush()
except OSError as error:
    print(step, error.filename)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="the system limits no file sizes")
def test_a_real_limit_of_the_system_leaves_whole_rows_only(path, start_python):
    step, filename = start_python(_FILL, path).communicate()[0].split()
    assert filename == str(path)
    rows = MetricsTable(path).rows()
    assert [row["step"] for row in rows] == [str(number) for number in range(int(step))]
    assert path.stat().st_size <= 400


_LOG_ON = """
import sys
from pathlib import Path
from lit_gan.loggers.metrics_table import MetricsTable
table = MetricsTable(Path(sys.argv[1]))
for step in range(10**9):
    table.log(step, {"loss": step / 3})
    table.log(step, {f"key{step % 7}": step})
    table.flush()
    if step == 300:
        print("going", flush=True)
"""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*not written to its end")
def test_a_process_killed_while_logging_leaves_every_earlier_row(path, start_python):
    process = start_python(_LOG_ON, path)
    assert process.stdout.readline() == "going\n"
    process.kill()
    process.wait()
    rows = MetricsTable(path).rows()
    assert len(rows) >= 300
    assert [int(row["step"]) for row in rows] == list(range(len(rows)))
    assert all(float(row["loss"]) == step / 3 for step, row in enumerate(rows[:-1]))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("step,epoch,a,a\n1,0,2,3\n", "metrics.csv: two columns are called 'a': mend the first line, or move the file"),
        ("step,epoch\n" + "9" * 5000 + ",0\n1,0\n", "metrics.csv: line 2 is not a row of 2 columns"),
        ('step,epoch,a\n1,0,"' + "x" * 140_000 + '"\n1,0,2\n', "metrics.csv: line 2 is not a row of 3 columns"),
    ],
    ids=["columns", "step", "field"],
)
def test_what_no_table_has_is_told(path, text, told):
    path.write_text(text)
    with pytest.raises(UserError, match=told):
        MetricsTable(path).rows()
    assert path.read_text() == text


@pytest.mark.filterwarnings("ignore:.* the last line was not written to its end")
def test_any_damage_is_told_or_what_is_read_is_written_again(path):
    _logged(path, *((step, {"epoch": 0, "a": step / 3, "b": 1.0}) for step in range(1, 6)))
    for content in mutations(path.read_bytes(), 150):
        path.write_bytes(content)
        try:
            table = MetricsTable(path)
            before = table.rows()
            table.log(10**17, {"later": 1.0})
            table.flush()
            after = MetricsTable(path).rows()
        except UserError as error:
            check_told(error)
        else:
            assert after[: len(before)] == before
            assert after[len(before) :] == [{"step": str(10**17), "later": "1.0"}]


_NAMES = st.text(st.characters(exclude_categories=["C"], codec="utf-8"), min_size=1, max_size=6).filter(
    lambda name: name not in ("step", "epoch") and name == " ".join(name.splitlines())
)


@examples(40)
@given(st.lists(st.tuples(st.integers(0, 9), st.dictionaries(_NAMES, st.floats(), max_size=3)), max_size=8))
def test_whatever_is_logged_is_read_as_the_same_numbers(path, rows):
    path.unlink(missing_ok=True)
    _logged(path, *rows)
    expected = {}
    for step, values in rows:
        expected.setdefault(str(step), {}).update(values)
    for row in MetricsTable(path).rows():
        assert {name: repr(value) for name, value in expected.pop(row.pop("step")).items()} == row
    assert not expected
    for column in read_metrics(path).columns.values():
        assert all(map(math.isfinite, column.values))
        assert column.rounds == sorted(column.rounds)
