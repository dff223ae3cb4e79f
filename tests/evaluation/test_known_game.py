"""A game on a known density: players that can be worked out by hand, against closed forms."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lit_gan.data.mixtures import GaussianMixture, Line, Ring
from lit_gan.errors import UserError
from lit_gan.evaluation.known_game import known_game
from lit_gan.gan import GAN
from lit_gan.latents import Latent, Mixture, Normal, Truncated, Uniform
from lit_gan.objectives import Hinge


class Affine(nn.Module):
    """G(z) = a z + b, of the first coordinate."""

    def __init__(self, a: float, b: float, size: int = 1) -> None:
        super().__init__()
        self.latent_size = size
        self.a, self.b = nn.Parameter(torch.tensor(a).double()), nn.Parameter(torch.tensor(b).double())

    def forward(self, z: Tensor) -> Tensor:
        return (self.a * z[:, :1] + self.b)[:, :, None, None]


class Best(nn.Module):
    """The logit of D* for N(0, 1) against N(mean, 1), off by a constant."""

    def __init__(self, mean: float, off: float = 0.0) -> None:
        super().__init__()
        self.mean, self.off = nn.Parameter(torch.tensor(mean).double()), off

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(1)
        return ((x - self.mean).square() - x.square()) / 2 + self.off


def _gan(latent: Latent, a: float = 1.0, b: float = 2.0, discriminator: nn.Module | None = None, **kwargs: Any) -> GAN:
    return GAN(Affine(a, b, latent.size), discriminator or Best(b), latent, **kwargs)


def _normal() -> GaussianMixture:
    return Line(1, std=1.0)


@pytest.mark.parametrize(("mean", "jsd"), [(0.0, 0.0), (1.0, 0.1114215), (2.0, 0.3368308)])
def test_two_normal_densities_and_the_best_discriminator(mean: float, jsd: float) -> None:
    """The divergences by quadrature on 2 million nodes."""
    game = known_game(_gan(Normal(1), b=mean), _normal())
    assert game.jsd == pytest.approx(jsd, abs=2e-6)
    assert game.criterion == pytest.approx(-math.log(4) + 2 * game.jsd, abs=1e-12)
    assert game.value == pytest.approx(game.criterion, abs=1e-6)
    assert game.value <= game.criterion
    assert game.d_error < 2e-4
    width = float(game.x[1] - game.x[0])
    expected = torch.exp(-(game.x - mean).square() / 2) / math.sqrt(2 * math.pi)
    torch.testing.assert_close(game.p_g, expected, rtol=0, atol=1e-4)
    assert float(game.p_g.sum()) * width == pytest.approx(1, abs=1e-12)


def test_a_worse_discriminator_has_a_lower_value_and_its_error_is_known() -> None:
    game = known_game(_gan(Normal(1), b=0.0, discriminator=Best(0.0, off=math.log(3))), _normal())
    assert game.d_error == pytest.approx(0.25, abs=1e-9)  # 3/4 everywhere, where 1/2 is right
    assert game.value == pytest.approx(math.log(0.75) + math.log(0.25), abs=1e-9)


@pytest.mark.parametrize("latent", [Uniform(1), Normal(1), Truncated(1, 1.5), Mixture(3, size=1)])
def test_the_density_is_the_latents_own(latent: Latent) -> None:
    """Moments of G(z) = z, against those of a million draws for what has no simple form."""
    game = known_game(_gan(latent, b=0.0), _normal())
    width = float(game.x[1] - game.x[0])
    variance = float((game.p_g * game.x.square()).sum()) * width
    if isinstance(latent, Uniform | Normal):
        assert variance == pytest.approx(1.0, abs=1e-4)
    else:
        draws = latent.sample(10**6, generator=torch.Generator().manual_seed(0)).double()
        assert variance == pytest.approx(float(draws.square().mean()), rel=0.01)


class Own(Latent):
    """A latent of one's own, of which nothing but draws is known."""

    def draw(self, shape: tuple[int, int], generator: torch.Generator | None, dtype: torch.dtype | None) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=dtype)


@pytest.mark.parametrize(("latent", "atol"), [(Own(1), 0.01), (Normal(3), 0.003)])
def test_of_other_latents_there_are_draws_the_same_each_time(latent: Latent, atol: float) -> None:
    gan = _gan(latent, b=0.0)
    game = known_game(gan, _normal())
    assert game.jsd == known_game(gan, _normal()).jsd < atol
    assert len(game.z) == (latent.size == 1) * len(game.g)


def test_a_generator_that_leaves_the_datas_box_is_seen_whole() -> None:
    game = known_game(_gan(Normal(1), a=10.0, b=-40.0, discriminator=Best(0.0)), _normal())
    assert float(game.x[0]) < -70
    assert game.jsd == pytest.approx(math.log(2), abs=1e-3)


def test_the_average_is_what_is_looked_at() -> None:
    gan = _gan(Normal(1), b=2.0)
    gan.generator_average = {"a": torch.tensor(1.0).double(), "b": torch.tensor(0.0).double()}
    assert known_game(gan, _normal()).jsd < 1e-6


def test_what_theory_does_not_know_is_told() -> None:
    with pytest.raises(UserError, match=r"needs data of one dimension, got 2: expected a mixture such as .*Line"):
        known_game(_gan(Normal(1)), Ring())
    with pytest.raises(UserError, match=r"Hinge makes no probability of D's logits.*expected NonSaturating or Minimax"):
        known_game(_gan(Normal(1), objective=Hinge()), _normal())
    with pytest.raises(UserError, match="the samples are not finite"):
        known_game(_gan(Normal(1), b=math.inf), _normal())
