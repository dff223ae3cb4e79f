import math

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from lit_gan.data.mixtures import GaussianMixture, Grid, Line, Ring
from lit_gan.errors import UserError

UNEVEN = GaussianMixture(means=[[-1.0, 0.5], [2.0, 0.0], [0.0, -2.0]], std=[0.3, 0.5, 1.0], weights=[1, 2, 5])
MIXTURES = [Line(num_modes=3, spacing=1.5, std=0.4), Ring(num_modes=5, radius=1.0, std=0.2), Grid(3, 1.0, 0.2), UNEVEN]


@pytest.mark.parametrize("mixture", MIXTURES)
def test_density_integrates_to_one_within_its_box(mixture):
    low, high = mixture.box
    axis = torch.linspace(low, high, 801, dtype=torch.float64)
    points = torch.cartesian_prod(*[axis] * mixture.num_dims).reshape(-1, mixture.num_dims)
    cell = ((high - low) / 800) ** mixture.num_dims
    assert float(mixture.log_prob(points).exp().sum() * cell) == pytest.approx(1, abs=1e-7)


def test_log_density_is_scipys():
    points = 3 * torch.randn(50, 2, dtype=torch.float64)
    density = sum(
        weight * multivariate_normal(mean, std**2 * np.eye(2)).pdf(points.numpy())
        for mean, std, weight in zip(UNEVEN.means.numpy(), UNEVEN.std.tolist(), UNEVEN.weights.tolist(), strict=True)
    )
    torch.testing.assert_close(UNEVEN.log_prob(points), torch.as_tensor(density).log(), rtol=1e-12, atol=1e-12)


def test_log_density_far_from_all_modes_is_finite_and_exact():
    single = GaussianMixture([[0.0]], std=0.01)
    expected = -0.5 * 1e8 - math.log(0.01) - 0.5 * math.log(2 * math.pi)
    torch.testing.assert_close(single.log_prob(torch.tensor([[100.0]])), torch.tensor([expected], dtype=torch.float64))


def test_samples_have_the_mixtures_moments():
    num = 200_000
    samples = UNEVEN.sample(num, torch.Generator().manual_seed(1)).double()
    mean = UNEVEN.weights @ UNEVEN.means
    centred = UNEVEN.means - mean
    covariance = (UNEVEN.weights * centred.T) @ centred + (UNEVEN.weights @ UNEVEN.std.square()) * torch.eye(2)
    assert samples.shape == (num, 2)
    torch.testing.assert_close(samples.mean(dim=0), mean, rtol=0, atol=5 * 1.5 / math.sqrt(num))
    torch.testing.assert_close(samples.T.cov(), covariance, rtol=0.02, atol=0.01)


def test_samples_take_modes_by_weight():
    samples = UNEVEN.sample(100_000, torch.Generator().manual_seed(2)).double()
    apart = GaussianMixture(means=[[0.0], [100.0]], std=1.0, weights=[1, 3])
    share = (apart.sample(100_000, torch.Generator().manual_seed(2)) > 50).double().mean()
    assert float(share) == pytest.approx(0.75, abs=5 * math.sqrt(0.75 * 0.25 / 100_000))
    assert float(UNEVEN.log_prob(samples).mean()) == pytest.approx(expected_log_density(), abs=0.03)


def expected_log_density():
    axis = torch.linspace(*UNEVEN.box, 801, dtype=torch.float64)
    log_density = UNEVEN.log_prob(torch.cartesian_prod(axis, axis))
    return float((log_density.exp() * log_density).sum() * (axis[1] - axis[0]) ** 2)


def test_samples_are_a_function_of_the_generator():
    one, other = (Ring().sample(100, torch.Generator().manual_seed(3)) for _ in range(2))
    assert one.dtype == torch.float32
    assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"means": [], "std": 1}, r"means = \[\]: expected at least one mode"),
        (
            {"means": [[0], [0, 1]], "std": 1},
            "means = .*: expected at least one mode, all with equally many coordinates",
        ),
        ({"means": [[]], "std": 1}, r"means = \[\[\]\]: expected at least one mode"),
        ({"means": [[math.inf]], "std": 1}, "means = .*: expected finite numbers"),
        ({"means": [[0], [1]], "std": 0}, r"std = \[0, 0\]: expected 2 finite numbers above 0, one for each mode"),
        ({"means": [[0], [1]], "std": [1.0]}, r"std = \[1\.0\]: expected 2 finite numbers above 0"),
        (
            {"means": [[0], [1]], "std": 1, "weights": [1, -1]},
            r"weights = \[1, -1\]: expected 2 finite numbers above 0",
        ),
    ],
)
def test_what_is_no_mixture_is_told(arguments, message):
    with pytest.raises(UserError, match=message):
        GaussianMixture(**arguments)


@pytest.mark.parametrize(("shape", "name"), [(Ring, "num_modes"), (Grid, "side"), (Line, "num_modes")])
def test_number_of_modes_is_checked(shape, name):
    with pytest.raises(UserError, match=f"{name} = 0: expected a whole number of at least 1"):
        shape(0)
