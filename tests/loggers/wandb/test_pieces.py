"""The pieces of a W&B run in its folder: which of them the server has, and which are set aside."""

from pathlib import Path

import pytest

from lit_gan.loggers.wandb.pieces import delivered_round, mark_whole, pieces_of, set_aside


@pytest.fixture
def wandb_folder(tmp_path: Path) -> Path:
    """Pieces of the run `a` and one of another run."""
    for name in ("offline-run-3-a", "run-2-a", "offline-run-1-a", "offline-run-4-ba"):
        (tmp_path / name).mkdir()
    return tmp_path


def _names(pieces: list[Path]) -> list[str]:
    return [piece.name for piece in pieces]


def test_the_pieces_of_a_run_are_those_that_bear_its_id_the_oldest_first(wandb_folder: Path) -> None:
    assert _names(pieces_of(wandb_folder, "a")) == ["offline-run-1-a", "run-2-a", "offline-run-3-a"]


def test_an_id_is_no_pattern(tmp_path: Path) -> None:
    for name in ("run-1-s=[0.1]", "run-2-s=0"):
        (tmp_path / name).mkdir()
    assert _names(pieces_of(tmp_path, "s=[0.1]")) == ["run-1-s=[0.1]"]


@pytest.mark.parametrize("content", ["", "{", "{}", "[]"])
def test_a_piece_whose_end_was_not_written_whole_is_none_that_the_server_has(wandb_folder: Path, content: str) -> None:
    _, second, _ = pieces_of(wandb_folder, "a")
    (second / "end.json").write_text(content)
    assert delivered_round([second]) == -1
    set_aside([second])
    assert not second.exists()


def test_what_the_server_has_are_whole_pieces_that_were_online_or_uploaded(wandb_folder: Path) -> None:
    first, second, third = pieces_of(wandb_folder, "a")
    assert delivered_round([first, second, third]) == -1
    mark_whole(third, 9)  # not uploaded
    assert delivered_round([first, second, third]) == -1
    mark_whole(second, 7)
    assert delivered_round([first, second, third]) == 7
    (third / "run-a.wandb.synced").touch()
    assert delivered_round([first, second, third]) == 9


def test_only_pieces_that_the_server_has_not_are_set_aside(wandb_folder: Path) -> None:
    first, second, third = pieces_of(wandb_folder, "a")
    mark_whole(second, 7)
    set_aside([first, second, third])
    assert pieces_of(wandb_folder, "a") == [second]
    assert _names(sorted((wandb_folder / "set-aside").iterdir())) == [first.name, third.name]
