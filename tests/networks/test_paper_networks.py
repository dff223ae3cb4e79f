"""The paper's networks, counted: PAPER.md section 3."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from lit_gan.networks import (
    ConvGenerator,
    MaxoutConvDiscriminator,
    MaxoutDiscriminator,
    MLPGenerator,
    SparseWeights,
    StackedGenerator,
)

MAX_NORM = 1.9365
TFD_SHAPE, CIFAR_SHAPE = (1, 48, 48), (3, 32, 32)


def tfd_first_stage() -> MLPGenerator:
    return MLPGenerator(
        TFD_SHAPE,
        hidden=(8000, 8000),
        activations=("relu", "sigmoid"),
        weight_init=(0.05, 0.05, SparseWeights()),
        bias_init=(0.0, -2.0, 0.0),
        pixel_mean_bias=True,
        max_norm=MAX_NORM,
    )


NETWORKS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "mnist G": (lambda: MLPGenerator((1, 28, 28), pixel_mean_bias=True), 2_503_984),
    "mnist D": (lambda: MaxoutDiscriminator((1, 28, 28)), 1_231_441),
    "tfd first G": (tfd_first_stage, 83_250_304),
    "tfd second G": (lambda: StackedGenerator(max_norm=MAX_NORM, pretrained=tfd_first_stage()), 84_858_404),
    "tfd D": (lambda: MaxoutDiscriminator(TFD_SHAPE, hidden=(1200, 1200), max_norm=MAX_NORM), 21_037_201),
    "cifar dense G": (
        lambda: MLPGenerator(
            CIFAR_SHAPE,
            hidden=(8000, 8000),
            activations=("relu", "sigmoid"),
            output_activation="linear",
            weight_init=(0.05, 0.05, 0.5),
        ),
        89_395_072,
    ),
    "cifar dense D": (lambda: MaxoutDiscriminator(CIFAR_SHAPE, hidden=(1600, 1600)), 37_393_601),
    "cifar conv G": (ConvGenerator, 64_825_072),
    "cifar conv D": (MaxoutConvDiscriminator, 12_454_073),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_has_the_papers_number_of_parameters(name: str) -> None:
    build, expected = NETWORKS[name]
    with torch.device("meta"):
        network = build()
    assert sum(p.numel() for p in network.parameters() if p.requires_grad) == expected
    assert all(p.is_meta for p in network.parameters())


@pytest.mark.parametrize("name", NETWORKS)
def test_maps_between_the_papers_shapes(name: str) -> None:
    with torch.device("meta"):
        network = NETWORKS[name][0]()
        if name.endswith("G"):
            assert network(torch.zeros(2, 100)).shape == (2, *network.image_shape)
        else:
            assert network(torch.zeros(2, *network.image_shape)).shape == (2, 1)


def test_a_network_built_on_meta_is_drawn_by_reset_parameters() -> None:
    with torch.device("meta"):
        network = MaxoutDiscriminator((1, 4, 4), hidden=(3,), weight_init=0.1)
    network.to_empty(device="cpu")
    for module in network.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    weight = network.hidden[0].weight
    assert 0 < weight.abs().max() <= 0.1
    assert network.output.bias.item() == 0
