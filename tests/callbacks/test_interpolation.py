"""Walks between latents: their ends, their conditions, when they are drawn, and that they disturb nothing."""

from pathlib import Path

import pytest
import torch
from lightning.pytorch.demos.boring_classes import BoringModel
from tiny_gan import examples, linear_gan, loader, trainer
from torch import Tensor, nn

from lit_gan.callbacks.interpolation import Interpolation
from lit_gan.errors import UserError
from lit_gan.gan import GAN
from lit_gan.randomness import stream


def fitted(tmp_path: Path, callback: Interpolation, rounds: int = 5) -> list[str]:
    run = trainer(max_steps=rounds, callbacks=[callback], default_root_dir=tmp_path)
    run.fit(linear_gan(), loader(examples(8), batch_size=4))
    return sorted(path.name for path in tmp_path.glob("samples/*"))


@pytest.mark.parametrize(
    ("every", "names"),
    [
        (0, ["interpolation-000005.png"]),
        (2, ["interpolation-000002.png", "interpolation-000004.png", "interpolation-000005.png"]),
        (5, ["interpolation-000005.png"]),
    ],
)
def test_when_they_are_drawn(every: int, names: list[str], tmp_path: Path) -> None:
    assert fitted(tmp_path, Interpolation(every_n_rounds=every)) == names


def test_no_rows_switch_it_off(tmp_path: Path) -> None:
    assert fitted(tmp_path, Interpolation(rows=0, every_n_rounds=1)) == []


def test_each_row_goes_from_one_draw_to_another_in_equal_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PL_GLOBAL_SEED", "3")
    gan = linear_gan()
    gan.value_range = (0.0, 1.0)
    gan.generator.a.data.fill_(0.1)  # inside the range for every latent: nothing is cut off
    gan.generator.b.data.fill_(0.5)
    images = Interpolation(rows=2, steps=5).images(gan).view(2, 5)
    ends = gan.latent.sample(4, generator=stream(3, "interpolation"))
    torch.testing.assert_close(images[:, [0, -1]], (0.1 * ends + 0.5).view(2, 2))
    steps = images.diff(dim=1)
    torch.testing.assert_close(steps, steps[:, :1].expand_as(steps))


class LabelledGenerator(nn.Module):
    """Draws the label that it is given."""

    latent_size = 2

    def forward(self, z: Tensor, condition: Tensor) -> Tensor:
        return condition[:, None, None, None].to(z.dtype).expand(-1, 1, 2, 2) / 10


def test_a_conditional_gan_keeps_one_condition_in_a_row() -> None:
    class Labelled(GAN):
        def sample_condition(self, num: int) -> Tensor:
            return torch.arange(num)

    generator = LabelledGenerator()
    generator.weight = nn.Parameter(torch.zeros(1))
    gan = Labelled(generator, nn.Linear(1, 1))
    gan.value_range = (0.0, 1.0)
    images = Interpolation(rows=3, steps=4).images(gan)[:, 0, 0, 0].view(3, 4)
    torch.testing.assert_close(images, torch.tensor([0.0, 0.1, 0.2])[:, None].expand(3, 4))


def test_drawing_changes_nothing_in_training(tmp_path: Path) -> None:
    def weights(callbacks: list[Interpolation]) -> list[float]:
        gan = linear_gan()
        trainer(max_steps=4, callbacks=callbacks, default_root_dir=tmp_path).fit(gan, loader(examples(8), batch_size=4))
        return [float(parameter.detach()) for parameter in gan.parameters()]

    assert weights([]) == weights([Interpolation(every_n_rounds=1)])


def test_a_module_that_cannot_sample_is_left_alone(tmp_path: Path) -> None:
    run = trainer(max_steps=2, precision="32-true", callbacks=[Interpolation()], default_root_dir=tmp_path)
    run.fit(BoringModel(), torch.utils.data.DataLoader(torch.rand(4, 32)))
    assert not (tmp_path / "samples").exists()


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"rows": -1}, r"interpolation\.rows = -1: expected 0 \(off\) or more"),
        ({"steps": 1}, r"interpolation\.steps = 1: expected at least 2, the ends"),
        ({"every_n_rounds": -1}, r"interpolation\.every_n_rounds = -1: expected 0 \(only at the end\) or more"),
    ],
)
def test_arguments_out_of_range_are_told(kwargs: dict[str, int], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Interpolation(**kwargs)
