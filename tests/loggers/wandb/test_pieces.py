"""The pieces of a W&B run in its folder: how far they go, and which are set aside."""

import json
from pathlib import Path

import pytest

from lit_gan.loggers.wandb.pieces import Pieces


@pytest.fixture
def pieces(tmp_path: Path) -> Pieces:
    """Three of the run `a`, and one of another run."""
    for name in ("offline-run-3-a", "run-2-a", "offline-run-1-a", "offline-run-4-ba"):
        (tmp_path / name).mkdir()
    found = Pieces(tmp_path, "a")
    found.look()
    return found


def _names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def _aside(pieces: Pieces) -> list[str]:
    return _names(sorted((pieces.folder / "set-aside").glob("*")))


def test_the_pieces_of_a_run_are_those_that_bear_its_id_the_oldest_first(pieces: Pieces) -> None:
    assert _names(pieces.earlier) == ["offline-run-1-a", "run-2-a", "offline-run-3-a"]


def test_an_id_is_no_pattern(tmp_path: Path) -> None:
    for name in ("run-1-s=[0.1]", "run-2-s=0"):
        (tmp_path / name).mkdir()
    pieces = Pieces(tmp_path, "s=[0.1]")
    pieces.look()
    assert _names(pieces.earlier) == ["run-1-s=[0.1]"]


@pytest.mark.parametrize("content", ["", "{", "{}", "[]"])
def test_a_piece_whose_end_was_not_written_whole_is_set_aside(pieces: Pieces, content: str) -> None:
    (pieces.earlier[1] / "end.json").write_text(content)
    assert pieces.last_round() == -1
    pieces.set_aside(online=True)
    assert "run-2-a" in _aside(pieces)


def test_the_next_piece_begins_where_the_whole_ones_end_uploaded_or_not(pieces: Pieces) -> None:
    first, second, _ = pieces.earlier
    assert pieces.last_round() == -1
    pieces.keep(first, 7, delivered=True)
    assert pieces.last_round() == 7
    pieces.keep(second, 9, delivered=False)  # online, and the server had gone
    assert pieces.last_round() == 7
    (second / "run-a.wandb.synced").touch()
    assert pieces.last_round() == 9


def test_the_mark_of_an_earlier_version_says_that_a_piece_is_whole(pieces: Pieces) -> None:
    (pieces.earlier[2] / "end.json").write_text('{"last_round": 5}\n')
    assert pieces.last_round() == 5


def test_offline_only_what_was_killed_is_set_aside(pieces: Pieces) -> None:
    first, second, third = pieces.earlier
    pieces.keep(third, 7, delivered=True)
    pieces.set_aside(online=False)
    assert _aside(pieces) == [first.name, second.name]
    assert third.is_dir()


def test_online_all_that_waits_for_its_upload_is_set_aside(pieces: Pieces) -> None:
    first, second, third = pieces.earlier
    pieces.keep(first, 5, delivered=True)
    (first / "run-a.wandb.synced").touch()
    pieces.keep(second, 7, delivered=True)
    pieces.keep(third, 9, delivered=True)
    pieces.set_aside(online=True)
    assert _aside(pieces) == [third.name]


def test_an_offline_piece_is_where_wandb_looks_for_it_only_when_it_is_whole(pieces: Pieces) -> None:
    staged = pieces.stage / "wandb" / "offline-run-5-a"
    staged.mkdir(parents=True)
    assert not list(pieces.folder.glob("offline-run-5-*"))
    pieces.keep(staged, 11, delivered=True)
    assert (pieces.folder / "offline-run-5-a" / "end.json").is_file()
    assert not pieces.stage.parent.exists()


def test_pieces_that_were_begun_in_the_same_second_are_kept_in_their_order(tmp_path: Path) -> None:
    pieces = Pieces(tmp_path, "a-b")
    for number in range(3):
        staged = pieces.stage / "wandb" / "offline-run-20261231_235959-a-b"
        staged.mkdir(parents=True)
        pieces.keep(staged, number, delivered=True)
    pieces.look()
    times = ("20261231_235959", "20270101_000000", "20270101_000001")
    assert _names(pieces.earlier) == [f"offline-run-{time}-a-b" for time in times]
    assert [json.loads((piece / "end.json").read_text())["last_round"] for piece in pieces.earlier] == [0, 1, 2]
    assert not pieces.stage.parent.exists()


def test_what_a_killed_process_had_begun_is_set_aside(pieces: Pieces) -> None:
    staged = pieces.stage / "wandb" / "offline-run-5-a"
    staged.mkdir(parents=True)
    for piece in pieces.earlier:
        pieces.keep(piece, 3, delivered=True)
    pieces.look()
    pieces.set_aside(online=False)
    assert _aside(pieces) == [staged.name]
