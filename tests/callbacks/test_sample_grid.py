"""Sample grids: when, where, what they show, and to whom."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningDataModule
from lightning.pytorch.demos.boring_classes import BoringModel
from lightning.pytorch.loggers import CSVLogger
from PIL import Image
from tiny_gan import LinearDiscriminator, LinearGenerator, examples, linear_gan, loader, trainer
from torch.utils.data import DataLoader, TensorDataset

from lit_gan.callbacks.interpolation import Interpolation
from lit_gan.callbacks.pictures import grid_image
from lit_gan.callbacks.sample_grid import SampleGrid
from lit_gan.errors import UserError
from lit_gan.extensions.conditional import ConditionalGAN
from lit_gan.gan import GAN
from lit_gan.networks import MaxoutDiscriminator, MLPGenerator


def fitted(tmp_path: Path, callback: SampleGrid, rounds: int = 5, **kwargs: Any) -> list[str]:
    run = trainer(max_steps=rounds, callbacks=[callback], default_root_dir=tmp_path, **kwargs)
    run.fit(linear_gan(), loader(examples(8), batch_size=4))
    return sorted(path.name for path in (tmp_path / "samples").iterdir())


def test_grids_come_every_n_rounds_and_at_the_end(tmp_path: Path) -> None:
    names = fitted(tmp_path, SampleGrid(num_samples=4, every_n_rounds=2))
    assert names == ["round-000002.png", "round-000004.png", "round-000005.png"]


def test_the_last_grid_is_not_drawn_twice(tmp_path: Path) -> None:
    assert fitted(tmp_path, SampleGrid(num_samples=4, every_n_rounds=5)) == ["round-000005.png"]


def test_zero_means_only_at_the_end(tmp_path: Path) -> None:
    assert fitted(tmp_path, SampleGrid(num_samples=4, every_n_rounds=0)) == ["round-000005.png"]


def test_saved_file_is_a_readable_picture(tmp_path: Path) -> None:
    fitted(tmp_path, SampleGrid(num_samples=4, every_n_rounds=0, columns=2))
    with Image.open(tmp_path / "samples" / "round-000005.png") as picture:
        assert picture.size == (600, 600)


def test_drawing_grids_changes_nothing_in_training(tmp_path: Path) -> None:
    def weights(callbacks: list[Any]) -> list[float]:
        gan = linear_gan()
        run = trainer(max_steps=4, callbacks=callbacks, default_root_dir=tmp_path)
        run.fit(gan, loader(examples(8), batch_size=4))
        return [float(parameter.detach()) for parameter in gan.parameters()]

    assert weights([]) == weights([SampleGrid(num_samples=4, every_n_rounds=1)])


def test_a_module_that_cannot_sample_is_left_alone(tmp_path: Path) -> None:
    run = trainer(max_steps=2, precision="32-true", callbacks=[SampleGrid(every_n_rounds=1)], default_root_dir=tmp_path)
    model = BoringModel()
    run.fit(model, torch.utils.data.DataLoader(torch.rand(4, 32)))
    assert not (tmp_path / "samples").exists()


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"num_samples": -1}, r"sample_grid\.num_samples = -1: expected 0 \(off\) or more"),
        ({"every_n_rounds": -1}, r"sample_grid\.every_n_rounds = -1: expected 0 \(only at the end\) or more"),
        ({"columns": 0}, r"sample_grid\.columns = 0: expected at least 1"),
    ],
)
def test_arguments_out_of_range_are_told(kwargs: dict[str, int], message: str) -> None:
    with pytest.raises(UserError, match=message):
        SampleGrid(**kwargs)


def test_zero_samples_switch_it_off(tmp_path: Path) -> None:
    run = trainer(max_steps=2, callbacks=[SampleGrid(num_samples=0, every_n_rounds=1)], default_root_dir=tmp_path)
    run.fit(linear_gan(), loader(examples(8), batch_size=4))
    assert not (tmp_path / "samples").exists()


def test_training_on_images_that_cannot_be_shown_goes_on_with_one_warning(tmp_path: Path) -> None:
    class TwoChannels(LinearGenerator):
        def forward(self, z: torch.Tensor) -> torch.Tensor:
            return super().forward(z).expand(-1, 2, -1, -1)

    class Judge(LinearDiscriminator):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x[:, :1])

    gan = GAN(TwoChannels(), Judge())
    callbacks = [SampleGrid(num_samples=4, every_n_rounds=1)]
    run = trainer(max_steps=2, callbacks=callbacks, default_root_dir=tmp_path)
    with pytest.warns(UserWarning, match="no sample grid: images with 2 channels cannot be shown") as told:
        run.fit(gan, loader(examples(8).expand(-1, 2, -1, -1), batch_size=4))
    assert len([warning for warning in told if "no sample grid" in str(warning.message)]) == 1
    assert run.global_step == 2


def test_a_training_without_a_folder_leaves_the_pictures_of_others_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for rounds in (3, 3, 2):
        callbacks = [SampleGrid(num_samples=4, every_n_rounds=0), Interpolation(rows=1, steps=2)]
        trainer(max_steps=rounds, callbacks=callbacks).fit(linear_gan(), loader(examples(8), batch_size=4))
    found = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.png"))
    assert found == [
        *("samples-2/interpolation-000003.png", "samples-2/round-000003.png"),
        *("samples-3/interpolation-000002.png", "samples-3/round-000002.png"),
        *("samples/interpolation-000003.png", "samples/round-000003.png"),
    ]


def test_a_training_that_goes_on_keeps_to_its_folder(tmp_path: Path) -> None:
    (tmp_path / "samples").mkdir()
    Image.new("L", (1, 1)).save(tmp_path / "samples" / "round-000009.png")
    gan, run = linear_gan(), trainer(max_steps=2, callbacks=[SampleGrid(4, 0)], default_root_dir=tmp_path)
    run.fit(gan, loader(examples(8), batch_size=4))
    run.save_checkpoint(tmp_path / "x.ckpt")
    run.fit_loop.epoch_loop.max_steps = 4
    run.fit(gan, loader(examples(8), batch_size=4))
    later = trainer(max_steps=6, callbacks=[SampleGrid(4, 0)], default_root_dir=tmp_path)
    later.fit(linear_gan(), loader(examples(8), batch_size=4), ckpt_path=tmp_path / "x.ckpt")
    found = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.png"))
    numbers = (2, 4, 6)
    assert found == [*(f"samples-2/round-{number:06d}.png" for number in numbers), "samples/round-000009.png"]


def test_pictures_lie_beside_the_numbers_of_the_first_logger(tmp_path: Path) -> None:
    for version in range(2):
        logger = CSVLogger(tmp_path, name="mine")
        callbacks = [SampleGrid(num_samples=4, every_n_rounds=0)]
        run = trainer(max_steps=2, callbacks=callbacks, logger=logger, default_root_dir=tmp_path)
        run.fit(linear_gan(), loader(examples(8), batch_size=4))
        assert (tmp_path / "mine" / f"version_{version}" / "samples" / "round-000002.png").is_file()
    assert not (tmp_path / "samples").exists()


def test_a_folder_that_is_given_is_the_folder(tmp_path: Path) -> None:
    for _ in range(2):
        callbacks = [SampleGrid(num_samples=4, every_n_rounds=0, folder=str(tmp_path / "mine"))]
        run = trainer(max_steps=2, callbacks=callbacks, default_root_dir=tmp_path / "root")
        run.fit(linear_gan(), loader(examples(8), batch_size=4))
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


class Labelled(LightningDataModule):
    """Two classes with names."""

    class_names = ("zero", "one")
    value_range = (0.0, 1.0)

    def train_dataloader(self) -> DataLoader[Any]:
        images = torch.linspace(0, 1, 16)[:, None, None, None].expand(16, 1, 8, 8)
        return DataLoader(TensorDataset(images, torch.arange(16) % 2), batch_size=8)


def test_the_rows_of_a_conditional_gan_have_the_names_of_their_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = {}

    def spy(images: torch.Tensor, columns: int, labels: Any = None) -> torch.Tensor:
        shown[columns] = labels
        return grid_image(images, columns, labels)

    for module in ("sample_grid", "interpolation"):
        monkeypatch.setattr(f"lit_gan.callbacks.{module}.grid_image", spy)
    generator = MLPGenerator((1, 8, 8), latent_size=2, hidden=(4,), condition_size=2)
    gan = ConditionalGAN(generator, MaxoutDiscriminator((1, 8, 8), hidden=(4,), condition_size=2), num_classes=2)
    callbacks = [SampleGrid(6, 0, columns=3), Interpolation(rows=2, steps=5)]
    run = trainer(max_steps=1, precision="32-true", callbacks=callbacks, default_root_dir=tmp_path)
    run.fit(gan, Labelled())
    assert shown == {3: ["zero"] * 3 + ["one"] * 3, 5: ["zero"] * 5 + ["one"] * 5}
    with Image.open(tmp_path / "samples" / "round-000001.png") as picture:
        description = picture.text["Description"]
        assert picture.width > 3 * (8 * 25 + 2) + 2 == 608
        assert picture.height == 2 * (8 * 25 + 2) + 2
    assert description == "6 samples, 3 in a row; the rows are of zero, one; G after 1 rounds"
    run.save_checkpoint(tmp_path / "x.ckpt")
    networks = {"generator": generator, "discriminator": gan.discriminator, "num_classes": 2}
    assert ConditionalGAN.load_from_checkpoint(tmp_path / "x.ckpt", **networks).class_names == ("zero", "one")
