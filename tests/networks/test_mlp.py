import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lit_gan.errors import UserError
from lit_gan.networks import MaxoutDiscriminator, MLPDiscriminator, MLPGenerator, UniformWeights
from lit_gan.networks.activations import ACTIVATIONS

SHAPE = (2, 3, 4)


def test_the_generator_is_the_perceptron_it_says() -> None:
    generator = MLPGenerator(
        SHAPE, 5, (6, 7), ("relu", "softplus"), "tanh", weight_init=1.0, bias_init=(0.1, 0.2, 0.3)
    ).double()
    z = torch.randn(8, 5, dtype=torch.float64)
    one, two = generator.hidden[0], generator.hidden[3]
    h = F.softplus(two(F.relu(one(z))))
    expected = torch.tanh(h @ generator.output.weight.T + 0.3).reshape(8, *SHAPE)
    torch.testing.assert_close(generator(z), expected)
    assert one.bias.float().unique().tolist() == pytest.approx([0.1])
    assert two.bias.float().unique().tolist() == pytest.approx([0.2])


def test_the_output_weights_have_a_direction_and_a_length() -> None:
    generator = MLPGenerator(
        SHAPE, 5, (6,), "softplus", weight_init=1.0, bias_init=(0.1, 0.2), output_weight_norm=True
    ).double()
    assert {name for name, _ in generator.output.named_parameters()} == {"weight", "bias", "scale"}
    with torch.no_grad():
        generator.output.scale.uniform_(0.5, 2)
        generator.output.weight *= 3
    z = torch.randn(8, 5, dtype=torch.float64)
    directions = F.normalize(generator.output.weight, dim=1)
    expected = torch.sigmoid(F.softplus(generator.hidden[0](z)) @ directions.T * generator.output.scale + 0.2)
    torch.testing.assert_close(generator(z), expected.reshape(8, *SHAPE), rtol=1e-7, atol=0)
    assert generator.output_bias is generator.output.bias
    with pytest.raises(UserError, match=r"output_weight_norm = True and max_norm = 2\.0: expected one of the two"):
        MLPGenerator(SHAPE, 5, (6,), max_norm=2.0, output_weight_norm=True)


