"""What W&B is to show of a run, read from its folder."""

from pathlib import Path

import pytest

from lit_gan.loggers.wandb.history import picture_file, rows_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three rows of numbers; pictures after two rounds, which have no row, and after four."""
    (tmp_path / "metrics.csv").write_text("step,epoch,a,b\n0,0,0.5,\n3,1,nan,2\n5,1,,x\n")
    (tmp_path / "samples").mkdir()
    for name in ("round-000002.png", "round-000004.png", "interpolation-000004.png", "mine.png", "round-x.png"):
        (tmp_path / "samples" / name).touch()
    return tmp_path


def test_numbers_and_pictures_stand_in_the_row_of_their_round(folder: Path) -> None:
    samples = folder / "samples"
    rows = rows_of(folder)
    assert str(rows[3].pop("a")) == "nan"
    assert rows == {
        0: {"epoch": 0, "a": 0.5},
        1: {"samples": samples / "round-000002.png"},
        3: {
            "epoch": 1,
            "b": 2,
            "samples": samples / "round-000004.png",
            "interpolations": samples / "interpolation-000004.png",
        },
        5: {"epoch": 1, "b": "x"},
    }


def test_rows_from_a_round_on_can_be_left_out(folder: Path) -> None:
    assert list(rows_of(folder, before=3)) == [0, 1]


def test_an_empty_folder_has_none(tmp_path: Path) -> None:
    assert rows_of(tmp_path) == {}


def test_a_picture_is_found_by_its_name_and_round(folder: Path) -> None:
    assert picture_file(folder, "interpolations", 4) == folder / "samples" / "interpolation-000004.png"
    assert picture_file(folder, "interpolations", 2) is None
    assert picture_file(folder, "other", 4) is None
