"""Sampling with D's say: where its ratio is known, the samples have the distribution of the data."""

import math
from typing import Any

import pytest
import torch
from tiny_gan import examples, linear_gan, loader, trainer
from torch import Tensor, nn

from lit_gan.cli.sample import _METHODS
from lit_gan.errors import UserError
from lit_gan.extensions.conditional import ConditionalGAN
from lit_gan.functional.logistic import fit_logistic
from lit_gan.gan import GAN
from lit_gan.generative import GenerativeModule
from lit_gan.latents import Latent, Mixture, Normal, Spherical, Truncated, Uniform
from lit_gan.networks import MaxoutDiscriminator, MLPGenerator
from lit_gan.objectives import Wasserstein
from lit_gan.sampling import METHODS, Langevin, Rejection, calibrate, sample
from lit_gan.sampling.judge import Judge


class Identity(nn.Module):
    """G(z) = z, on images of one pixel."""

    latent_size = 1

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones((), dtype=torch.float64))

    def forward(self, z: Tensor) -> Tensor:
        return self.scale * z[:, :, None, None]


class Quadratic(nn.Module):
    """The log-ratio b x - c x^2 / 2, in units of its own."""

    def __init__(self, b: float, c: float, unit: float = 1.0) -> None:
        super().__init__()
        self.b, self.c, self.unit = nn.Parameter(torch.tensor(float(b))), c, unit

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(1)
        return self.unit * (self.b * x - self.c / 2 * x**2)


def toy(b: float, c: float, latent: Latent | None = None, unit: float = 1.0) -> GAN:
    """p_g is the prior, p_data that times exp(b x - c x^2 / 2)."""
    gan = GAN(Identity(), Quadratic(b, c, unit), latent or Normal(1)).double()
    gan.value_range = None
    return gan


def drawn(gan: GAN, num: int, method: Any, **kwargs: Any) -> Tensor:
    judge = Judge.of(gan, kwargs.pop("latent", gan.latent), "test", kwargs.pop("calibration", None))
    return method.latents(judge, num, 0, None).flatten()


EXACT = Rejection(quantile=None)


@pytest.mark.parametrize(("b", "c"), [(1.0, 1.0), (0.0, 3.0), (-2.0, 2.0)])
def test_rejection_by_the_true_ratio_gives_the_data(b: float, c: float) -> None:
    z = drawn(toy(b, c), 20_000, EXACT)
    mean, variance = b / (1 + c), 1 / (1 + c)  # of N(0, 1) times exp(b x - c x^2 / 2)
    # Five standard errors of 20,000 draws.
    assert float(z.mean()) == pytest.approx(mean, abs=5 * math.sqrt(variance / 20_000))
    assert float(z.var()) == pytest.approx(variance, rel=5 * math.sqrt(2 / 20_000))
    quantiles = torch.linspace(0.05, 0.95, 19, dtype=torch.float64)
    expected = mean + math.sqrt(variance) * torch.special.ndtri(quantiles)
    torch.testing.assert_close(z.quantile(quantiles), expected, rtol=0, atol=0.04)


def test_rejection_from_a_uniform_prior() -> None:
    z = drawn(toy(2.0, 0.0, Uniform(1, 0.0, 1.0)), 20_000, EXACT)
    cdf = (torch.expm1(2 * z.sort().values)) / math.expm1(2)
    steps = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000
    assert float((cdf - steps).abs().max()) < 1.95 / math.sqrt(20_000)  # Kolmogorov-Smirnov at 0.1 %


def test_a_quantile_lets_more_pass_and_says_less() -> None:
    gan = toy(1.0, 1.0)
    means = [float(drawn(gan, 5000, method).mean()) for method in (Rejection(0.0), Rejection(0.8), EXACT)]
    assert 0 < means[0] < means[1]
    assert means[2] == pytest.approx(0.5, abs=0.06)


def test_a_calibration_makes_ratios_of_logits_in_other_units() -> None:
    gan = toy(1.0, 1.0, unit=7.0)
    x = 0.5 + math.sqrt(0.5) * torch.randn(20_000, 1, 1, 1, generator=torch.Generator().manual_seed(0)).double()
    slope, offset = calibrate(gan, x)
    # log p_data / p_g = x - x^2 / 2 + const.
    assert slope == pytest.approx(1 / 7, rel=0.05)
    assert offset == pytest.approx(math.log(math.sqrt(2)) - 0.25, abs=0.05)
    z = drawn(gan, 10_000, EXACT, calibration=(slope, offset))
    assert float(z.mean()) == pytest.approx(0.5, abs=0.05)
    assert float(z.var()) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("steps", [1, 7, 400])