@pytest.mark.parametrize(
    ("activation", "expected"), [("sigmoid", (0.0, 1.0)), ("tanh", (-1.0, 1.0)), ("linear", None), ("relu", None)]
)
def test_the_output_range_is_that_of_the_activation(activation: str, expected: tuple[float, float] | None) -> None:
    generator = MLPGenerator(SHAPE, 5, (6,), output_activation=activation, weight_init=10.0)
    assert generator.output_range == expected
    if expected is not None:
        low, high = generator(torch.randn(100, 5)).aminmax()
        torch.testing.assert_close((low.item(), high.item()), expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize("name", ["relu", "sigmoid", "tanh", "linear", "leaky_relu", "softplus"])
def test_activations_are_torchs(name: str) -> None:
    x = torch.linspace(-3, 3, 11)
    expected = x if name == "linear" else getattr(F, name)(x)
    torch.testing.assert_close(ACTIVATIONS[name]()(x), expected)


def test_weights_are_drawn_per_layer() -> None:
    generator = MLPGenerator(SHAPE, 50, (60, 70), weight_init=[1.0, UniformWeights(0.1), 0.0])
    largest = [
        layer.weight.abs().max().item() for layer in (generator.hidden[0], generator.hidden[3], generator.output)
    ]
    assert 0.9 < largest[0] <= 1
    assert 0.09 < largest[1] <= 0.1
    assert largest[2] == 0


def test_dropout_in_the_generator_works_in_training_only() -> None:
    generator = MLPGenerator(SHAPE, 5, (50,), weight_init=1.0, dropout_keep=0.5)
    z = torch.randn(4, 5)
    assert not torch.equal(generator(z), generator(z))
    generator.eval()
    assert torch.equal(generator(z), generator(z))


def test_by_default_nothing_in_the_generator_is_random() -> None:
    generator = MLPGenerator(SHAPE, 5, (50,))
    z = torch.randn(4, 5)
    assert torch.equal(generator(z), generator(z))


@pytest.mark.parametrize("hidden", [(), (6,)])
def test_works_with_few_layers_and_no_rows(hidden: tuple[int, ...]) -> None:
    assert MLPGenerator(SHAPE, 5, hidden)(torch.zeros(0, 5)).shape == (0, *SHAPE)
    for discriminator in (MaxoutDiscriminator(SHAPE, hidden), MLPDiscriminator(SHAPE, hidden)):
        assert discriminator(torch.zeros(0, *SHAPE)).shape == (0, 1)


def test_the_output_bias_becomes_the_logit_of_the_pixel_means() -> None:
    generator = MLPGenerator(SHAPE, 5, (6,), weight_init=0.0, pixel_mean_bias=True)
    means = torch.rand(SHAPE)
    generator.begin_training(lambda: means)
    torch.testing.assert_close(generator(torch.randn(2, 5)), means.expand(2, *SHAPE))
    assert generator.output.bias.requires_grad


def test_pixels_that_never_change_get_the_clipped_logit() -> None:
    generator = MLPGenerator((1, 1, 2), 5, (6,), pixel_mean_bias=True)
    generator.begin_training(lambda: torch.tensor([[[0.0, 1.0]]]))
    end = math.log(1e-7 / (1 - 1e-7))
    torch.testing.assert_close(generator.output.bias.tolist(), [end, -end], rtol=1e-6, atol=0)


def test_the_clip_of_the_pixel_means_can_be_chosen() -> None:
    generator = MLPGenerator((1, 1, 3), 5, (6,), pixel_mean_bias=True, pixel_mean_clip=1e-3)
    generator.begin_training(lambda: torch.tensor([[[0.0, 0.5, 1.0]]]))
    end = math.log(1e-3 / (1 - 1e-3))
    torch.testing.assert_close(generator.output.bias.tolist(), [end, 0.0, -end], rtol=1e-6, atol=0)


def test_the_data_are_touched_only_if_the_bias_needs_them() -> None:
    def untouched() -> torch.Tensor:
        raise AssertionError("the pixel means were computed")

    MLPGenerator(SHAPE, 5, (6,)).begin_training(untouched)


@pytest.mark.parametrize(
    ("means", "message"),
    [
        (torch.rand(1, 28, 28), r"shape \(1, 28, 28\) from the data, but the generator has image_shape = \(2, 3, 4\)"),
        (torch.full(SHAPE, 127.5), r"from 127\.5 to 127\.5, expected them in \[0, 1\]; scale the data"),
        (torch.full(SHAPE, -0.1), r"from -0\.1 to -0\.1, expected them in \[0, 1\]"),
        (torch.full(SHAPE, torch.nan), r"from nan to nan, expected them in \[0, 1\]"),
    ],
)
def test_pixel_means_that_do_not_fit_are_refused(means: torch.Tensor, message: str) -> None:
    generator = MLPGenerator(SHAPE, 5, (6,), pixel_mean_bias=True)
    with pytest.raises(UserError, match=message):
        generator.begin_training(lambda: means)


@pytest.mark.parametrize("shape", [(3, 6), (5,), (3, 5, 1)])
def test_latents_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match=r"got latents of shape .*: expected \(N, latent_size\) = \(N, 5\)"):
        MLPGenerator(SHAPE, 5, (6,))(torch.zeros(shape))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"image_shape": (28, 28)},
            r"image_shape = \(28, 28\): expected three whole numbers of at least 1, \(C, H, W\)",
        ),
        ({"image_shape": (1, 0, 28)}, r"image_shape = \(1, 0, 28\): expected three"),
        ({"image_shape": "abc"}, "image_shape = 'abc': expected three"),
        ({"latent_size": 0}, "latent_size = 0: expected a whole number of at least 1"),
        ({"latent_size": True}, "latent_size = True: expected a whole number"),
        ({"hidden": 1200}, "hidden = 1200: expected a list of whole numbers, one per layer"),
        ({"hidden": (6, 0)}, r"hidden\[1\] = 0: expected a whole number of at least 1"),
        ({"activations": "swoosh"}, "activations = 'swoosh': expected one of relu, sigmoid, tanh, linear, leaky_relu"),
        ({"activations": ["relu", "tanh"]}, r"activations has 2 values, but there are 1 layers \(the hidden layers\)"),
        ({"output_activation": "softmax"}, "output_activation = 'softmax': expected one of relu"),
        ({"weight_init": (0.1, 0.1, 0.1)}, r"weight_init has 3 values, but there are 2 layers .*and the output"),
        ({"weight_init": (0.1, -0.1)}, r"weight_init = -0\.1: expected a finite number of at least 0"),
        ({"bias_init": [0.0]}, "bias_init has 1 values, but there are 2 layers"),
        ({"dropout_keep": 0.0}, r"dropout_keep = 0\.0: expected the probability of keeping a value, in \(0, 1\]"),
        ({"dropout_keep": (1.0, 1.0)}, "dropout_keep has 2 values, but there are 1 layers"),
        ({"max_norm": 0}, "max_norm = 0: expected a number above 0, or null for no limit"),
        ({"condition_size": -1}, "condition_size = -1: expected a whole number of at least 0"),
        ({"pixel_mean_clip": 0.5}, r"pixel_mean_clip = 0\.5: expected a number above 0 and below 0\.5"),
        ({"pixel_mean_clip": 0.0}, r"pixel_mean_clip = 0\.0: expected a number above 0"),
        (
            {"pixel_mean_bias": True, "output_activation": "tanh"},
            "pixel_mean_bias = True with output_activation = 'tanh': .*expected 'sigmoid'",
        ),
    ],
)
def test_the_generator_refuses_what_is_out_of_range(change: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        MLPGenerator(**({"image_shape": SHAPE, "latent_size": 5, "hidden": (6,)} | change))


def test_the_discriminator_is_the_network_it_says() -> None:
    discriminator = MaxoutDiscriminator(SHAPE, (5, 4), pieces=3, weight_init=1.0, bias_init=0.1).double().eval()
    x = torch.rand(6, *SHAPE, dtype=torch.float64)
    h = x.flatten(1)
    for layer in (discriminator.hidden[0], discriminator.hidden[2]):
        h = (h @ layer.weight.T + layer.bias).reshape(6, 3, -1).max(dim=1).values
    torch.testing.assert_close(discriminator.features(x), h)
    torch.testing.assert_close(discriminator(x), h @ discriminator.output.weight.T + 0.1)


def test_the_discriminator_drops_the_papers_share_and_scales_the_rest() -> None:
    discriminator = MaxoutDiscriminator((1, 10, 10), hidden=(50, 50))
    seen = []
    for layer in (discriminator.hidden[0], discriminator.hidden[2], discriminator.output):
        layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    with torch.no_grad():
        discriminator.hidden[0].weight.zero_()
        discriminator.hidden[0].bias.fill_(3.0)
        discriminator.hidden[2].weight.zero_()
        discriminator.hidden[2].bias.fill_(3.0)
    discriminator(torch.ones(500, 1, 10, 10))
    for values, kept, scaled in zip(seen, (0.8, 0.5, 0.5), (1.25, 6.0, 6.0), strict=True):
        torch.testing.assert_close(values.unique(), torch.tensor([0.0, scaled]))
        torch.testing.assert_close((values != 0).double().mean().item(), kept, rtol=0, atol=0.02)


def test_in_training_dropout_makes_the_discriminator_random_and_in_evaluation_not() -> None:
    discriminator = MaxoutDiscriminator(SHAPE, (5,), weight_init=1.0)
    x = torch.rand(6, *SHAPE)
    assert not torch.equal(discriminator(x), discriminator(x))
    discriminator.eval()
    assert torch.equal(discriminator(x), discriminator(x))


def test_keeping_everything_means_no_dropout() -> None:
    discriminator = MaxoutDiscriminator(SHAPE, (5, 5), input_keep=1.0, hidden_keep=(1.0, 1.0))
    x = torch.rand(6, *SHAPE)
    assert torch.equal(discriminator(x), discriminator(x))


@pytest.mark.parametrize("network", [MaxoutDiscriminator, MLPDiscriminator])
@pytest.mark.parametrize("shape", [(6, 1, 3, 4), (6, 24), (2, 3, 4)])
def test_images_of_another_shape_are_refused(shape: tuple[int, ...], network: type[nn.Module]) -> None:
    with pytest.raises(UserError, match=r"got images of shape .*: expected \(N, \*image_shape\) = \(N, 2, 3, 4\)"):
        network(SHAPE, (5,))(torch.zeros(shape))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_shape": (1, 28)}, "image_shape = .*: expected three"),
        ({"hidden": (0,)}, r"hidden\[0\] = 0"),
        ({"pieces": 0}, "pieces = 0: expected a whole number of at least 1"),
        ({"weight_init": (0.1, 0.1, 0.1)}, "weight_init has 3 values, but there are 2 layers"),
        ({"bias_init": (0.1, 0.1, 0.1)}, "bias_init has 3 values, but there are 2 layers"),
        ({"bias_init": float("inf")}, "bias_init = inf: expected a finite number"),
        ({"input_keep": 0.0}, r"input_keep = 0\.0: expected the probability"),
        ({"input_keep": 1.5}, r"input_keep = 1\.5: expected the probability"),
        ({"hidden_keep": -0.5}, r"hidden_keep = -0\.5: expected the probability"),
        ({"hidden_keep": (0.5, 0.5)}, r"hidden_keep has 2 values, but there are 1 layers \(the hidden layers\)"),
        ({"max_norm": -1.0}, r"max_norm = -1\.0: expected"),
        ({"condition_size": -1}, "condition_size = -1"),
    ],
)
def test_the_discriminator_refuses_what_is_out_of_range(change: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        MaxoutDiscriminator(**({"image_shape": SHAPE, "hidden": (5,)} | change))


def _normalised(h: torch.Tensor, shift: float) -> torch.Tensor:
    return (h - h.mean(0)) / (h.var(0, correction=0) + 1e-5).sqrt() + shift


def test_the_generator_normalises_each_hidden_layer_before_its_activation() -> None:
    generator = MLPGenerator(SHAPE, 5, (6, 7), weight_init=1.0, bias_init=(0.1, 0.2, 0.3), batch_norm=True).double()
    z = torch.randn(8, 5, dtype=torch.float64)
    h = F.relu(_normalised(z @ generator.hidden[0].weight.T, 0.1))
    h = F.relu(_normalised(h @ generator.hidden[4].weight.T, 0.2))
    expected = torch.sigmoid(h @ generator.output.weight.T + 0.3).reshape(8, *SHAPE)
    torch.testing.assert_close(generator(z), expected)
    h = z @ generator.hidden[0].weight.T  # a running mean moves by a tenth
    torch.testing.assert_close(generator.hidden[1].running_mean, 0.1 * h.mean(0))
    torch.testing.assert_close(generator.hidden[1].running_var, 0.9 + 0.1 * h.var(0))


def test_the_leaky_discriminator_is_the_network_it_says() -> None:
    discriminator = MLPDiscriminator(SHAPE, (5, 4), negative_slope=0.3, weight_init=1.0, bias_init=0.1).double()
    x = torch.rand(6, *SHAPE, dtype=torch.float64)
    h = x.flatten(1)
    for layer in (discriminator.hidden[0], discriminator.hidden[3]):
        h = h @ layer.weight.T + 0.1
        h = torch.where(h > 0, h, 0.3 * h)
    torch.testing.assert_close(discriminator.features(x), h)
    torch.testing.assert_close(discriminator(x), h @ discriminator.output.weight.T + 0.1)


def test_the_leaky_discriminator_normalises_before_its_activation() -> None:
    discriminator = MLPDiscriminator(SHAPE, (5,), weight_init=1.0, bias_init=0.1, batch_norm=True).double()
    x = torch.rand(6, *SHAPE, dtype=torch.float64)
    h = F.leaky_relu(_normalised(x.flatten(1) @ discriminator.hidden[0].weight.T, 0.1), 0.2)
    torch.testing.assert_close(discriminator(x), h @ discriminator.output.weight.T + 0.1)


def test_the_leaky_discriminator_drops_and_takes_conditions_as_the_maxout_one() -> None:
    kept = MLPDiscriminator(SHAPE, (5,), condition_size=3)
    x, condition = torch.rand(6, *SHAPE), torch.eye(3).repeat(2, 1)
    assert torch.equal(kept(x, condition), kept(x, condition))
    with pytest.raises(UserError, match=r"condition_size = 3: give it a condition of shape \(6, 3\)"):
        kept(x)
    dropping = MLPDiscriminator(SHAPE, (50,), input_keep=0.5, hidden_keep=0.5)
    assert dropping.input_dropout.keep == dropping.hidden[2].keep == 0.5
    assert not torch.equal(dropping(x), dropping(x))
    dropping.eval()
    assert torch.equal(dropping(x), dropping(x))


def test_a_normalised_layer_has_its_bias_once() -> None:
    def count(network: nn.Module) -> int:
        return sum(parameter.numel() for parameter in network.parameters())

    assert count(MLPGenerator((1, 28, 28), 64, (512,) * 4)) == 1_223_440
    assert count(MLPGenerator((1, 28, 28), 64, (512,) * 4, batch_norm=True)) == 1_223_440 + 4 * 512  # the scales
    assert count(MLPDiscriminator((1, 28, 28))) == 1_190_401
    assert count(MLPDiscriminator((1, 28, 28), batch_norm=True)) == 1_190_401 + 4 * 512
    names = list(MLPGenerator(SHAPE, 5, (6,), batch_norm=True).state_dict())
    buffers = ["hidden.1.running_mean", "hidden.1.running_var", "hidden.1.num_batches_tracked"]
    assert names == [
        *("hidden.0.weight", "hidden.1.weight", "hidden.1.bias", *buffers),
        *("output.weight", "output.bias"),
    ]


def test_the_leaky_discriminator_begins_at_the_scale_of_its_input() -> None:
    torch.manual_seed(0)
    discriminator = MLPDiscriminator((1, 20, 20), (2000, 2000))
    first, second, output = discriminator.hidden[0], discriminator.hidden[3], discriminator.output
    assert first.weight.std().item() == pytest.approx(math.sqrt(2 / (1.04 * 400)), rel=0.01)
    assert second.weight.std().item() == pytest.approx(math.sqrt(2 / (1.04 * 2000)), rel=0.01)
    assert output.weight.abs().max().item() == pytest.approx(1 / math.sqrt(2000), rel=0.01)
    assert not any(layer.bias.any() for layer in (first, second, output))
    features = discriminator.features(torch.randn(500, 1, 20, 20))
    assert features.square().mean().item() == pytest.approx(1, rel=0.1)
    steep = MLPDiscriminator((1, 20, 20), (2000,), negative_slope=1.0)
    assert steep.hidden[0].weight.std().item() == pytest.approx(1 / 20, rel=0.01)


def test_a_single_row_cannot_be_normalised() -> None:
    generator = MLPGenerator(SHAPE, 5, (6,), batch_norm=True)
    with pytest.raises(UserError, match=r"batch_norm = True needs minibatches of at least 2 rows .*raise batch_size"):
        generator(torch.zeros(1, 5))
    assert generator.eval()(torch.zeros(1, 5)).shape == (1, *SHAPE)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_computes_in_bfloat16(batch_norm: bool) -> None:
    z, x = torch.randn(8, 5), torch.rand(8, *SHAPE)
    generator, discriminator = (
        MLPGenerator(SHAPE, 5, (6,), batch_norm=batch_norm),
        MLPDiscriminator(SHAPE, (6,), batch_norm=batch_norm),
    )
    expected = generator(z), discriminator(x)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = generator(z), discriminator(x)
    true = generator.bfloat16()(z.bfloat16()), discriminator.bfloat16()(x.bfloat16())
    for given in (mixed, true):
        for value, reference in zip(given, expected, strict=True):
            assert value.dtype == torch.bfloat16
            torch.testing.assert_close(value.float(), reference, rtol=0.05, atol=0.05)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden": (0,)}, r"hidden\[0\] = 0"),
        ({"negative_slope": -0.1}, r"negative_slope = -0\.1: expected a finite number of at least 0"),
        ({"weight_init": (0.1, 0.1, 0.1)}, "weight_init has 3 values, but there are 2 layers"),
        ({"bias_init": float("inf")}, "bias_init = inf: expected a finite number"),
        ({"bias_init": float("inf"), "batch_norm": True}, "bias_init = inf: expected a finite number"),
        ({"input_keep": 0.0}, r"input_keep = 0\.0: expected the probability"),
        ({"hidden_keep": (0.5, 0.5)}, r"hidden_keep has 2 values, but there are 1 layers \(the hidden layers\)"),
    ],
)
def test_the_leaky_discriminator_refuses_what_is_out_of_range(change: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        MLPDiscriminator(**({"image_shape": SHAPE, "hidden": (5,)} | change))
