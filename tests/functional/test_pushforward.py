"""The density of a function of the line, against closed forms."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from properties import examples, numbers

from lit_gan.functional.pushforward import point_masses, pushforward


def _uniform(num: int, low: float = 0.0, high: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.linspace(low, high, num + 1, dtype=torch.float64), torch.full((num,), 1 / num, dtype=torch.float64)


def test_the_quantile_function_makes_the_normal_density_of_a_uniform_latent() -> None:
    u, masses = _uniform(2**14)
    values = torch.special.ndtri(u.clamp(1e-9, 1 - 1e-9))
    edges = torch.linspace(-3, 3, 61, dtype=torch.float64)
    expected = torch.special.ndtr(edges).diff()
    torch.testing.assert_close(pushforward(values, masses, edges), expected, rtol=0, atol=2e-6)


def test_a_map_that_folds_the_line_has_both_branches() -> None:
    """X = z^2 of U(-1, 1): P(x < a) = sqrt(a)."""
    z, masses = _uniform(2**12, -1, 1)
    edges = torch.tensor([0.0, 0.04, 0.25, 1.0], dtype=torch.float64)
    torch.testing.assert_close(pushforward(z**2, masses, edges), edges.sqrt().diff(), rtol=0, atol=1e-6)


def test_a_piecewise_linear_map_is_exact() -> None:
    """A ReLU: half of the mass at one point, the rest spread evenly."""
    z, masses = _uniform(8, -1, 1)
    edges = torch.tensor([-0.5, 0.3, 0.6, 1.0], dtype=torch.float64)
    found = pushforward(z.relu(), masses, edges)
    torch.testing.assert_close(found, torch.tensor([0.65, 0.15, 0.2], dtype=torch.float64), rtol=0, atol=1e-15)


@pytest.mark.parametrize("sign", [1, -1])
def test_what_falls_outside_is_in_no_bin(sign: int) -> None:
    z, masses = _uniform(10)
    found = pushforward(sign * z, masses, sign * 0.5 + torch.tensor([-0.25, 0.0, 0.25], dtype=torch.float64))
    torch.testing.assert_close(found, torch.tensor([0.25, 0.25], dtype=torch.float64), rtol=0, atol=1e-15)


def test_points_at_an_edge_are_in_the_bin_that_begins_there() -> None:
    edges = torch.tensor([0.0, 1.0, 2.0])
    found = point_masses(torch.tensor([0.0, 1.0, 2.0, -1.0]), torch.full((4,), 0.25), edges)
    assert found.tolist() == [0.25, 0.5]


def test_a_constant_function_is_a_point() -> None:
    edges = torch.tensor([-1.0, 0.0, 1.0])
    assert pushforward(torch.full((5,), 0.5), torch.full((4,), 0.25), edges).tolist() == [0.0, 1.0]
    assert math.isclose(float(pushforward(torch.full((5,), 3.0), torch.full((4,), 0.25), edges).sum()), 0.0)


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
@pytest.mark.parametrize("shift", [-0.25, 0.0, 3.0])
def test_neither_the_units_nor_the_origin_matter_and_a_cell_may_be_nearly_flat(scale: float, shift: float) -> None:
    z, masses = _uniform(8, -1, 1)
    values = torch.where(z < 0, 1e-11 * z, z)
    edges = torch.tensor([-0.5, 0.3, 0.6, 1.0], dtype=torch.float64)
    found = pushforward(scale * (values + shift), masses, scale * (edges + shift))
    torch.testing.assert_close(found, torch.tensor([0.65, 0.15, 0.2], dtype=torch.float64), rtol=0, atol=1e-12)


def test_single_precision_is_computed_in_double() -> None:
    z, masses = (each.float() for each in _uniform(2**10, -1, 1))
    edges = torch.tensor([-0.5, 0.0, 0.1, 0.7])
    expected = pushforward((z**3).double(), masses.double(), edges.double())
    assert torch.equal(pushforward(z**3, masses, edges), expected)


def test_the_last_of_several_bins_has_both_of_its_ends() -> None:
    found = point_masses(torch.tensor([3.0, 0.5]), torch.tensor([0.25, 0.5]), torch.arange(4.0))
    assert found.tolist() == [0.5, 0, 0.25]


@examples(60)
@given(
    st.lists(numbers(-4, 4), min_size=2, max_size=12),
    st.lists(numbers(-5, 5), min_size=2, max_size=9, unique=True).map(sorted),
    st.data(),
)
def test_no_mass_is_made_and_none_is_lost_between_the_outermost_edges(
    values: list[float], edges: list[float], data: st.DataObject
) -> None:
    function, bins = torch.tensor(values).double(), torch.tensor(edges).double()
    masses = torch.tensor(data.draw(st.lists(numbers(0, 1), min_size=len(values) - 1, max_size=len(values) - 1)))
    found = pushforward(function, masses, bins)
    whole = torch.cat([bins.new_tensor([-9.0]), bins, bins.new_tensor([9.0])])
    assert (found >= 0).all()
    torch.testing.assert_close(pushforward(function, masses, whole).sum(), masses.double().sum(), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(pushforward(function, masses, whole)[1:-2], found[:-1], rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(found, pushforward(function.flip(0), masses.flip(0), bins), rtol=1e-9, atol=1e-9)


def test_a_steep_cell_among_flat_ones_costs_no_digit() -> None:
    """As it would if its slope were added to a sum, and taken away again."""
    values, bins = torch.tensor([0.0, 0.0, -(2.0**-23), 2.4375]), torch.tensor([-9.0, 0.0, 1.0, 9.0])
    found = pushforward(values, torch.tensor([0.0, 1.0, 1.0]), bins)
    assert float(found.sum()) == 2.0


def test_a_function_that_leaps_over_all_bins_is_cut_in_pieces_that_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = torch.Generator().manual_seed(1)
    values, edges = torch.randn(200, generator=rng, dtype=torch.float64), torch.linspace(-2, 2, 41, dtype=torch.float64)
    masses = torch.rand(199, generator=rng, dtype=torch.float64)
    low, high = torch.minimum(values[:-1], values[1:]), torch.maximum(values[:-1], values[1:])
    below = torch.stack([((edge - low) / (high - low)).clamp(0, 1) @ masses for edge in edges])
    for most in (2**22, 100, 1):
        monkeypatch.setattr("lit_gan.functional.pushforward._PAIRS", most)
        torch.testing.assert_close(pushforward(values, masses, edges), below.diff(), rtol=1e-13, atol=1e-13)