def test_langevin_on_a_normal_energy_has_the_moments_of_its_chain(steps: int) -> None:
    b, c, size, num = 1.0, 1.0, 0.1, 20_000
    z = drawn(toy(b, c), num, Langevin(steps, size))
    shrink = 1 - size / 2 * (1 + c)
    mean, variance = 0.0, 1.0
    for _ in range(steps):
        mean, variance = shrink * mean + size / 2 * b, shrink**2 * variance + size
    assert float(z.mean()) == pytest.approx(mean, abs=5 * math.sqrt(variance / num))
    assert float(z.var()) == pytest.approx(variance, rel=5 * math.sqrt(2 / num))
    if steps == 400:  # the chain's own end: that of the energy, but for the step size
        target = 1 / (1 + c)
        assert variance == pytest.approx(target / (1 - size / (4 * target)), rel=1e-9)
        assert mean == pytest.approx(b / (1 + c), rel=1e-9)


def test_langevin_without_noise_climbs_to_the_top() -> None:
    z = drawn(toy(1.0, 1.0), 50, Langevin(300, 0.1, noise=0.0))
    torch.testing.assert_close(z, torch.full((50,), 0.5).double(), rtol=0, atol=1e-9)


@pytest.mark.parametrize("latent", [Uniform(1, -1.0, 2.0), Truncated(1, 0.7)], ids=["uniform", "truncated"])
def test_bounds_reflect(latent: Latent) -> None:
    low, high = latent.bounds or (0.0, 0.0)
    flat = drawn(toy(0.0, 0.0, latent), 5000, Langevin(50, 0.05))
    assert low <= flat.min() < flat.max() <= high
    # Where D has no opinion the prior stays: the reflected walk leaves it as it is.
    reference = latent.sample(5000, generator=torch.Generator().manual_seed(1), dtype=torch.float64).flatten()
    quantiles = torch.linspace(0.05, 0.95, 10, dtype=torch.float64)
    torch.testing.assert_close(flat.quantile(quantiles), reference.quantile(quantiles), rtol=0, atol=0.08)
    leaning = drawn(toy(3.0, 0.0, Uniform(1, 0.0, 1.0)), 5000, Langevin(400, 0.002))
    assert float(leaning.mean()) == pytest.approx(1 / (1 - math.exp(-3)) - 1 / 3, abs=0.03)  # density e^(3 x)


@pytest.mark.parametrize("method", [Rejection(pool=500), Langevin(10, 0.01)], ids=["rejection", "langevin"])
def test_a_sample_is_a_function_of_the_seed_and_its_number(method: Any) -> None:
    torch.manual_seed(0)
    gan = GAN(MLPGenerator((1, 8, 8), 4, hidden=(16,)), MaxoutDiscriminator((1, 8, 8), hidden=(8,))).double()
    one = sample(gan, 1300, method=method, rng=3)
    torch.testing.assert_close(sample(gan, 20, method=method, rng=3), one[:20], rtol=0, atol=1e-9)
    assert torch.equal(sample(gan, 20, method=method, rng=3), sample(gan, 20, method=method, rng=3))
    assert not torch.equal(sample(gan, 20, method=method, rng=4), one[:20])
    generators = [torch.Generator().manual_seed(5) for _ in range(2)]
    assert torch.equal(*(sample(gan, 5, method=method, rng=each) for each in generators))


def test_training_modes_and_weights_are_as_before() -> None:
    gan = GAN(MLPGenerator((1, 8, 8), 4, hidden=(16,)), MaxoutDiscriminator((1, 8, 8), hidden=(8,)))
    gan.generator_average = {name: torch.randn_like(each) for name, each in gan.generator.named_parameters()}
    gan.discriminator.eval()
    before = {name: value.clone() for name, value in gan.state_dict().items()}
    average = sample(gan, 5, method="langevin", rng=0)
    assert gan.generator.training
    assert not gan.discriminator.training
    assert all(torch.equal(value, before[name]) for name, value in gan.state_dict().items())
    assert all(parameter.grad is None for parameter in gan.parameters())
    gan.generator_average = None
    assert not torch.allclose(sample(gan, 5, method="langevin", rng=0), average)


def test_conditions_go_with_their_samples() -> None:
    class Shift(nn.Module):
        def __init__(self, keep: float) -> None:
            super().__init__()
            self.keep, self.weight, self.latent_size = keep, nn.Parameter(torch.zeros(())), 1

        def forward(self, x: Tensor, one_hot: Tensor) -> Tensor:
            if self.keep:
                return x[:, :, None, None] + self.weight
            return 40 * x.flatten(1) * (one_hot[:, :1] - one_hot[:, 1:]) + self.weight

    gan = ConditionalGAN(Shift(1), Shift(0), 2, latent=Uniform(1, -1.0, 1.0))
    gan.value_range = (-1.0, 1.0)
    for method in ("rejection", "langevin"):
        images = sample(gan, 40, method=method, rng=0).flatten() * 2 - 1
        assert images[:20].mean() > 0.5
        assert images[20:].mean() < -0.5


