"""The conditional GAN: which class goes where."""

import pytest
import torch
from tiny_gan import trainer
from torch.utils.data import DataLoader, TensorDataset

from lit_gan.errors import UserError
from lit_gan.extensions.conditional import ConditionalGAN
from lit_gan.networks import MaxoutDiscriminator, MLPGenerator


def conditional_gan(num_classes: int = 3) -> ConditionalGAN:
    generator = MLPGenerator((1, 4, 4), latent_size=2, hidden=(8,), condition_size=3)
    return ConditionalGAN(
        generator, MaxoutDiscriminator((1, 4, 4), hidden=(6,), condition_size=3), num_classes=num_classes
    )


def test_both_players_see_the_class_one_hot() -> None:
    gan = conditional_gan().eval()
    z, labels = torch.zeros(3, 2), torch.tensor([2, 0, 1])
    one_hot = torch.tensor([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])
    assert torch.equal(gan.generate(z, labels), gan.generator(z, one_hot))
    x = torch.rand(3, 1, 4, 4)
    assert torch.equal(gan.discriminate(x, labels), gan.discriminator(x, one_hot))


def test_without_a_condition_every_class_has_its_rows_of_the_grid() -> None:
    gan = conditional_gan().eval()
    z = torch.randn(6, 2)
    assert torch.equal(gan(z), gan.generate(z, torch.tensor([0, 0, 1, 1, 2, 2])))


def test_samples_of_a_class_differ_from_those_of_another() -> None:
    gan = conditional_gan()
    zeros, ones = (gan.sample(4, rng=0, condition=torch.full((4,), label)) for label in (0, 1))
    assert not torch.equal(zeros, ones)


def test_it_trains_on_images_and_labels() -> None:
    gan = conditional_gan()
    before = [parameter.detach().clone() for parameter in gan.parameters()]
    data = TensorDataset(torch.rand(12, 1, 4, 4), torch.arange(12) % 3)
    trainer(max_epochs=1, precision="32-true").fit(gan, DataLoader(data, batch_size=6), DataLoader(data, batch_size=6))
    assert all(not torch.equal(one, other) for one, other in zip(before, gan.parameters(), strict=True))


def test_data_without_labels_are_an_error() -> None:
    with pytest.raises(UserError, match="num_classes = 0: expected data with labels of at least 2 classes"):
        conditional_gan(num_classes=0)


def test_judging_without_the_class_is_an_error() -> None:
    with pytest.raises(UserError, match="a conditional discriminator needs the class of each example"):
        conditional_gan().discriminate(torch.rand(1, 1, 4, 4))
