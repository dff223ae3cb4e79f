"""What of a run is drawn, before it is laid out."""

import pytest
import torch

from lit_gan.augmentation import AdaptiveAugment, AffineColorAugment, Augmentation, InstanceNoise
from lit_gan.data import DigitsDataModule
from lit_gan.figures.of_run import FigureOptions, as_d_sees_them
from lit_gan.gan import GAN
from lit_gan.networks import MaxoutDiscriminator, MLPGenerator
from lit_gan.randomness import stream
from lit_gan.schedules import LinearSchedule


@pytest.mark.parametrize(
    "augment",
    [
        AffineColorAugment("translation,brightness", probability=LinearSchedule(0.0, 0.3, rounds=10)),
        AdaptiveAugment("translation,brightness"),
        InstanceNoise(0.3),
    ],
    ids=lambda augment: type(augment).__name__,
)
def test_examples_and_samples_are_shown_as_they_are_and_as_d_sees_them(augment: Augmentation) -> None:
    data = DigitsDataModule()
    data.setup("fit")
    gan = GAN(MLPGenerator((1, 8, 8), latent_size=4, hidden=(8,)), MaxoutDiscriminator((1, 8, 8), hidden=(8,)))
    gan.augment = augment
    gan.take_value_range(data.value_range)
    before = dict(vars(augment))
    images, said = as_d_sees_them(gan, augment, data, FigureOptions(rows=3, columns=4))
    again, _ = as_d_sees_them(gan, augment, data, FigureOptions(rows=3, columns=4))
    assert torch.equal(images, again)
    rows = images.unflatten(0, (3, 4))
    assert torch.equal(rows[:2, 0], data.images("train", 2))
    assert torch.equal(rows[2, 0], gan.sample(1, rng=stream(gan.seed, "figure 2"))[0])
    for row in rows:
        assert len({tuple(each.flatten().tolist()) for each in row}) == 4
    assert said.startswith(f"by {type(augment).__name__}, draws of seed {gan.seed}")
    assert said.endswith("probability 1") == (not isinstance(augment, InstanceNoise))
    assert vars(augment) == before  # what trains is left as it is


@pytest.mark.parametrize("columns", [1, 3])
def test_a_single_row_is_of_an_example(columns: int) -> None:
    data = DigitsDataModule()
    data.setup("fit")
    gan = GAN(MLPGenerator((1, 8, 8), latent_size=4, hidden=(8,)), MaxoutDiscriminator((1, 8, 8), hidden=(8,)))
    gan.take_value_range(data.value_range)
    images, _ = as_d_sees_them(gan, InstanceNoise(0.3), data, FigureOptions(rows=1, columns=columns))
    assert images.shape == (columns, 1, 8, 8)
    assert torch.equal(images[:1], data.images("train", 1))
