"""Sample grids: when, where, what they show, and to whom."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.demos.boring_classes import BoringModel
from PIL import Image
from tiny_gan import LinearDiscriminator, LinearGenerator, examples, linear_gan, loader, trainer

from lit_gan.callbacks.sample_grid import SampleGrid
from lit_gan.errors import UserError
from lit_gan.gan import GAN


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
        assert picture.size == (62, 62)


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