def test_truncation_draws_from_the_middle() -> None:
    gan = toy(0.0, 0.0, Normal(1))
    gan.value_range = (-10.0, 10.0)
    for method in ("latent", "rejection", "langevin"):
        images = sample(gan, 400, method=method, truncation=0.5, rng=0) * 20 - 10
        assert 0.4 < float(images.abs().max()) <= 0.5 + 1e-6
    assert sample(gan, 400, rng=0).equal(gan.sample(400, rng=0))


def test_the_command_offers_the_methods_that_there_are() -> None:
    assert _METHODS == METHODS


class Alone(GenerativeModule):
    """A generator without a D."""


class Joint(Quadratic):
    sees_whole_batch = True


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (lambda: toy(0, 0), {"method": "mcmc"}, "method = mcmc: expected one of latent, rejection, langevin"),
        (lambda: toy(0, 0), {"num": 0, "method": "langevin"}, "num = 0: expected at least 1 sample"),
        (
            lambda: toy(0, 0),
            {"method": "rejection", "condition": torch.ones(2)},
            "condition has 2 rows: expected one for each of the num = 5 samples",
        ),
        (
            lambda: Alone(Identity(), Normal(1)),
            {"method": "rejection"},
            "method = rejection: it asks a discriminator, and a Alone has none",
        ),
        (
            lambda: GAN(Identity(), Joint(0.0, 0.0), Normal(1)).double(),
            {"method": "langevin"},
            r"method = langevin: the discriminator sees a batch as a whole \(sees_whole_batch\): expected one that",
        ),
        (
            lambda: GAN(Identity(), Quadratic(0.0, 0.0), Normal(1), Wasserstein()).double(),
            {"method": "rejection"},
            "method = rejection: D's logits are no log-odds under Wasserstein, and there is no calibration",
        ),
        (
            lambda: toy(0, 0, Spherical(1)),
            {"method": "langevin"},
            "a Spherical latent has no log-density: expected Uniform, Normal, Truncated or Mixture",
        ),
        (
            lambda: toy(0, 0, Mixture(2, 1)),
            {"method": "langevin", "truncation": 1.0},
            "a truncated Mixture latent has no log-density that is smooth",
        ),
        (
            lambda: toy(200.0, 0.0),
            {"method": Rejection(quantile=None, tries=3), "num": 2000},
            r"rejection: \d+ of 2000 samples were refused 3 times: D tells almost all samples from examples",
        ),
    ],
)
def test_what_cannot_be_sampled_is_told(make: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        sample(make(), **{"num": 5, "rng": 0, **options})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Rejection(quantile=1.0), r"Rejection quantile = 1\.0: expected a number in \[0, 1\), or None"),
        (lambda: Rejection(pool=0), "Rejection pool = 0: expected at least 1"),
        (lambda: Rejection(tries=0), "Rejection tries = 0: expected at least 1"),
        (lambda: Langevin(steps=0), "Langevin steps = 0: expected at least 1"),
        (lambda: Langevin(step_size=0.0), r"Langevin step_size = 0\.0: expected a positive number"),
        (lambda: Langevin(noise=-1.0), r"Langevin noise = -1\.0: expected a number of at least 0"),
    ],
)
def test_numbers_out_of_range_are_told(make: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make()


@pytest.mark.filterwarnings("ignore:under .* may grow ever steeper")
def test_a_validation_calibrates_d_and_the_checkpoint_keeps_it(tmp_path: Any) -> None:
    gan = linear_gan(objective=Wasserstein())
    run = trainer(max_steps=4)
    run.fit(gan, loader(examples(16), batch_size=4), loader(examples(40), batch_size=7))
    held = examples(40)
    z = gan.latent_table("val", 0).rows(range(40)).double()
    with torch.no_grad():
        real, fake = gan.discriminate(held).flatten(), gan.discriminate(gan(z)).flatten()
    assert gan.calibration == pytest.approx(fit_logistic(real, fake), rel=1e-9)
    run.save_checkpoint(tmp_path / "last.ckpt")
    other = linear_gan(objective=Wasserstein())
    assert other.calibration is None
    content = torch.load(tmp_path / "last.ckpt", weights_only=True)
    other.on_load_checkpoint(content)
    assert other.calibration == gan.calibration
