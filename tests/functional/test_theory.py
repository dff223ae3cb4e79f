"""Section 4 of the paper: V(D, G), the best D, the criterion, the divergences, and proposition 2."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from properties import examples
from torch import Tensor

from lit_gan.data.mixtures import Line
from lit_gan.errors import UserError
from lit_gan.functional.theory import (
    generator_criterion,
    jensen_shannon_divergence,
    jsd_lower_bound,
    kullback_leibler_divergence,
    lower_criterion,
    optimal_discriminator,
    value_function,
)
from lit_gan.objectives import Minimax


def test_value_is_minus_twice_the_discriminators_loss() -> None:
    real, fake = torch.randn(50, 1, dtype=torch.float64), torch.randn(30, 1, dtype=torch.float64)
    torch.testing.assert_close(value_function(real, fake), -2 * Minimax().loss_d(real, fake))


def test_value_of_an_undecided_discriminator_is_minus_log_four() -> None:
    undecided = torch.zeros(4, 1)
    torch.testing.assert_close(value_function(undecided, undecided), torch.tensor(-math.log(4)))
    torch.testing.assert_close(jsd_lower_bound(value_function(undecided, undecided)), torch.tensor(0.0))


def test_bound_of_a_perfect_discriminator_is_log_two() -> None:
    certain = torch.full((4, 1), 100.0)
    torch.testing.assert_close(jsd_lower_bound(value_function(certain, -certain)), torch.tensor(math.log(2)))


def test_bound_is_the_divergence_at_the_optimal_discriminator() -> None:
    """Two distributions on four points: the optimal D gives JSD exactly, any other D less (eq. 2, 4-6)."""
    p_data = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
    p_g = torch.tensor([0.4, 0.4, 0.1, 0.1], dtype=torch.float64)
    mixture = (p_data + p_g) / 2
    divergence = 0.5 * ((p_data * (p_data / mixture).log()).sum() + (p_g * (p_g / mixture).log()).sum())

    def bound(logits: torch.Tensor) -> torch.Tensor:
        # The counts of each point make the means below the expectations themselves.
        real = logits.repeat_interleave((p_data * 10).round().long())
        fake = logits.repeat_interleave((p_g * 10).round().long())
        return jsd_lower_bound(value_function(real, fake))

    optimal = (p_data / p_g).log()
    torch.testing.assert_close(bound(optimal), divergence)
    assert bound(optimal + 0.3) < divergence
    assert bound(0.5 * optimal) < divergence


def test_arrays_and_lists_are_taken() -> None:
    real, fake = [[0.5], [2.0]], np.array([[-1.0], [0.25]])
    expected = value_function(torch.tensor(real, dtype=torch.float64), torch.from_numpy(fake))
    assert torch.equal(value_function(real, fake), expected)
    assert torch.equal(jsd_lower_bound(expected.numpy()), jsd_lower_bound(expected))


# -- Distributions that are known -------------------------------------------------------------------------------------

_EXACT: dict[str, Any] = {"rtol": 0, "atol": 1e-12}
_LOG_4 = math.log(4)


def _random(num: int, seed: int) -> Tensor:
    return torch.rand(num, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).softmax(0)


def _normal(mean: float, std: float, x: Tensor) -> Tensor:
    return torch.exp(-0.5 * ((x - mean) / std) ** 2) / (std * math.sqrt(2 * math.pi))


def _line(low: float, high: float, num: int = 4001) -> tuple[Tensor, Tensor]:
    """Nodes and weights of the trapezoidal rule, which is exact for smooth functions that vanish at both ends."""
    x = torch.linspace(low, high, num, dtype=torch.float64)
    weights = torch.full_like(x, (high - low) / (num - 1))
    weights[[0, -1]] /= 2
    return x, weights


def test_divergence_of_two_coins() -> None:
    p, q = 0.3, 0.8
    expected = p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))
    found = kullback_leibler_divergence([p, 1 - p], [q, 1 - q])
    torch.testing.assert_close(found.item(), expected, **_EXACT)


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (1.5, 1.0), (-2.0, 0.4), (0.3, 2.5)])
def test_divergence_of_two_normal_densities(mean: float, std: float) -> None:
    x, weights = _line(-25, 25)
    expected = math.log(1.0 / std) + (std**2 + mean**2) / 2 - 0.5
    found = kullback_leibler_divergence(_normal(mean, std, x), _normal(0, 1, x), weights)
    torch.testing.assert_close(found.item(), expected, **_EXACT)


@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5, 1.0])
def test_divergence_of_two_uniform_distributions(overlap: float) -> None:
    """Where both are, they are equal; where one is, the other is not: (1 - overlap) log 2."""
    p, q = torch.zeros(16), torch.zeros(16)
    first = round(8 * (1 - overlap))
    p[:8], q[first : first + 8] = 1 / 8, 1 / 8
    found = jensen_shannon_divergence(p, q)
    torch.testing.assert_close(found.item(), (1 - overlap) * math.log(2), **_EXACT)
    torch.testing.assert_close(generator_criterion(p, q).item(), -_LOG_4 + 2 * found.item(), **_EXACT)


def test_divergence_is_infinite_where_the_other_has_no_mass() -> None:
    assert kullback_leibler_divergence([0.5, 0.5], [1.0, 0.0]).item() == math.inf
    torch.testing.assert_close(kullback_leibler_divergence([1.0, 0.0], [0.5, 0.5]).item(), math.log(2), **_EXACT)


def test_divergence_of_the_least_numbers_is_finite() -> None:
    tiny = 1e-310
    found = kullback_leibler_divergence([1.0, 0.0], [tiny, 1.0])
    torch.testing.assert_close(found.item(), -math.log(tiny), rtol=1e-12, atol=0)


def test_the_best_discriminator_reaches_the_criterion_and_no_other_does() -> None:
    p_data, p_g = _random(50, 1), _random(50, 2)
    best = torch.logit(optimal_discriminator(p_data, p_g))
    criterion = generator_criterion(p_data, p_g)
    torch.testing.assert_close(value_function(best, best, p_data, p_g), criterion, **_EXACT)
    torch.testing.assert_close(criterion, -_LOG_4 + 2 * jensen_shannon_divergence(p_data, p_g), **_EXACT)
    torch.testing.assert_close(jsd_lower_bound(criterion), jensen_shannon_divergence(p_data, p_g), **_EXACT)
    for seed in range(20):
        other = best + 0.1 * torch.randn(50, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        assert value_function(other, other, p_data, p_g) < criterion


def test_the_criterion_on_densities_is_that_of_the_value_function() -> None:
    data, generated = Line(), Line(num_modes=3, spacing=1.5, std=0.7)
    x, weights = _line(-15, 15)
    p_data, p_g = data.log_prob(x[:, None]).exp(), generated.log_prob(x[:, None]).exp()
    best = data.log_prob(x[:, None]) - generated.log_prob(x[:, None])  # the logit of p / (p + q)
    found = value_function(best, best, p_data * weights, p_g * weights)
    torch.testing.assert_close(found, generator_criterion(p_data, p_g, weights), **_EXACT)


def test_the_least_criterion_is_at_the_data_and_nowhere_else() -> None:
    p_data = _random(30, 1)
    torch.testing.assert_close(generator_criterion(p_data, p_data).item(), -_LOG_4, **_EXACT)
    assert all(generator_criterion(p_data, _random(30, seed)) > -_LOG_4 + 1e-6 for seed in range(2, 20))
    torch.testing.assert_close(
        optimal_discriminator(p_data, p_data), torch.full((30,), 0.5, dtype=torch.float64), **_EXACT
    )


def test_apart_the_criterion_is_zero() -> None:
    apart = [0.5, 0.5, 0.0, 0.0], [0.0, 0.0, 0.5, 0.5]
    torch.testing.assert_close(generator_criterion(*apart).item(), 0.0, **_EXACT)
    assert optimal_discriminator(*apart).tolist() == [1.0, 1.0, 0.0, 0.0]


def test_outside_of_both_the_discriminator_is_asked_nothing() -> None:
    found = optimal_discriminator([1.0, 0.0], [1.0, 0.0])
    assert found[0] == 0.5
    assert found[1].isnan()
    for anything in (math.inf, -math.inf):
        found = value_function([0.0, anything], [0.0, -anything], [1.0, 0.0], [1.0, 0.0])
        assert found.item() == pytest.approx(-_LOG_4)


def test_the_gradient_of_the_criterion_is_that_at_the_best_discriminator() -> None:
    """The envelope theorem, of which proposition 2 makes use: log(1 - D*)."""
    p_data, p_g = _random(12, 1), _random(12, 2).requires_grad_()
    p_data = torch.cat([p_data[:6] / p_data[:6].sum(), torch.zeros(6, dtype=torch.float64)])  # also where no data are
    (gradient,) = torch.autograd.grad(generator_criterion(p_data, p_g), p_g)
    expected = torch.log1p(-optimal_discriminator(p_data, p_g.detach()))
    torch.testing.assert_close(gradient, expected, **_EXACT)


# -- Proposition 2 ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("step_size", "num_steps"), [(1.0, 40), (0.5, 160), (0.2, 400)])
@pytest.mark.parametrize("seed", range(3))
def test_it_converges_to_the_data_and_the_criterion_falls_at_every_step(
    step_size: float, num_steps: int, seed: int
) -> None:
    p_data = _random(40, seed)
    p_data[:5] = 0  # where the generator has to lose what it has
    p_data /= p_data.sum()
    p_g = (20 * torch.rand(40, generator=torch.Generator().manual_seed(seed + 9), dtype=torch.float64)).softmax(0)
    distributions, criterion = lower_criterion(p_data, p_g, num_steps, step_size)
    assert torch.equal(distributions[0], p_g)
    torch.testing.assert_close(distributions.sum(1), torch.ones(num_steps + 1, dtype=torch.float64), **_EXACT)
    assert (distributions >= 0).all()
    falls = criterion.diff()
    assert (falls < 0)[criterion[1:] > -_LOG_4 + 1e-13].all()
    assert falls.max() < 1e-14  # at the bottom it is rounding
    assert (distributions[-1] - p_data).abs().max() < 1e-6
    torch.testing.assert_close(criterion[-1].item(), -_LOG_4, rtol=0, atol=1e-10)


def test_a_whole_step_reaches_where_the_generator_was_not() -> None:
    distributions, criterion = lower_criterion([0.5, 0.5, 0.0], [0.0, 0.0, 1.0], num_steps=1)
    torch.testing.assert_close(distributions[1], torch.tensor([0.25, 0.25, 0.5], dtype=torch.float64), **_EXACT)
    assert lower_criterion([0.5, 0.5, 0.0], [0.0, 0.0, 1.0], num_steps=0)[0].tolist() == [[0.0, 0.0, 1.0]]
    assert criterion[0].item() == pytest.approx(0.0, abs=1e-12)


# -- What is no distribution ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (
            lambda: kullback_leibler_divergence([0.5, 0.4], [0.5, 0.5]),
            r"p has a mass of 0\.9 in all: expected probabilities that add up to 1\.$",
        ),
        (
            lambda: jensen_shannon_divergence([1.0, 1.0], [1.0, 0.5], [0.5, 0.5]),
            r"q has a mass of 0\.75 in all: expected densities with a mass of 1: more nodes, or a wider range\.$",
        ),
        (
            lambda: generator_criterion([1.0], [0.5, 0.5]),
            r"p_data has shape \(1,\), p_g \(2,\): expected values at the same points\.$",
        ),
        (
            lambda: optimal_discriminator([0.5, 0.5], [-0.1, 1.1]),
            r"p_g has values below 0, or that are not finite: expected probabilities or densities\.$",
        ),
        (
            lambda: value_function([0.0, 0.0], [0.0], real_mass=[1.0]),
            r"real_mass has shape \(1,\), the logits \(2,\): expected values at the same points\.$",
        ),
        (
            lambda: lower_criterion([1.0], [1.0], 3, 1.5),
            r"num_steps = 3, step_size = 1\.5: expected a number of steps from 0 on, and a step above 0 and at most 1",
        ),
        (lambda: lower_criterion([1.0], [1.0], 3, 0.0), r"num_steps = 3, step_size = 0\.0: expected"),
        (lambda: lower_criterion([1.0], [1.0], -1), r"num_steps = -1, step_size = 1\.0: expected"),
    ],
)
def test_it_is_told_in_one_line(call: Callable[[], Any], told: str) -> None:
    with pytest.raises(UserError, match=told):
        call()


_BAD = np.array(["a"])
_WHOLE = [0.5, 0.5]


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: value_function(_BAD, _WHOLE), "real_logits"),
        (lambda: value_function(_WHOLE, _BAD), "fake_logits"),
        (lambda: value_function(_WHOLE, _WHOLE, _BAD), "real_mass"),
        (lambda: value_function(_WHOLE, _WHOLE, None, _BAD), "fake_mass"),
        (lambda: jsd_lower_bound(_BAD), "value"),
        (lambda: optimal_discriminator(_BAD, _WHOLE), "p_data"),
        (lambda: optimal_discriminator(_WHOLE, _BAD), "p_g"),
        (lambda: optimal_discriminator([math.inf, 0.5], _WHOLE), "p_data has values below 0, or that are not finite"),
        (lambda: optimal_discriminator(_WHOLE, [1.0]), r"p_data has shape \(2,\), p_g \(1,\)"),
        (lambda: kullback_leibler_divergence(_BAD, _WHOLE), "p is"),
        (lambda: kullback_leibler_divergence(_WHOLE, _BAD), "q is"),
        (lambda: jensen_shannon_divergence(_BAD, _WHOLE), "p is"),
        (lambda: jensen_shannon_divergence(_WHOLE, _BAD), "q is"),
        (lambda: jensen_shannon_divergence(_WHOLE, _WHOLE, _BAD), "weights"),
        (lambda: jensen_shannon_divergence(_WHOLE, _WHOLE, [1.0]), r"p has shape \(2,\), weights \(1,\)"),
        (lambda: generator_criterion(_BAD, _WHOLE), "p_data"),
        (lambda: generator_criterion(_WHOLE, _BAD), "p_g"),
        (lambda: lower_criterion(_BAD, _WHOLE, 1), "p_data"),
        (lambda: lower_criterion(_WHOLE, _BAD, 1), "p_g"),
    ],
)
def test_what_is_wrong_is_called_by_the_name_of_its_argument(call: Callable[[], Any], name: str) -> None:
    with pytest.raises(UserError, match=f"^{name}"):
        call()


def test_a_mass_is_whole_to_four_digits() -> None:
    kullback_leibler_divergence([0.5, 0.50009], _WHOLE)
    with pytest.raises(UserError, match=r"^q has a mass of 1\.00011 in all"):
        kullback_leibler_divergence(_WHOLE, [0.5, 0.50011])


@st.composite
def _two_distributions(draw: st.DrawFn) -> tuple[Tensor, Tensor]:
    size = draw(st.integers(1, 8))
    counts = st.lists(st.integers(0, 50), min_size=size, max_size=size).filter(any)
    one, other = (torch.tensor(draw(counts), dtype=torch.float64) for _ in range(2))
    return one / one.sum(), other / other.sum()


@examples(60)
@given(_two_distributions())
def test_of_any_two_distributions_the_divergences_have_their_bounds(both: tuple[Tensor, Tensor]) -> None:
    p, q = both
    jsd, kl, best = jensen_shannon_divergence(p, q), kullback_leibler_divergence(p, q), optimal_discriminator(p, q)
    assert 0 <= jsd <= math.log(2) + 1e-15
    torch.testing.assert_close(jsd, jensen_shannon_divergence(q, p), rtol=1e-12, atol=1e-15)
    assert kl >= 0
    assert (p - q).abs().sum() ** 2 / 2 <= kl + 1e-12  # Pinsker's inequality
    torch.testing.assert_close(generator_criterion(p, q), 2 * jsd - math.log(4), rtol=1e-12, atol=1e-12)
    asked = p + q > 0
    torch.testing.assert_close(best[asked] + optimal_discriminator(q, p)[asked], torch.ones_like(p)[asked])
