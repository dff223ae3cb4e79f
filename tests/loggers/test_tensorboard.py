"""TensorBoard gets what the table of metrics gets, and the pictures, in the run folder."""

import os
import sys
from pathlib import Path

import pytest
from command_line import fit, metrics, the_run
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lit_gan.errors import UserError
from lit_gan.loggers.tensorboard import tensorboard_logger


def test_names_numbers_and_pictures_are_the_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert fit("--tensorboard=true", "--parzen.num_samples=20", epochs=1).code == 0
    run = the_run()
    board = EventAccumulator(os.fspath(run / "tensorboard")).Reload()
    table = metrics(run)
    names = {name for row in table for name in row} - {"step"}
    assert set(board.Tags()["scalars"]) == names
    for name in names:
        expected = {int(row["step"]): float(row[name]) for row in table if row.get(name)}
        # The number of the epoch comes with training's numbers, and again with validation's of the same round.
        assert {event.step: event.value for event in board.Scalars(name)} == pytest.approx(expected)
    assert sorted(board.Tags()["images"]) == ["interpolations", "samples"]
    assert [event.step for event in board.Images("samples")][-1] == int(table[-1]["step"])
    assert {row["train/lr_g"] for row in table if row.get("train/lr_g")} == {"0.1"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runs"]


def test_each_round_of_a_run_that_goes_on_is_there_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    # Stopped after six rounds, and gone on with from the checkpoint of four.
    stop = ("--trainer.callbacks+=own_modules.StopOnce", "--trainer.callbacks.init_args.rounds=6")
    for code in (130, 0):
        assert fit("--tensorboard=true", "--sample_grid.every_n_rounds=1", *stop).code == code
    board = EventAccumulator(os.fspath(the_run() / "tensorboard"), size_guidance={"images": 0}).Reload()
    assert [event.step for event in board.Scalars("train/loss_d")] == list(range(8))
    assert [event.step for event in board.Images("samples")] == list(range(8))


def test_without_tensorboard_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*arguments: object, **kwargs: object) -> None:
        raise ModuleNotFoundError("Neither `tensorboard` nor `tensorboardX` is available.")

    monkeypatch.setattr(sys.modules["lit_gan.loggers.tensorboard"], "RunBoard", absent)
    with pytest.raises(UserError, match="--tensorboard true: TensorBoard is not installed: `pip install tensorboard`"):
        tensorboard_logger(tmp_path)
