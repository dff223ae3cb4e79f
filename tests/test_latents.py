"""The latent distributions: moments, supports, shapes, and where their randomness comes from."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from properties import examples, numbers
from torch import Tensor

from lit_gan.errors import UserError
from lit_gan.latents import Latent, LatentTable, Mixture, Normal, Spherical, Truncated, Uniform
from lit_gan.randomness import stream

LATENTS = [
    *(Uniform(20), Normal(20), Spherical(20), Uniform(20, 0.0, 1.0), Normal(20, mean=2.0, std=0.5)),
    *(Truncated(20, 1.5), Mixture(5, 20), Mixture(5, 20, threshold=0.5)),
]
NAMES = [
    *("uniform", "normal", "spherical", "uniform-01", "normal-2", "truncated", "mixture", "truncated-mixture"),
]


@pytest.mark.parametrize("latent", LATENTS, ids=NAMES)
def test_a_draw_is_a_function_of_its_generator(latent: Latent) -> None:
    first = latent.sample(5, generator=stream(3, "a"))
    again = latent.sample(5, generator=stream(3, "a"))
    other = latent.sample(5, generator=stream(3, "b"))
    assert first.shape == (5, 20)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("latent", LATENTS, ids=NAMES)
def test_dtype_and_device_are_those_asked_for(latent: Latent) -> None:
    drawn = latent.sample(2, generator=stream(0), device="cpu", dtype=torch.float64)
    assert drawn.dtype == torch.float64
    assert drawn.device == torch.device("cpu")


def test_uniform_fills_its_interval_with_unit_variance() -> None:
    z = Uniform(100).sample(2000, generator=stream(0), dtype=torch.float64)
    assert z.abs().max() <= math.sqrt(3)
    # 200,000 draws: the standard errors of mean and variance are 0.0022 and 0.002.
    torch.testing.assert_close(z.mean(), torch.tensor(0.0, dtype=torch.float64), rtol=0, atol=0.01)
    torch.testing.assert_close(z.var(), torch.tensor(1.0, dtype=torch.float64), rtol=0, atol=0.01)


def test_normal_has_its_mean_and_std() -> None:
    z = Normal(100, mean=2.0, std=0.5).sample(2000, generator=stream(0), dtype=torch.float64)
    torch.testing.assert_close(z.mean(), torch.tensor(2.0, dtype=torch.float64), rtol=0, atol=0.006)
    torch.testing.assert_close(z.std(), torch.tensor(0.5, dtype=torch.float64), rtol=0, atol=0.006)


def test_spherical_lies_on_its_sphere_in_every_direction() -> None:
    z = Spherical(50).sample(4000, generator=stream(0), dtype=torch.float64)
    torch.testing.assert_close(z.norm(dim=1), torch.full((4000,), math.sqrt(50), dtype=torch.float64))
    torch.testing.assert_close(z.mean(0), torch.zeros(50, dtype=torch.float64), rtol=0, atol=0.08)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Uniform(0), "latent size = 0: expected at least 1"),
        (lambda: Uniform(3, 1.0, 1.0), "low = 1.0 and high = 1.0: expected low below high"),
        (lambda: Normal(3, std=0.0), "std = 0.0: expected a positive number"),
        (lambda: Truncated(3, 0.0), r"truncation = 0\.0: expected a positive number of standard deviations"),
        (lambda: Truncated(3, std=-1.0), r"Truncated latent: std = -1\.0: expected a positive number"),
        (lambda: Mixture(0, 3), "Mixture latent: num_components = 0: expected at least 1"),
        (lambda: Mixture(2, 3, std=0.0), r"Mixture latent: std = 0\.0: expected a positive number"),
        (lambda: Mixture(2, 3, threshold=-1.0), r"truncation = -1\.0: expected a positive number"),
        (lambda: Uniform(3).truncated(1.5), r"truncation = 1\.5: expected a part of the uniform latent's range, in"),
        (lambda: Spherical(3).truncated(0.5), "a Spherical latent has no tails to cut off: truncation is for Uniform"),
        (lambda: Spherical(3).log_density(torch.ones(1, 3)), "a Spherical latent has no log-density: expected Uniform"),
        (
            lambda: Mixture(2, 3).truncated(1.0).log_density(torch.ones(1, 3)),
            "a truncated Mixture latent has no log-density that is smooth: expected one without threshold",
        ),
    ],
)
def test_arguments_out_of_range_are_told(make: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make()


@pytest.mark.parametrize("latent", LATENTS, ids=NAMES)
def test_a_walk_starts_and_ends_at_its_ends(latent: Latent) -> None:
    start, end = latent.sample(2, generator=stream(1), dtype=torch.float64)
    walk = latent.between(start, end, torch.linspace(0, 1, 5, dtype=torch.float64))
    assert walk.shape == (5, 20)
    torch.testing.assert_close(walk[[0, -1]], torch.stack([start, end]))


def test_the_walk_is_a_straight_line() -> None:
    start, end = Normal(3).sample(2, generator=stream(1), dtype=torch.float64)
    walk = Normal(3).between(start, end, torch.linspace(0, 1, 5, dtype=torch.float64))
    torch.testing.assert_close(walk.diff(dim=0), ((end - start) / 4).expand(4, 3))


def test_on_the_sphere_it_is_a_great_circle_at_an_even_pace() -> None:
    latent = Spherical(5)
    start, end = latent.sample(2, generator=stream(1), dtype=torch.float64)
    walk = latent.between(start, end, torch.linspace(0, 1, 7, dtype=torch.float64))
    torch.testing.assert_close(walk.norm(dim=1), torch.full((7,), math.sqrt(5), dtype=torch.float64))
    angles = torch.nn.functional.cosine_similarity(walk[:-1], walk[1:]).arccos()
    torch.testing.assert_close(angles, angles[:1].expand(6))


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_between_the_same_point_or_opposite_ones_it_stays_finite(sign: float) -> None:
    (start,) = Spherical(5).sample(1, generator=stream(1))
    assert Spherical(5).between(start, sign * start, torch.linspace(0, 1, 3)).isfinite().all()


# -- Truncated and mixed: against the closed forms


@pytest.mark.parametrize("threshold", [0.3, 1.0, 2.5])
def test_truncated_has_the_moments_of_a_normal_without_its_tails(threshold: float) -> None:
    z = Truncated(100, threshold, mean=1.0, std=2.0).sample(4000, generator=stream(0), dtype=torch.float64)
    density = math.exp(-(threshold**2) / 2) / math.sqrt(2 * math.pi)
    variance = 1 - 2 * threshold * density / math.erf(threshold / math.sqrt(2))
    assert (z - 1).abs().max() <= 2 * threshold
    # 400,000 draws: five standard errors of the mean, and of the variance of at most that of a normal.
    assert float(z.mean()) == pytest.approx(1.0, abs=5 * 2 * math.sqrt(variance / 4e5))
    assert float(z.var()) / 4 == pytest.approx(variance, rel=5 * math.sqrt(2 / 4e5))


def test_truncated_without_tails_left_to_cut_is_a_normal() -> None:
    z = Truncated(100, 30.0).sample(2000, generator=stream(0), dtype=torch.float64)
    assert z.isfinite().all()
    quantiles = torch.linspace(0.01, 0.99, 21, dtype=torch.float64)
    torch.testing.assert_close(z.flatten().quantile(quantiles), torch.special.ndtri(quantiles), rtol=0, atol=0.03)


@pytest.mark.parametrize(
    ("latent", "cut", "bounds"),
    [
        (Uniform(3, 0.0, 4.0), 0.5, (1.0, 3.0)),
        (Normal(3, mean=1.0, std=2.0), 0.5, (0.0, 2.0)),
        (Truncated(3, 2.0), 0.5, (-0.5, 0.5)),
        (Truncated(3, 0.25), 0.5, (-0.25, 0.25)),
    ],
)
def test_truncation_keeps_the_middle(latent: Latent, cut: float, bounds: tuple[float, float]) -> None:
    less = latent.truncated(cut)
    z = less.sample(3000, generator=stream(0), dtype=torch.float64)
    assert less.size == 3
    assert less.bounds == bounds
    assert bounds[0] <= z.min() < z.max() <= bounds[1]
    assert float(z.max() - z.min()) > 0.95 * (bounds[1] - bounds[0])
    assert (latent.bounds is None) == isinstance(latent, Normal)


def test_a_mixture_has_equal_parts_of_its_scale_around_its_centres() -> None:
    mixture = Mixture(4, 50, std=0.2, seed=3)
    z = mixture.sample(8000, generator=stream(0), dtype=torch.float64)
    centres = mixture.centres()
    assert centres.abs().max() <= 1
    assert torch.equal(centres, Mixture(4, 50, seed=3).centres())
    assert not torch.equal(centres, Mixture(4, 50, seed=4).centres())
    nearest = torch.cdist(z, centres).argmin(1)  # centres are some 5.8 apart, and 1.4 is what a draw is from its own
    assert all(abs(int((nearest == k).sum()) - 2000) < 200 for k in range(4))
    torch.testing.assert_close((z - centres[nearest]).std(), torch.tensor(0.2).double(), rtol=0.01, atol=0)
    cut = mixture.truncated(0.5)
    assert (cut.sample(500, generator=stream(0)).double()[:, None] - centres).abs().amin(1).max() <= 0.2 * 0.5 + 1e-6
    assert cut.truncated(2.0).threshold == 0.5


def test_a_mixture_takes_its_size_from_the_generator() -> None:
    assert Mixture(3).sized(7).sample(2).shape == (2, 7)
    assert Truncated().sized(7).sample(2).shape == (2, 7)


@pytest.mark.parametrize(
    "latent",
    [Uniform(2, -1.0, 2.0), Normal(2, 0.3, 0.8), Truncated(2, 1.2, 0.1, 0.7), Mixture(3, 2, std=0.3)],
    ids=lambda latent: type(latent).__name__,
)
def test_a_density_is_one_over_all_and_that_of_the_draws(latent: Latent) -> None:
    low, high = latent.bounds or (-5.0, 5.0)
    edges = torch.linspace(low, high, 301, dtype=torch.float64)
    centres = (edges[1:] + edges[:-1]) / 2
    grid = torch.cartesian_prod(centres, centres)
    density = latent.log_density(grid).exp() * float(edges[1] - edges[0]) ** 2
    assert float(density.sum()) == pytest.approx(1, abs=1e-3)
    z = latent.sample(20000, generator=stream(0), dtype=torch.float64)
    mean = (density[:, None] * grid).sum(0)
    torch.testing.assert_close(z.mean(0), mean, rtol=0, atol=0.03)
    variance = (density[:, None] * (grid - mean) ** 2).sum(0)
    torch.testing.assert_close(z.var(0), variance, rtol=0.05, atol=0)


# -- The table: of no batch, no order and no rank; a block is drawn once on the way


def table(latent: Latent | None = None, seed: int = 0, purpose: str = "val", loader: int = 0) -> LatentTable:
    return LatentTable(latent or Normal(3), torch.float32, seed, purpose, loader)


@pytest.mark.parametrize("size", [1, 7, 999, 1000, 1001, 2500])
@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_any_batches_of_any_ranks_are_the_same_rows(size: int, world_size: int) -> None:
    whole = table().rows(range(2500))
    for rank in range(world_size):
        one, mine = table(), range(rank, 2500, world_size)
        pieces = [one.rows(mine[start : start + size]) for start in range(0, len(mine), size)]
        assert torch.equal(torch.cat(pieces), whole[rank::world_size])


_LATENTS_OF_3 = [Uniform(3), Normal(3), Spherical(3), Truncated(3, 1.0), Mixture(2, 3)]


@examples(30)
@given(
    which=st.sampled_from(range(len(_LATENTS_OF_3))),
    wanted=st.lists(
        st.tuples(st.integers(0, 3000), st.integers(0, 1500), st.integers(1, 1200)), min_size=1, max_size=4
    ),
)
def test_any_rows_in_any_order_are_those_of_the_whole(which: int, wanted: list[tuple[int, int, int]]) -> None:
    one = table(_LATENTS_OF_3[which])
    whole = table(_LATENTS_OF_3[which]).rows(range(4500))
    for start, length, step in wanted:
        places = range(start, start + length, step)
        assert torch.equal(one.rows(places), whole[places.start : places.stop : places.step])


@examples(30)
@given(seed=st.integers(0, 999), fraction=numbers(0, 1), threshold=numbers(0.25, 3))
def test_walks_and_truncation_stay_where_the_density_is(seed: int, fraction: float, threshold: float) -> None:
    steps = torch.tensor([0.0, fraction, 1.0], dtype=torch.float64)
    for latent in (
        Uniform(5, -2.0, 3.0),
        Truncated(5, threshold),
        Normal(5).truncated(threshold),
        Mixture(3, 5),
        Spherical(5),
    ):
        start, end = latent.sample(2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        walk = latent.between(start, end, steps)
        torch.testing.assert_close(walk[[0, 2]], torch.stack([start, end]), rtol=0, atol=1e-12)
        assert bool(walk.isfinite().all())
        if latent.bounds is not None:
            low, high = latent.bounds
            assert bool(((walk >= low - 1e-12) & (walk <= high + 1e-12)).all())
            assert bool(latent.log_density(walk).isfinite().all())
        if isinstance(latent, Spherical):
            torch.testing.assert_close(walk.norm(dim=1), start.norm().expand(3), rtol=1e-9, atol=0)


def test_no_row_comes_twice_and_steps_longer_than_a_block_are_taken() -> None:
    rows = table().rows(range(3000))
    assert len(rows.unique(dim=0)) == 3000
    assert torch.equal(table().rows(range(1, 9000, 2999)), table().rows(range(9000))[1::2999])


def test_another_seed_split_or_loader_has_other_rows() -> None:
    first = [table(**other).rows(range(1)) for other in ({}, {"seed": 1}, {"purpose": "test"}, {"loader": 1})]
    assert len(torch.cat(first).unique(dim=0)) == 4


def test_no_rows_are_none() -> None:
    assert table().rows(range(5, 5)).shape == (0, 3)


def test_a_pass_in_order_draws_each_block_once() -> None:
    class Counting(Normal):
        draws = 0

        def draw(self, shape: tuple[int, int], generator: torch.Generator | None, dtype: torch.dtype | None) -> Tensor:
            self.draws += 1
            return super().draw(shape, generator, dtype)

    latent = Counting(3)
    one = table(latent)
    for start in range(0, 3000, 60):
        one.rows(range(start, start + 60))
    assert latent.draws == 3


@pytest.mark.parametrize(
    "latent",
    [
        Uniform(3, low=-1, high=2),
        Truncated(3, threshold=1.5, mean=0.5),
        Normal(3, mean=5, std=2),
        Mixture(2, size=3),
        Spherical(3),
    ],
)
def test_what_could_be_drawn_is_onto_its_support(latent: Latent) -> None:
    values = (50 * torch.randn(200, 3, dtype=torch.float64)).requires_grad_()
    latents = latent.onto_support(values)
    latents.sum().backward()
    assert values.grad is not None
    assert latents.shape == values.shape
    if isinstance(latent, Uniform | Truncated):
        assert torch.equal(latent.onto_support(torch.zeros(1, 3)), torch.full((1, 3), 0.5))
        assert -1 <= latents.min() < latents.max() <= 2
    elif isinstance(latent, Spherical):
        assert torch.allclose(latents.norm(dim=1), torch.tensor(3.0, dtype=torch.float64).sqrt())
    else:
        assert torch.equal(latents, values)
