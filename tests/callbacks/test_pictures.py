"""How pictures of a run are laid out, and who is given them."""

from pathlib import Path

import pytest
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from PIL import Image
from tiny_gan import examples, linear_gan, loader, trainer

from lit_gan.callbacks.interpolation import Interpolation
from lit_gan.callbacks.pictures import grid_image
from lit_gan.callbacks.sample_grid import SampleGrid
from lit_gan.errors import UserError
from lit_gan.tracking.csv_logger import CSVMetrics


def test_the_picture_holds_the_samples_row_by_row() -> None:
    images = torch.linspace(0, 1, 6)[:, None, None, None].expand(6, 1, 28, 28)
    grid = grid_image(images, columns=3)
    middles = grid[0, 16::30, 16::30]
    torch.testing.assert_close(middles, torch.linspace(0, 1, 6).view(2, 3))


def test_small_images_are_enlarged_by_whole_pixels() -> None:
    images = torch.rand(2, 3, 8, 8)
    grid = grid_image(images, columns=1)
    assert grid.shape == (3, 2 * (8 * 4 + 2) + 2, 8 * 4 + 4)
    assert torch.equal(grid[:, 2:34:4, 2:34:4], images[0])


def test_images_with_two_channels_cannot_be_shown() -> None:
    with pytest.raises(UserError, match=r"images with 2 channels cannot be shown: expected 1 \(grey\) or 3"):
        grid_image(torch.zeros(1, 2, 4, 4), columns=1)


def test_every_logger_that_takes_images_gets_them_under_their_names(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # noqa: PLC0415

    callbacks = [SampleGrid(num_samples=4, every_n_rounds=2), Interpolation(rows=2, steps=3)]
    loggers = [CSVMetrics(tmp_path), TensorBoardLogger(tmp_path, name="", version="")]  # a table takes none
    run = trainer(max_steps=4, callbacks=callbacks, default_root_dir=tmp_path, logger=loggers)
    run.fit(linear_gan(), loader(examples(8), batch_size=4))
    board = EventAccumulator(str(tmp_path)).Reload()
    assert sorted(board.Tags()["images"]) == ["interpolations", "samples"]
    assert [image.step for image in board.Images("samples")] == [1, 3]
    assert [image.step for image in board.Images("interpolations")] == [3]
    with Image.open(tmp_path / "samples" / "interpolation-000004.png") as picture:
        assert picture.size == (3 * 30 + 2, 2 * 30 + 2)
