import pytest
import torch
import torch.nn.functional as F

from lit_gan.errors import UserError
from lit_gan.networks import ConvGenerator, MaxoutConvDiscriminator

SMALL_G = {
    "image_shape": (2, 8, 8),
    "latent_size": 5,
    "hidden": (6, 36),
    "base_shape": (4, 3, 3),
    "kernel_size": 4,
    "stride": 2,
}
SMALL_D = {"image_shape": (1, 8, 8), "channels": (2, 3, 4), "dense": (5,)}


def test_the_generator_is_the_network_it_says() -> None:
    generator = ConvGenerator(**SMALL_G, weight_init=1.0, bias_init=(0.1, 0.2, 0.3)).double()
    with torch.no_grad():
        generator.output_bias.normal_()
    z = torch.randn(7, 5, dtype=torch.float64)
    h = torch.sigmoid(generator.hidden[3](F.relu(generator.hidden[0](z)))).reshape(7, 4, 3, 3)
    expected = F.conv_transpose2d(h, generator.output.weight, stride=2) + generator.output_bias
    torch.testing.assert_close(generator(z), expected)
    assert generator.output_range is None


def test_the_bias_is_one_per_output_element() -> None:
    generator = ConvGenerator(**SMALL_G, weight_init=0.0, bias_init=(0.0, 0.0, -0.5))
    assert generator.output_bias.shape == (2, 8, 8)
    assert generator(torch.zeros(1, 5)).unique().tolist() == [-0.5]


def test_the_output_bias_becomes_the_logit_of_the_pixel_means() -> None:
    generator = ConvGenerator(**SMALL_G, weight_init=0.0, output_activation="sigmoid", pixel_mean_bias=True)
    means = torch.rand(2, 8, 8)
    generator.begin_training(lambda: means)
    torch.testing.assert_close(generator(torch.randn(3, 5)), means.expand(3, 2, 8, 8))


