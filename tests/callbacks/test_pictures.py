"""How pictures of a run are laid out, and who is given them."""

from pathlib import Path

import pytest
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from PIL import Image
from tiny_gan import examples, linear_gan, loader, trainer
from torchvision.utils import save_image

from lit_gan.callbacks.interpolation import Interpolation
from lit_gan.callbacks.pictures import grid_image, save_picture
from lit_gan.callbacks.sample_grid import SampleGrid
from lit_gan.errors import UserError
from lit_gan.loggers.csv import CSVMetrics


def test_the_picture_holds_the_samples_row_by_row() -> None:
    images = torch.linspace(0, 1, 6)[:, None, None, None].expand(6, 1, 28, 28)
    grid = grid_image(images, columns=3)
    assert grid.shape == (3, 2 * (28 * 8 + 2) + 2, 3 * (28 * 8 + 2) + 2)
    middles = grid[0, 114::226, 114::226]
    torch.testing.assert_close(middles, torch.linspace(0, 1, 6).view(2, 3))


def test_small_images_are_enlarged_by_whole_pixels() -> None:
    images = torch.rand(100, 3, 8, 8)
    grid = grid_image(images, columns=10)
    assert grid.shape == (3, 10 * (8 * 8 + 2) + 2, 10 * (8 * 8 + 2) + 2)
    for offset in range(8):  # every pixel of the eight that each has become
        assert torch.equal(grid[:, 2 + offset : 66 : 8, 2:66:8], images[0])
    assert torch.equal(grid[:, 68:132:8, 9:66:8], images[10])


@pytest.mark.parametrize(
    ("num", "columns", "height", "width", "factor"),
    [
        (100, 10, 8, 8, 8),
        (100, 10, 28, 28, 3),
        (100, 10, 32, 32, 2),
        (100, 10, 48, 48, 2),
        (100, 10, 64, 64, 1),
        (100, 10, 128, 128, 1),
        (40, 10, 8, 8, 8),
        (2, 10, 64, 64, 5),
        (2, 10, 1024, 1024, 1),
        (100, 1, 8, 8, 4),
        (100, 100, 4, 8, 7),
        (10, 10, 1, 64, 28),
    ],
)
def test_a_grid_has_600_pixels_on_its_longer_side_and_no_more_than_it_takes(
    num: int, columns: int, height: int, width: int, factor: int
) -> None:
    grid = grid_image(torch.zeros(num, 1, height, width), columns)
    across, down = min(num, columns), -(-num // columns)
    assert grid.shape == (3, down * (height * factor + 2) + 2, across * (width * factor + 2) + 2)
    assert max(grid.shape) >= 600


def test_the_file_has_the_bits_of_torchvisions(tmp_path: Path) -> None:
    grid = grid_image(torch.rand(6, 1, 8, 8), columns=3)
    save_image(grid, tmp_path / "theirs.png")
    save_picture(grid, tmp_path / "ours.png", ".png")
    assert (tmp_path / "ours.png").read_bytes() == (tmp_path / "theirs.png").read_bytes()


def test_a_png_says_what_it_shows(tmp_path: Path) -> None:
    save_picture(torch.zeros(3, 4, 4), tmp_path / "x.png", ".png", "the rows are of 猫, dog")
    with Image.open(tmp_path / "x.png") as picture:
        assert picture.text == {"Description": "the rows are of 猫, dog"}


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
        assert picture.size == (3 * 200 + 2, 2 * 200 + 2)
        assert picture.text["Description"].startswith("each row goes from one random latent on the left to another")
    with Image.open(tmp_path / "samples" / "round-000004.png") as picture:
        assert picture.text == {"Description": "4 samples, 10 in a row; G after 4 rounds"}
