"""`metrics.csv` as a reader sees it."""

import math
from pathlib import Path

import pytest
from mutations import mutations

from lit_gan.loggers.metrics_table import MetricsTable
from lit_gan.runs.metrics_file import Column, read_metrics

_HEAD = "step,epoch,train/loss_d,val/parzen_nll\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "metrics.csv"


def test_it_reads_what_the_logger_writes(file: Path) -> None:
    table = MetricsTable(file)
    for step in range(1200):  # more than are read at once
        table.log(step, {"epoch": step // 10, "train/loss_d": step / 3, 'odd, "name"': float(step % 2)})
    table.log(1199, {"val/parzen_nll": -5.0})
    table.flush()
    found = read_metrics(file)
    assert (found.rounds, found.epochs, found.faults) == (1200, 119, [])
    assert found.columns["train/loss_d"].values == [step / 3 for step in range(1200)]
    assert found.columns["train/loss_d"].rounds == list(range(1, 1201))
    assert found.columns['odd, "name"'].last == 1.0
    assert found.columns["val/parzen_nll"] == Column([1200], [-5.0])


def test_one_quantity_is_read_alone(file: Path) -> None:
    file.write_text(_HEAD + "0,0,1,\n1,0,2,-3\n2,0,3,-4\n3,0,4,\n")
    found = read_metrics(file, ("val/parzen_nll",))
    assert found.columns == {"val/parzen_nll": Column([2, 3], [-3.0, -4.0])}
    assert found.rounds == 4
    assert read_metrics(file, ("val/other",)).rounds == 4


def test_what_is_no_finite_number_is_left_out(file: Path) -> None:
    file.write_text(_HEAD + "0,0,nan,-1\n1,0,inf,word\n2,0,1.5,\n")
    found = read_metrics(file)
    assert found.columns == {"train/loss_d": Column([3], [1.5]), "val/parzen_nll": Column([1], [-1.0])}
    assert found.faults == []


def test_a_broken_line_is_named_and_the_others_are_read(file: Path) -> None:
    file.write_text(_HEAD + "0,0,1,\nrubbish\n2,0,3,\nx,0,4,\n4,0")
    found = read_metrics(file)
    assert found.columns["train/loss_d"].rounds == [1, 3]
    assert found.faults == [
        "metrics.csv, line 3: expected 4 fields that begin with a step, got 1, and is left out",
        "metrics.csv, line 5: expected 4 fields that begin with a step, got 4, and is left out",
        "metrics.csv, line 6: it was not written to its end, and is left out",
    ]
    assert file.read_text().endswith("4,0")  # a reader writes nothing


@pytest.mark.parametrize("names", [None, ["val/parzen_nll"]])
@pytest.mark.parametrize("end", ["149,1,,-22", "149,1,,", "149", '149,1,,"-2', " "])
def test_a_last_line_without_its_end_is_left_out_however_many_fields_it_has(
    file: Path, end: str, names: list[str] | None
) -> None:
    file.write_text(f"{_HEAD}99,0,1,-225.5\n{end}")  # of -224.0, say
    found = read_metrics(file, names)
    assert found.columns["val/parzen_nll"] == Column([100], [-225.5])
    assert (found.rounds, found.epochs) == (100, 0)
    assert found.faults == ["metrics.csv, line 3: it was not written to its end, and is left out"]


def test_a_first_line_without_its_end_is_told(file: Path) -> None:
    file.write_text("step,epoch,train/los")
    found = read_metrics(file)
    assert found.columns == {}
    assert found.faults == ["metrics.csv, line 1: it was not written to its end, and is left out"]


def test_not_every_line_of_another_kind_of_file_is_told(file: Path) -> None:
    file.write_text(_HEAD + "a line\n" * 100)
    assert len(found := read_metrics(file).faults) == 6
    assert found[-1] == "metrics.csv: 95 more lines that cannot be read"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "metrics.csv: there is none"),
        ("name,value\n1,2\n", "metrics.csv, line 1: expected step,epoch,..., got 'name,value': none of it is read"),
    ],
)
def test_without_a_table_it_says_so(file: Path, content: str | None, told: str) -> None:
    if content is not None:
        file.write_text(content)
    found = read_metrics(file)
    assert (found.columns, found.rounds, found.faults) == ({}, 0, [told])


def test_a_file_that_is_still_empty_is_no_fault(file: Path) -> None:
    file.touch()
    assert read_metrics(file).faults == []


def test_the_best_value_and_its_round() -> None:
    column = Column([10, 20, 30, 40], [3.0, 1.0, 1.0, 5.0])
    assert (column.best(), column.best("max"), Column().best()) == ((1.0, 20), (5.0, 40), None)


@pytest.mark.parametrize(
    ("row", "got"), [("9" * 5000 + ",0,1,", 4), ("\u00b2,0,1,", 4), ('1,0,"' + "x" * 140_000 + '",', 0)]
)
def test_a_line_that_no_table_has_is_left_out(file: Path, row: str, got: int) -> None:
    file.write_text(f"{_HEAD}0,0,1,\n{row}\n")
    found = read_metrics(file)
    assert found.columns["train/loss_d"].rounds == [1]
    expected = f"metrics.csv, line 3: expected 4 fields that begin with a step, got {got}, and is left out"
    assert found.faults == [expected]


def test_a_first_line_that_no_table_has_is_told(file: Path) -> None:
    file.write_text("step,epoch,a\rb\n1,2,3\n")
    assert read_metrics(file).faults == [
        "metrics.csv, line 1: expected step,epoch,..., got 'step,epoch,a\\rb': none of it is read"
    ]


def test_whatever_is_damaged_the_numbers_that_are_read_are_finite(file: Path) -> None:
    for content in mutations((_HEAD + "49,0,0.5,1\n99,1,nan,\n149,1,0.25,1e3\n").encode(), 200):
        file.write_bytes(content)
        for found in (read_metrics(file), read_metrics(file, ["train/loss_d"])):
            assert all(len(column.rounds) == len(column.values) for column in found.columns.values())
            assert all(math.isfinite(value) for column in found.columns.values() for value in column.values)
        assert file.read_bytes() == content