@pytest.mark.parametrize(
    ("image", "base", "kernel", "stride", "padding"),
    [((3, 32, 32), (2, 10, 10), 5, 3, 0), ((1, 28, 28), (2, 14, 14), 4, 2, 1), ((1, 5, 9), (2, 3, 5), 1, 2, 0)],
)
def test_builds_for_any_shapes_that_fit(image, base, kernel: int, stride: int, padding: int) -> None:
    units = base[0] * base[1] * base[2]
    generator = ConvGenerator(image, 5, (6, units), "relu", base, kernel, stride, padding)
    assert generator(torch.zeros(2, 5)).shape == (2, *image)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"base_shape": (4, 3, 4)}, r"base_shape = \(4, 3, 4\) has 48 elements, but the last of hidden = \(6, 36\)"),
        ({"hidden": (), "activations": ()}, r"the last of hidden = \(\) must have as many units"),
        ({"stride": 3}, r"stride = 3, padding = 0 gives images of 10 x 10, but image_shape = \(2, 8, 8\)"),
        ({"base_shape": (4, 3)}, r"base_shape = \(4, 3\): expected three whole numbers"),
        ({"kernel_size": 0}, "kernel_size = 0"),
        ({"stride": 0}, "stride = 0"),
        ({"padding": -1}, "padding = -1: expected a whole number of at least 0"),
        ({"activations": ("relu",)}, "activations has 1 values, but there are 2 layers"),
        ({"weight_init": (0.1, 0.1)}, "weight_init has 2 values, but there are 3 layers"),
        ({"weight_init": (0.1, 0.1, -1.0)}, r"weight_init = -1\.0"),
        ({"bias_init": (0.0, 0.0)}, "bias_init has 2 values, but there are 3 layers"),
        ({"bias_init": (0.0, 0.0, float("nan"))}, "bias_init = nan: expected a finite number"),
        ({"max_norm": 0.0}, r"max_norm = 0\.0"),
        ({"output_activation": "step"}, "output_activation = 'step': expected one of"),
        ({"pixel_mean_bias": True}, "pixel_mean_bias = True with output_activation = 'linear'"),
    ],
)
def test_the_generator_refuses_what_does_not_fit(change: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        ConvGenerator(**(SMALL_G | change))


def test_the_discriminator_is_the_network_it_says() -> None:
    discriminator = MaxoutConvDiscriminator(**SMALL_D, weight_init=0.5, bias_init=0.1).double().eval()
    x = torch.rand(6, 1, 8, 8, dtype=torch.float64)
    h = x
    for layer, padding, pool in zip(discriminator.convolutions[::2], (4, 3, 3), (4, 4, 2), strict=True):
        maps = F.conv2d(h, layer.weight, layer.bias, padding=padding)
        h = F.max_pool2d(torch.maximum(*maps.chunk(2, dim=1)), pool, 2, ceil_mode=True)
    dense = discriminator.dense[0]
    features = (h.flatten(1) @ dense.weight.T + dense.bias).reshape(6, 5, 5).max(dim=1).values
    torch.testing.assert_close(discriminator.features(x), features)
    torch.testing.assert_close(discriminator(x), features @ discriminator.output.weight.T + 0.1)


def test_the_papers_maps_are_16_then_7_then_5() -> None:
    with torch.device("meta"):
        discriminator = MaxoutConvDiscriminator()
        x, sizes = torch.zeros(1, 3, 32, 32), []
        for layer in discriminator.convolutions:
            x = layer(x)
            sizes.append(x.shape[-1])
    assert sizes == [16, 16, 7, 7, 5, 5]


def test_dropout_works_on_single_elements_of_the_maps() -> None:
    discriminator = MaxoutConvDiscriminator((1, 16, 16), channels=(4,), kernel_sizes=3, paddings=1, pool_sizes=2,
                                            pool_strides=2, dense=(5,))  # fmt: skip
    seen = []
    for layer in (discriminator.convolutions[0], discriminator.dense[0], discriminator.output):
        layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    with torch.no_grad():
        for layer in (discriminator.convolutions[0], discriminator.dense[0]):
            layer.weight.zero_()
            layer.bias.fill_(3.0)
    discriminator(torch.ones(400, 1, 16, 16))
    for values, kept, scaled in zip(seen, (0.8, 0.5, 0.5), (1.25, 6.0, 6.0), strict=True):
        torch.testing.assert_close(values.unique(), torch.tensor([0.0, scaled]))
        torch.testing.assert_close((values != 0).double().mean().item(), kept, rtol=0, atol=0.03)
        assert (values != 0).flatten(1).double().mean(dim=1).min() < 1  # no image passes whole
    per_map = seen[1].view(400, 4, -1)
    assert ((per_map == 0).any(dim=2) & (per_map != 0).any(dim=2)).all()


@pytest.mark.parametrize("image_shape", [(1, 8, 8), (1, 28, 28), (3, 32, 48), (1, 9, 30)])
def test_builds_for_any_image_that_survives_the_pooling(image_shape: tuple[int, int, int]) -> None:
    discriminator = MaxoutConvDiscriminator(image_shape, channels=(2, 2, 2), dense=(5,))
    assert discriminator(torch.zeros(2, *image_shape)).shape == (2, 1)


def test_works_without_convolutions_or_without_dense_layers() -> None:
    assert MaxoutConvDiscriminator((1, 8, 8), (), kernel_sizes=(), paddings=(), pool_sizes=(), pool_strides=())(
        torch.zeros(2, 1, 8, 8)
    ).shape == (2, 1)
    assert MaxoutConvDiscriminator((1, 8, 8), (2, 2, 2), dense=())(torch.zeros(2, 1, 8, 8)).shape == (2, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_shape": (1, 4, 4)}, r"convolution 2 \(channels\[1\]\) gets maps of 2 x 2: pool_size = 4.*larger"),
        (
            {"image_shape": (1, 8, 8), "paddings": 0},
            r"convolution 1 \(channels\[0\]\) gets maps of 8 x 8: pool_size = 4",
        ),
        ({"kernel_sizes": 99}, r"convolution 1 .*kernel_size = 99 is larger than its input of 8 with padding = 4"),
        ({"channels": (2, 0, 2)}, r"channels\[1\] = 0"),
        ({"pieces": 0}, "^pieces = 0"),
        ({"dense_pieces": 0}, "^dense_pieces = 0"),
        ({"dense": (0,)}, r"dense\[0\] = 0"),
        ({"kernel_sizes": (8, 8)}, r"kernel_sizes has 2 values, but there are 3 layers \(the convolutions\)"),
        ({"kernel_sizes": (8, 8, 0)}, r"kernel_sizes\[2\] = 0"),
        ({"paddings": -1}, r"paddings\[0\] = -1: expected a whole number of at least 0"),
        ({"pool_sizes": 0}, r"pool_sizes\[0\] = 0"),
        ({"pool_strides": (2,)}, "pool_strides has 1 values, but there are 3 layers"),
        ({"weight_init": (0.1, 0.1)}, "weight_init has 2 values, but there are 5 layers .*and the output"),
        ({"bias_init": (0.1, 0.1)}, "bias_init has 2 values, but there are 5 layers"),
        ({"hidden_keep": (0.5, 0.5)}, "hidden_keep has 2 values, but there are 4 layers"),
        ({"hidden_keep": 0.0}, r"hidden_keep = 0\.0"),
        ({"input_keep": 2.0}, r"input_keep = 2\.0"),
        ({"max_norm": 0.0}, r"max_norm = 0\.0"),
    ],
)
def test_the_discriminator_refuses_what_does_not_fit(change: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        MaxoutConvDiscriminator(**(SMALL_D | change))
