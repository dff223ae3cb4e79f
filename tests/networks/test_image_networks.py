"""DCGAN, SNGAN's residual networks and R3GAN: what they have in common, and what their papers say of each."""

import math
from itertools import pairwise
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lit_gan.errors import UserError
from lit_gan.networks import (
    DCGANDiscriminator,
    DCGANGenerator,
    R3GANDiscriminator,
    R3GANGenerator,
    ResNetDiscriminator,
    ResNetGenerator,
    XavierWeights,
    convolution,
    resampling,
)
from lit_gan.networks import r3gan as r3gan_module

FAMILIES: dict[str, tuple[Any, Any]] = {
    "dcgan": (DCGANGenerator, DCGANDiscriminator),
    "resnet": (ResNetGenerator, ResNetDiscriminator),
    "r3gan": (R3GANGenerator, R3GANDiscriminator),
}
SHAPE = (3, 16, 16)
_SMALL: dict[str, dict[str, Any]] = {"r3gan": {"group_width": 4, "blocks": 1}}
every_family = pytest.mark.parametrize("family", FAMILIES)


def _pair(family: str, shape: tuple[int, int, int] = SHAPE, **kwargs: Any) -> tuple[Any, Any]:
    """Small players; a discriminator without batch normalisation, which is what penalties and DDP want."""
    torch.manual_seed(0)
    generator, discriminator = FAMILIES[family]
    kwargs = {"widths": 16, "max_width": 32, **kwargs}
    own = {"batch_norm": False} if family == "dcgan" else {}
    return generator(shape, 8, **kwargs), discriminator(shape, **own, **kwargs)


def _count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def _moved(network: nn.Module) -> nn.Module:
    """As if trained: what is 0 at first is no longer."""
    with torch.no_grad():
        for parameter in network.parameters():
            if not parameter.any():
                parameter.normal_(0.0, 0.1)
    return network


# -- Common ------------------------------------------------------------------------------------------------------------


@every_family
@pytest.mark.parametrize("shape", [(1, 16, 16), (2, 28, 28), (3, 32, 32), (5, 64, 64), (3, 128, 128), (3, 256, 256)])
def test_shapes(family: str, shape: tuple[int, int, int]) -> None:
    generator, discriminator = _pair(family, shape, widths=4, max_width=4, condition_size=3, **_SMALL.get(family, {}))
    images = generator(torch.randn(2, 8), torch.eye(2, 3))
    logits = discriminator(images, torch.eye(2, 3))
    assert images.shape == (2, *shape)
    assert logits.shape == (2, 1)


@every_family
def test_outputs_are_bounded_as_they_say(family: str) -> None:
    generator = FAMILIES[family][0]
    for name, bounds in {"tanh": (-1.0, 1.0), "sigmoid": (0.0, 1.0), "linear": None}.items():
        assert generator(SHAPE, 8, widths=16, output_activation=name).output_range == bounds
    images = generator(SHAPE, 8, widths=16, output_activation="sigmoid")(100 * torch.randn(4, 8))
    assert 0 <= images.min() < images.max() <= 1
    assert (generator(SHAPE, 8, widths=16).output_range is None) == (family == "r3gan")  # as published


