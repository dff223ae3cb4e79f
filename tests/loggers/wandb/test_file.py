"""The file of a W&B run is read as far as it was written."""

from pathlib import Path

import pytest
import wandb

from lit_gan.loggers.wandb.file import last_value
from lit_gan.loggers.wandb.pieces import delivered_round, pieces_of

_ROWS = 9


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What W&B itself has written of a few rows, one of which is longer than a block."""
    folder = tmp_path_factory.mktemp("wandb")
    settings = wandb.Settings(silent=True, console="off", x_disable_meta=True, x_disable_stats=True)
    run = wandb.init(dir=folder, id="a", mode="offline", settings=settings)
    for step in range(_ROWS):
        run.log({"trainer/global_step": step, "text": "x" * (70_000 if step == 4 else 10)}, step=step)
    run.finish()
    wandb.teardown()
    [file] = folder.glob("wandb/offline-run-*-a/run-a.wandb")
    return file.read_bytes()


def test_a_killed_piece_that_was_uploaded_is_delivered_as_far_as_it_goes(written: bytes, tmp_path: Path) -> None:
    piece = tmp_path / "offline-run-1-a"
    piece.mkdir()
    file = piece / "run-a.wandb"
    ends = []
    for length in (len(written), len(written) * 2 // 3, 70_000, 10_000, 500, 3, 0):
        file.write_bytes(written[:length])
        ends.append(last_value(file, "trainer/global_step"))
    assert ends[0] == _ROWS - 1
    assert ends == sorted(ends, reverse=True)
    assert 3 in ends  # the long row is cut in the middle
    assert ends[-3:] == [-1, -1, -1]

    file.write_bytes(written)
    assert delivered_round(pieces_of(tmp_path, "a")) == -1
    (piece / "run-a.wandb.synced").touch()
    assert delivered_round(pieces_of(tmp_path, "a")) == _ROWS - 1


def test_a_file_that_is_none_has_no_rounds(tmp_path: Path) -> None:
    assert last_value(tmp_path / "absent.wandb", "a") == -1
    (tmp_path / "other.wandb").write_bytes(b"\x01" * 1000)
    assert last_value(tmp_path / "other.wandb", "a") == -1
