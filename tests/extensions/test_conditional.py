"""The conditional GAN: which condition goes where."""

from pathlib import Path

import pytest
import torch
from conditional_cases import checkpointed, on_both
from ranks import on_ranks
from tiny_gan import trainer
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from lit_gan.engine.turn import Turn
from lit_gan.errors import UserError
from lit_gan.extensions.conditional import ConditionalGAN
from lit_gan.networks import ConvGenerator, MaxoutConvDiscriminator, MaxoutDiscriminator, MLPGenerator


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


def test_further_images_are_judged_under_the_conditions_of_the_minibatch_or_others() -> None:
    class Asking(ConditionalGAN):
        def auxiliary_loss(self, turn: Turn) -> Tensor | None:
            others = (turn.condition + 1) % 3
            self.asked = turn.discriminate(turn.x), turn.discriminate(turn.x, others)
            self.expected = self.discriminate(turn.x, turn.condition), self.discriminate(turn.x, others)
            return None

    generator = MLPGenerator((1, 4, 4), latent_size=2, hidden=(8,), condition_size=3)
    kept = {"input_keep": 1.0, "hidden_keep": 1.0}
    gan = Asking(generator, MaxoutDiscriminator((1, 4, 4), hidden=(6,), condition_size=3, weight_init=1.0, **kept), 3)
    data = TensorDataset(torch.rand(6, 1, 4, 4), torch.arange(6) % 3)
    trainer(max_steps=1, precision="32-true").fit(gan, DataLoader(data, batch_size=6))
    assert all(torch.equal(*pair) for pair in zip(gan.asked, gan.expected, strict=True))
    assert not torch.equal(*gan.asked)


def test_data_without_labels_are_an_error() -> None:
    with pytest.raises(UserError, match="num_classes = 0: expected data with labels of at least 2 classes"):
        conditional_gan(num_classes=0)


def test_judging_without_the_class_is_an_error() -> None:
    with pytest.raises(UserError, match="a conditional discriminator needs the class of each example"):
        conditional_gan().discriminate(torch.rand(1, 1, 4, 4))


def gan_of_images() -> ConditionalGAN:
    """Conditioned on images of four values."""
    torch.manual_seed(0)
    generator = MLPGenerator((1, 4, 4), latent_size=2, hidden=(8,), condition_size=4)
    return ConditionalGAN(generator, MaxoutDiscriminator((1, 4, 4), hidden=(6,), condition_size=4))


IMAGES, CONDITIONS = torch.rand(12, 1, 4, 4), torch.rand(12, 1, 2, 2)


@pytest.mark.parametrize("shape", [(4,), (1, 2, 2), (4, 1, 1)])
def test_any_vector_or_image_is_a_condition_for_dense_and_convolutional_networks(shape: tuple[int, ...]) -> None:
    given = torch.rand(3, *shape)
    gan = gan_of_images().eval()
    z, x = torch.rand(3, 2), torch.rand(3, 1, 4, 4)
    assert torch.equal(gan.generate(z, given), gan.generator(z, given.reshape(3, 4)))
    assert torch.equal(gan.discriminate(x, given), gan.discriminator(x, given.reshape(3, 4)))
    conv = ConditionalGAN(
        ConvGenerator((1, 8, 8), 2, (6, 36), base_shape=(4, 3, 3), kernel_size=4, stride=2, condition_size=4),
        MaxoutConvDiscriminator((1, 8, 8), channels=(2, 2, 2), dense=(6,), condition_size=4),
    )
    samples = conv.generate(z, given)
    assert conv.discriminate(samples, given).shape == (3, 1)
    assert not torch.equal(conv.generate(z, given), conv.generate(z, given.flip(0)))


def test_conditions_of_the_training_are_sampled_under_and_are_in_the_checkpoint(tmp_path: Path) -> None:
    gan, data = gan_of_images(), TensorDataset(IMAGES, CONDITIONS)
    with pytest.raises(UserError, match=r"no condition: expected condition=\.\.\., one row for each sample"):
        gan.sample(2)
    run = trainer(max_epochs=1, precision="32-true")
    run.fit(gan, DataLoader(data, batch_size=6), DataLoader(data, batch_size=6))
    assert torch.equal(gan.sample_condition(12), CONDITIONS[:6].repeat_interleave(2, 0))
    assert torch.equal(gan.sample_condition(2), CONDITIONS[[0, 3]])
    run.save_checkpoint(tmp_path / "it.ckpt")
    networks = {"generator": gan_of_images().generator, "discriminator": gan_of_images().discriminator}
    again = ConditionalGAN.load_from_checkpoint(tmp_path / "it.ckpt", **networks)
    assert torch.equal(again.sample(5, rng=0), gan.sample(5, rng=0))


def test_other_conditions_have_names_too() -> None:
    batch = {"image": IMAGES, "embedding": CONDITIONS}
    assert gan_of_images().split_batch(batch)[1] is CONDITIONS


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        (torch.arange(12), r"second entry is a tensor \(12,\) of torch.int64: expected a vector or an image for each"),
        (None, r"second entry is None: expected a vector or an image .* classes \(N,\) need num_classes"),
    ],
)
def test_what_is_no_such_condition_is_told(condition: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        gan_of_images().split_batch((IMAGES, condition))


def test_a_condition_of_the_wrong_size_is_told() -> None:
    with pytest.raises(UserError, match=r"got a condition of shape \(12, 1, 3, 3\): expected \(N, condition_size\)"):
        gan_of_images().generate(torch.rand(12, 2), torch.rand(12, 1, 3, 3))


def test_under_vectors_it_goes_on_in_an_epoch_to_the_same_bits(tmp_path: Path) -> None:
    whole = checkpointed(tmp_path / "whole", 8).state_dict()
    checkpointed(tmp_path / "stopped", 4)
    last = tmp_path / "stopped" / "last.ckpt"
    gone_on = checkpointed(tmp_path / "on", 8, ckpt_path=last, weights_only=True).state_dict()
    assert whole.keys() == gone_on.keys() >= {"conditions_seen", "generator.centres"}
    assert all(torch.equal(gone_on[name], whole[name]) for name in whole)


@pytest.mark.slow
def test_under_vectors_two_ranks_equal_one_process(tmp_path: Path) -> None:
    alone = on_both(None)
    seen = alone.pop("conditions_seen")
    for rank in on_ranks(on_both, 2, tmp_path):
        assert torch.equal(rank.pop("conditions_seen"), seen.view(2, 8, 3)[:, :4].flatten(0, 1))  # those of rank 0
        assert rank.keys() == alone.keys()
        for name, value in alone.items():
            torch.testing.assert_close(rank[name], value, rtol=0, atol=1e-12)