@every_family
def test_rows_of_discriminators_do_not_see_each_other(family: str) -> None:
    _, discriminator = _pair(family, condition_size=3)
    discriminator = _moved(discriminator).double().eval()
    images, condition = torch.randn(4, *SHAPE, dtype=torch.float64), torch.eye(4, 3, dtype=torch.float64)
    alone = torch.cat([discriminator(images[i : i + 1], condition[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(discriminator(images, condition), alone)


def test_rows_of_the_generator_without_batch_normalisation_do_not_either() -> None:
    generator = _moved(_pair("r3gan")[0]).double()
    z = torch.randn(4, 8, dtype=torch.float64)
    torch.testing.assert_close(generator(z), torch.cat([generator(row) for row in z.split(1)]))


@every_family
@pytest.mark.parametrize("spectral_norm", [False, True])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_any_type_is_kept(family: str, dtype: torch.dtype, spectral_norm: bool) -> None:
    generator, discriminator = (net.to(dtype) for net in _pair(family, condition_size=3, spectral_norm=spectral_norm))
    condition = torch.eye(3, dtype=dtype)
    images = generator(torch.randn(3, 8, dtype=dtype), condition)
    logits = discriminator(images, condition)
    assert images.dtype == logits.dtype == dtype
    logits.sum().backward()
    assert all(parameter.grad.isfinite().all() for net in (generator, discriminator) for parameter in net.parameters())


@every_family
@pytest.mark.parametrize("spectral_norm", [False, True])
def test_mixed_precision_ends_in_32_bits(family: str, spectral_norm: bool) -> None:
    generator, discriminator = _pair(family, condition_size=3, spectral_norm=spectral_norm)
    z, condition = torch.randn(3, 8), torch.eye(3)
    exact = discriminator(generator(z, condition), condition)
    with torch.autocast("cpu", torch.bfloat16):
        images = generator(z, condition)
        logits = discriminator(images, condition)
    assert images.dtype == logits.dtype == torch.float32
    torch.testing.assert_close(logits, exact, rtol=0.1, atol=0.1)
    logits.sum().backward()
    assert all(parameter.grad.dtype == torch.float32 for parameter in generator.parameters())


@every_family
def test_maps_have_their_channels_last(family: str) -> None:
    for network, x in zip(_pair(family), (torch.randn(2, 8), torch.randn(2, *SHAPE)), strict=True):
        layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d) and layer.kernel_size != (1, 1)]
        given: list[Tensor] = []
        for layer in layers:
            layer.register_forward_pre_hook(lambda _, inputs, given=given: given.append(inputs[0]))
        network(x)
        assert all(each.is_contiguous(memory_format=torch.channels_last) for each in given)
        assert all(layer.weight.is_contiguous(memory_format=torch.channels_last) for layer in layers)


@every_family
def test_every_layer_is_normalised_by_its_largest_singular_value(family: str) -> None:
    networks = _pair(family, widths=4, max_width=4, condition_size=3, spectral_norm=True, **_SMALL.get(family, {}))
    inputs = (torch.randn(2, 8), torch.eye(2, 3)), (torch.randn(2, *SHAPE), torch.eye(2, 3))
    for network, each in zip(networks, inputs, strict=True):
        layers = [layer for layer in network.modules() if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d)]
        if family == "resnet":
            layers = [layer for layer in layers if hasattr(layer, "parametrizations") or layer.weight.any()]
        assert all(hasattr(layer, "parametrizations") for layer in layers)
        with torch.no_grad():
            for _ in range(60):
                network(*each)
        network.eval()
        for layer in layers:
            transposed = isinstance(layer, nn.ConvTranspose2d)
            matrix = (layer.weight.transpose(0, 1) if transposed else layer.weight).flatten(1)
            assert torch.linalg.matrix_norm(matrix, 2).item() == pytest.approx(1, rel=0.05)


@every_family
def test_conditions_change_what_is_made_and_what_is_said(family: str) -> None:
    generator, discriminator = (network.eval() for network in _pair(family, condition_size=3))
    z, images = torch.randn(1, 8).expand(3, -1), torch.randn(1, *SHAPE).expand(3, -1, -1, -1)
    assert (generator(z, torch.eye(3)).std(dim=0).max() > 0) == (family != "resnet")  # which begins as a plain one
    assert _moved(generator)(z, torch.eye(3)).std(dim=0).max() > 0
    assert discriminator(images, torch.eye(3)).std() > 0
    # A vector is as good as a class: the mean of two conditions.
    torch.testing.assert_close(
        discriminator(images[:1], torch.tensor([[0.5, 0.5, 0.0]])),
        discriminator(images, torch.eye(3))[:2].mean(0)[None],
    )


@every_family
def test_conditions_are_asked_for(family: str) -> None:
    for network, x in zip(_pair(family, condition_size=3), (torch.randn(2, 8), torch.randn(2, *SHAPE)), strict=True):
        with pytest.raises(UserError, match="got no condition"):
            network(x)
        with pytest.raises(UserError, match=r"got a condition of shape \(2, 4\): expected"):
            network(x, torch.eye(2, 4))
    generator, discriminator = _pair(family)
    with pytest.raises(UserError, match="condition_size = 0"):
        discriminator(torch.randn(2, *SHAPE), torch.eye(2))
    with pytest.raises(UserError, match=r"got latents of shape \(2, 9\): expected"):
        generator(torch.randn(2, 9))
    with pytest.raises(UserError, match=r"got images of shape \(2, 3, 32, 32\): expected"):
        discriminator(torch.randn(2, 3, 32, 32))


@every_family
def test_the_slope_of_a_discriminator_is_torchs(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gradient of R1, by convolutions of convolutions and by torch's own second derivative, to rounding."""

    def of_penalty(dtype: torch.dtype) -> list[Tensor]:
        discriminator = _moved(_pair(family)[1]).to(dtype)
        x = torch.linspace(-1, 1, 2 * math.prod(SHAPE), dtype=dtype).view(2, *SHAPE).requires_grad_()
        [slope] = torch.autograd.grad(discriminator(x).sum(), x, create_graph=True)
        gradients = torch.autograd.grad(slope.square().sum(), list(discriminator.parameters()), allow_unused=True)
        return [gradient for gradient in gradients if gradient is not None]

    ours, single = of_penalty(torch.float64), of_penalty(torch.float32)
    for module in (resampling, convolution):
        monkeypatch.setattr(module, "convolve", _torchs)
    for one, other, rough in zip(ours, of_penalty(torch.float64), single, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)
        assert (rough - one).norm() <= 1e-4 * one.norm()


def _torchs(x: Tensor, weight: Tensor, geometry: Any, bias: Tensor | None = None) -> Tensor:
    return F.conv2d(x, weight, bias, geometry.stride, geometry.padding, 1, geometry.groups)


def test_keys_are_stable() -> None:
    """Of checkpoints: renaming one breaks them."""
    stems = {
        name: {key.split(".")[0] for network in _pair(name, condition_size=3) for key in network.state_dict()}
        for name in FAMILIES
    }
    assert stems == {
        "dcgan": {"input", "stages", "norms", "output", "embedding"},
        "resnet": {"linear", "blocks", "norm", "output", "embedding"},
        "r3gan": {"linear", "basis", "input", "stages", "transitions", "output", "embedding"},
    }
    generator = R3GANGenerator(SHAPE, 8, widths=[32, 16], blocks=1)
    assert list(generator.state_dict()) == [
        "basis", "linear.weight",
        *(f"stages.{i}.0.{name}" for i in range(2) for name in (
            "reduce.weight", "first.bias", "mix.weight", "second.bias", "expand.weight")),
        "transitions.0.0.weight", "output.weight",
    ]  # fmt: skip


# -- DCGAN -------------------------------------------------------------------------------------------------------------


def test_dcgan_has_the_published_size() -> None:
    """64 x 64 and z of 100: transposed convolutions of 4 x 4 without biases, a scale and a shift for each channel."""
    for width, in_all in ((64, (3_576_704, 2_765_568)), (128, (12_658_432, 11_036_160))):
        up = [8 * width, 4 * width, 2 * width, width]
        with torch.device("meta"):
            generator, discriminator = DCGANGenerator((3, 64, 64), widths=width), DCGANDiscriminator((3, 64, 64), width)
        kernels = 16 * (100 * up[0] + sum(a * b for a, b in zip(up, [*up[1:], 3], strict=True)))
        assert _count(generator) == kernels + 2 * sum(up)
        kernels = 16 * (sum(a * b for a, b in zip([3, *up[:0:-1]], up[::-1], strict=True)) + up[0])
        assert _count(discriminator) == kernels + 2 * sum(up[:-1])
        assert (_count(generator), _count(discriminator)) == in_all


def test_dcgan_begins_as_published() -> None:
    for network in (DCGANGenerator((3, 32, 32), widths=64), DCGANDiscriminator((3, 32, 32), 64)):
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
                assert layer.weight.std().item() == pytest.approx(0.02, rel=0.05)
                assert layer.bias is None
            if isinstance(layer, nn.BatchNorm2d):
                assert layer.weight.mean().item() == pytest.approx(1, abs=0.01)
                assert layer.weight.std().item() == pytest.approx(0.02, rel=0.4)
                assert not layer.bias.any()


def test_dcgans_first_layer_is_not_normalised() -> None:
    norms = [isinstance(norm, nn.BatchNorm2d) for norm in DCGANDiscriminator((3, 32, 32), 16).norms]
    assert norms == [False, True, True]


# -- SNGAN -------------------------------------------------------------------------------------------------------------


def test_resnet_has_the_published_size() -> None:
    with torch.device("meta"):
        small = (
            ResNetGenerator((3, 32, 32), widths=[256] * 4),
            ResNetDiscriminator((3, 32, 32), [128] * 4, halvings=2, spectral_norm=False),
        )
        large = ResNetGenerator((3, 64, 64)), ResNetDiscriminator((3, 64, 64), spectral_norm=False)

    def conv(before: int, after: int, side: int = 3) -> int:
        return side**2 * before * after + after

    block = 2 * conv(256, 256) + conv(256, 256, 1) + 4 * 256
    assert _count(small[0]) == 128 * 4096 + 4096 + 3 * block + 2 * 256 + conv(256, 3) == 4_276_739
    blocks = conv(3, 128) + conv(3, 128, 1) + conv(128, 128, 1) + 7 * conv(128, 128)
    assert _count(small[1]) == blocks + 129 == 1_053_825
    widths = [1024, 512, 256, 128, 64]
    each = pairwise(widths)
    up = sum(conv(a, b) + conv(b, b) + conv(a, b, 1) + 2 * a + 2 * b for a, b in each)
    assert _count(large[0]) == 129 * 16_384 + up + 2 * 64 + conv(64, 3)
    down = sum(conv(a, a) + conv(a, b) + conv(a, b, 1) for b, a in pairwise(widths))
    assert _count(large[1]) == conv(3, 64) + conv(64, 64) + conv(3, 64, 1) + down + 1025
    assert [block.halves for block in small[1].blocks] == [True, True, False, False]
    assert all(block.halves for block in large[1].blocks)


def test_resnet_begins_by_xavier() -> None:
    generator = ResNetGenerator((3, 16, 16), 64, widths=[64, 64, 64])
    block = generator.blocks[0]
    for layer, gain, fans in (
        (generator.linear, 1, 64 + 1024),
        (block.first, math.sqrt(2), 2 * 9 * 64),
        (block.second, math.sqrt(2), 2 * 9 * 64),
        (block.skip, 1, 128),
    ):
        assert layer.weight.abs().max().item() == pytest.approx(gain * math.sqrt(6 / fans), rel=0.01)
        assert not layer.bias.any()
    assert repr(XavierWeights(2.0)) == "XavierWeights(gain=2.0)"


def test_resnet_is_the_published_blocks_in_their_order() -> None:
    """What is passed by is doubled, or its mean taken, before or after a convolution of 1 x 1: it is the same."""
    generator, discriminator = (net.double() for net in _pair("resnet", spectral_norm=False))
    x = torch.randn(2, 32, 4, 4, dtype=torch.float64)
    up = generator.blocks[0]
    inner = F.interpolate(F.relu(up.first_norm(x, None)), scale_factor=2.0)
    inner = up.second(F.relu(up.second_norm(up.first(inner), None)))
    torch.testing.assert_close(up(x, None), inner + up.skip(F.interpolate(x, scale_factor=2.0)))
    down = discriminator.blocks[1]
    x = torch.randn(2, 16, 8, 8, dtype=torch.float64)
    inner = F.avg_pool2d(down.second(F.relu(down.first(F.relu(x)))), 2)
    torch.testing.assert_close(down(x), inner + F.avg_pool2d(down.skip(x), 2))
    first, x = discriminator.blocks[0], torch.randn(2, *SHAPE, dtype=torch.float64)
    inner = F.avg_pool2d(first.second(F.relu(first.first(x))), 2)
    torch.testing.assert_close(first(x), inner + first.skip(F.avg_pool2d(x, 2)))


def test_resnet_halves_as_often_as_it_can() -> None:
    assert [block.halves for block in ResNetDiscriminator((1, 28, 28), 4).blocks] == [True, True, False]
    with pytest.raises(UserError, match=r"halvings = 3: expected at most 2, for there are 4 blocks, and a side of 28"):
        ResNetDiscriminator((1, 28, 28), [4] * 4, halvings=3)


# -- R3GAN -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("side", "width"), [(64, 384), (256, 96), (32, 768)])
def test_r3gan_has_the_published_size(side: int, width: int) -> None:
    stages = {64: [768] * 4 + [384], 256: [768] * 4 + [384, 192, 96], 32: [768] * 4}[side]
    groups = {768: 96, 384: 48, 192: 24, 96: 12}
    with torch.device("meta"):
        networks = R3GANGenerator((3, side, side), widths=width), R3GANDiscriminator((3, side, side), width)
    blocks = sum(2 * (4 * w * w + 9 * 4 * w * w // groups[w] + 4 * w) for w in stages)
    changes = sum(a * b for a, b in pairwise(stages) if a != b)
    shared = blocks + changes + 16 * 768 + 3 * stages[-1]
    assert (_count(networks[0]), _count(networks[1])) == (shared + 64 * 768, shared + 768)
    assert {layer.groups for layer in networks[0].modules() if isinstance(layer, nn.Conv2d)} == {
        1, *(groups[w] for w in stages)
    }  # fmt: skip


def test_r3gan_has_the_published_embeddings() -> None:
    with torch.device("meta"):
        generator, discriminator = (
            network((3, 32, 32), widths=768, condition_size=10) for network in (R3GANGenerator, R3GANDiscriminator)
        )
    assert generator.embedding.weight.shape == (64, 10)
    assert generator.linear.weight.shape == (768, 128)
    assert discriminator.output.weight.shape == (768, 768)
    assert discriminator.embedding.weight.shape == (768, 10)


def test_r3gan_begins_by_the_fix_up() -> None:
    generator = R3GANGenerator((3, 32, 32), widths=[64] * 4, blocks=[2, 3, 4, 7])
    discriminator = R3GANDiscriminator((3, 32, 32), widths=[64] * 4, blocks=[2, 3, 4, 7], condition_size=50)
    fixed = math.sqrt(2 / 1.04) / 2  # 16 blocks: 16 ** (-1 / 4)
    for network in (generator, discriminator):
        blocks = [block for block in network.modules() if isinstance(block, r3gan_module._Block)]
        assert len(blocks) == 16
        for block in blocks:
            assert block.reduce.weight.std().item() == pytest.approx(fixed / math.sqrt(64), rel=0.05)
            assert block.mix.weight.std().item() == pytest.approx(fixed / math.sqrt(9 * 16), rel=0.05)
            assert not block.expand.weight.any()
            assert not block.first.bias.any()
        assert {name.rpartition(".")[2] for name, _ in network.named_parameters() if "bias" in name} == {"bias"}
    assert generator.basis.std().item() == pytest.approx(1, rel=0.1)
    assert discriminator.basis.std().item() == pytest.approx(1 / 4, rel=0.1)
    assert generator.linear.weight.std().item() == pytest.approx(1 / 8, rel=0.05)
    assert generator.output.weight.std().item() == pytest.approx(1 / 8, rel=0.2)
    assert discriminator.input.weight.std().item() == pytest.approx(1 / math.sqrt(3), rel=0.2)
    assert discriminator.embedding.weight.std().item() == pytest.approx(1 / math.sqrt(64 * 50), rel=0.05)


def test_r3gan_begins_as_an_affine_map() -> None:
    generator, discriminator = (network.double() for network in _pair("r3gan"))
    for network, x in ((generator, torch.randn(3, 8)), (discriminator, torch.randn(3, *SHAPE))):
        one, other, _ = x.double().split(1)
        middle = network(0.3 * one + 0.7 * other)
        torch.testing.assert_close(middle, 0.3 * network(one) + 0.7 * network(other), rtol=1e-9, atol=1e-12)
        _moved(network)
        difference = network(0.3 * one + 0.7 * other) - 0.3 * network(one) - 0.7 * network(other)
        assert difference.abs().max() > 1e-3


def test_patches_are_the_channels_of_the_largest_maps() -> None:
    generator, discriminator = _pair("r3gan", (3, 32, 32), patch_size=2)
    assert len(generator.stages) == len(discriminator.stages) == 3
    assert generator.output.out_channels == discriminator.input.in_channels == 12
    assert discriminator(generator(torch.randn(2, 8))).shape == (2, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"widths": 20}, "group_width = 16 does not divide the [0-9]* x 2 = "),
        ({"widths": [16, 16, 16], "blocks": [1, 1]}, "blocks has 2 values, but there are 3 layers"),
        (
            {"widths": 16, "patch_size": 3},
            "patch_size = 3 does not divide the side of image_shape = ",
        ),
        ({"widths": 16, "expansion": 0}, "expansion = 0: expected a whole number of at least 1"),
        ({"widths": 16, "blocks": -1}, r"blocks\[0\] = -1: expected a whole number of at least 0"),
    ],
)
def test_what_r3gan_refuses(arguments: dict[str, Any], message: str) -> None:
    for network in (R3GANGenerator, R3GANDiscriminator):
        with pytest.raises(UserError, match=message) as error:
            network(SHAPE, **arguments)
        assert "\n" not in str(error.value)
