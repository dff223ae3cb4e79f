import pytest
import torch
from torch import nn

from lit_gan.networks import ConvGenerator, MaxoutConvDiscriminator, MaxoutDiscriminator, MLPGenerator, StackedGenerator
from lit_gan.networks.constraints import limit_incoming_norm_

LIMIT = 0.3


def constrain(network: nn.Module) -> None:
    for module in network.modules():
        if hasattr(module, "constrain_"):
            module.constrain_()


def test_agrees_with_the_papers_formula_in_double_precision() -> None:
    weight = torch.randn(50, 30, dtype=torch.float64)
    norms = weight.norm(dim=1, keepdim=True)
    expected = weight * norms.clip(max=5.0) / (1e-7 + norms)
    assert (norms > 5).any()
    assert (norms < 5).any()
    torch.testing.assert_close(limit_incoming_norm_(weight, 5.0), expected, rtol=1e-6, atol=0)


def test_units_inside_the_ball_keep_their_weights_to_the_bit() -> None:
    weight = torch.randn(50, 30)
    before = weight.clone()
    limit_incoming_norm_(weight, 5.0)
    inside = before.norm(dim=1) <= 5.0
    assert torch.equal(weight[inside], before[inside])
    assert not torch.equal(weight[~inside], before[~inside])


def test_works_in_place_and_leaves_no_trace_in_the_graph() -> None:
    weight = nn.Parameter(torch.full((2, 4), 10.0))
    place = weight.data_ptr()
    limit_incoming_norm_(weight, 1.0)
    assert weight.data_ptr() == place
    assert weight.is_leaf
    torch.testing.assert_close(weight.detach().norm(dim=1), torch.ones(2))


def test_zero_weights_stay_zero() -> None:
    assert not limit_incoming_norm_(torch.zeros(3, 4), 1.0).any()


def small_networks(max_norm: float | None) -> dict[str, nn.Module]:
    first = MLPGenerator((1, 4, 4), latent_size=5, hidden=(6, 6), weight_init=1.0, max_norm=max_norm)
    return {
        "mlp": MLPGenerator((1, 4, 4), latent_size=5, hidden=(6, 6), weight_init=1.0, max_norm=max_norm),
        "conv": ConvGenerator(
            (2, 5, 5), 5, (8, 18), base_shape=(2, 3, 3), kernel_size=3, stride=1, weight_init=1.0, max_norm=max_norm
        ),
        "stacked": StackedGenerator(5, (7,), weight_init=1.0, max_norm=max_norm, pretrained=first),
        "maxout": MaxoutDiscriminator((1, 4, 4), hidden=(3, 3), weight_init=1.0, max_norm=max_norm),
        "maxout conv": MaxoutConvDiscriminator(
            (1, 8, 8), channels=(2, 2, 3), dense=(4,), weight_init=1.0, max_norm=max_norm
        ),
    }


@pytest.mark.parametrize("name", small_networks(None))
def test_every_weight_layer_ends_inside_the_ball(name: str) -> None:
    network = small_networks(LIMIT)[name]
    constrain(network)
    for module in network.modules():
        if isinstance(module, nn.ConvTranspose2d):
            norms = module.weight.square().sum(dim=(0, 2, 3)).sqrt()
        elif isinstance(module, nn.Linear | nn.Conv2d):
            norms = module.weight.flatten(1).norm(dim=1)
        else:
            continue
        # All weights were drawn far outside, so that all of them land on the sphere.
        torch.testing.assert_close(norms, torch.full_like(norms, LIMIT), rtol=1e-5, atol=0)


@pytest.mark.parametrize("name", small_networks(None))
def test_without_a_limit_nothing_moves(name: str) -> None:
    network = small_networks(None)[name]
    before = {key: value.clone() for key, value in network.state_dict().items()}
    constrain(network)
    torch.testing.assert_close(network.state_dict(), before, rtol=0, atol=0)


def test_biases_are_left_alone() -> None:
    network = MLPGenerator((1, 4, 4), hidden=(6,), bias_init=9.0, max_norm=LIMIT)
    constrain(network)
    assert network.output.bias.unique().tolist() == [9.0]
