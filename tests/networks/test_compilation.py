"""torch.compile sees every network as one graph: its checks of shapes cost nothing there."""

import pytest
import torch

from lit_gan.networks import (
    ConvGenerator,
    DCGANDiscriminator,
    DCGANGenerator,
    MaxoutConvDiscriminator,
    MaxoutDiscriminator,
    MLPDiscriminator,
    MLPGenerator,
    NoisyMLPDiscriminator,
    R3GANDiscriminator,
    R3GANGenerator,
    ResNetDiscriminator,
    ResNetGenerator,
    StackedGenerator,
)

pytestmark = pytest.mark.compiled

IMAGES, LATENTS = torch.rand(3, 1, 8, 8), torch.rand(3, 5)
NETWORKS = {
    "mlp": (MLPGenerator((1, 8, 8), 5, (6,)), LATENTS),
    "conv": (ConvGenerator((1, 8, 8), 5, (6, 36), base_shape=(4, 3, 3), kernel_size=4, stride=2), LATENTS),
    "stacked": (StackedGenerator(5, (6,), pretrained=MLPGenerator((1, 8, 8), 4, (6,))), LATENTS),
    "mlp, normalised": (MLPGenerator((1, 8, 8), 5, (6,), batch_norm=True), LATENTS),
    "leaky": (MLPDiscriminator((1, 8, 8), (6,)), IMAGES),
    "leaky, normalised": (MLPDiscriminator((1, 8, 8), (6,), batch_norm=True), IMAGES),
    "weight-normalised": (NoisyMLPDiscriminator((1, 8, 8), 3, (6,), input_noise=0, hidden_noise=0), IMAGES),
    "maxout": (MaxoutDiscriminator((1, 8, 8), (6,)), IMAGES),
    "dcgan": (DCGANGenerator((1, 8, 8), 5, 4), LATENTS),
    "dcgan, discriminator": (DCGANDiscriminator((1, 8, 8), 4, batch_norm=False), IMAGES),
    "resnet": (ResNetGenerator((1, 8, 8), 5, 4), LATENTS),
    "resnet, discriminator": (ResNetDiscriminator((1, 8, 8), 4, spectral_norm=False), IMAGES),
    "r3gan": (R3GANGenerator((1, 8, 8), 5, 4, group_width=4), LATENTS),
    "r3gan, discriminator": (R3GANDiscriminator((1, 8, 8), 4, group_width=4), IMAGES),
    "maxout conv": (MaxoutConvDiscriminator((1, 8, 8), (2, 2, 2), dense=(6,)), IMAGES),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_compiles_without_a_break(name: str) -> None:
    network, x = NETWORKS[name]
    compiled = torch.compile(network, backend="eager", fullgraph=True)
    torch.manual_seed(1)
    expected = network(x)
    torch.manual_seed(1)
    torch.testing.assert_close(compiled(x), expected)
