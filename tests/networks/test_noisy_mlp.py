"""The noisy, weight-normalised discriminator: what it computes, where the noise is, how it begins."""

import pytest
import torch

from lit_gan.errors import UserError
from lit_gan.networks import NoisyMLPDiscriminator

SHAPE = (1, 4, 4)


def small(**kwargs: object) -> NoisyMLPDiscriminator:
    torch.manual_seed(0)
    return NoisyMLPDiscriminator(SHAPE, 3, (6, 5), **kwargs)


def test_the_published_network_has_its_sizes() -> None:
    discriminator = NoisyMLPDiscriminator((1, 28, 28))
    shapes = [tuple(layer.weight.shape) for layer in (*discriminator.hidden, discriminator.output)]
    assert shapes == [(1000, 784), (500, 1000), (250, 500), (250, 250), (250, 250), (10, 250)]
    # Directions and biases of all layers, and the lengths of the last one.
    expected = sum(out * inputs + out for out, inputs in shapes) + 10
    assert sum(parameter.numel() for parameter in discriminator.parameters()) == expected


def test_without_noise_it_is_dense_layers_with_relu() -> None:
    network, x = small().double().eval(), torch.rand(7, *SHAPE, dtype=torch.float64)
    h = x.flatten(1)
    for layer in network.hidden:
        h = (h @ (layer.weight * (layer.scale / layer.weight.norm(dim=1))[:, None]).T + layer.bias).relu()
    torch.testing.assert_close(network.features(x), h)
    torch.testing.assert_close(network(x), network.output(h))


def test_features_have_the_noise_of_the_layers_below_and_none_of_their_own() -> None:
    network, x = small(input_noise=0, hidden_noise=0.5), torch.rand(7, *SHAPE)
    assert not torch.equal(network.features(x), network.features(x))
    network.hidden = network.hidden[:1]
    assert torch.equal(network.features(x), network.features(x))
    network.input_noise.std = 0.3
    assert not torch.equal(network.features(x), network.features(x))


def test_it_begins_with_units_of_mean_0_and_variance_1_on_images_of_the_data() -> None:
    network, asked = small(input_noise=0, hidden_noise=0).double(), []
    x = torch.rand(60, *SHAPE, dtype=torch.float64)
    network.begin_training(lambda num: (asked.append(num), x)[1])
    assert asked == [500]
    h = x.flatten(1)
    for layer in (*network.hidden, network.output):
        before = layer(h)
        torch.testing.assert_close(before.mean(0), torch.zeros_like(before[0]), rtol=0, atol=1e-12)
        torch.testing.assert_close(before.std(0, correction=0), torch.ones_like(before[0]), rtol=1e-10, atol=0)
        h = before.relu()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"input_noise": -1.0}, r"^input_noise = -1.0: expected a finite number of at least 0"),
        ({"hidden_noise": -1.0}, r"^hidden_noise = -1.0: expected a finite number of at least 0"),
    ],
)
def test_what_cannot_be_is_told(change: dict[str, float], message: str) -> None:
    with pytest.raises(UserError, match=message):
        small(**change)


def test_it_takes_no_condition_and_no_other_shape() -> None:
    with pytest.raises(UserError, match="condition"):
        small()(torch.rand(2, *SHAPE), torch.rand(2, 3))
    with pytest.raises(UserError, match=r"expected \(N, \*image_shape\) = \(N, 1, 4, 4\)"):
        small()(torch.rand(2, 1, 3, 3))
    with pytest.raises(UserError, match=r"^num_classes = 0: expected a whole number of at least 1"):
        NoisyMLPDiscriminator(SHAPE, 0)
