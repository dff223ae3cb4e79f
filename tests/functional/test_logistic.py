"""The logistic fit of scores."""

import math

import pytest
import torch
from sklearn.linear_model import LogisticRegression

from lit_gan.functional.logistic import fit_logistic
from lit_gan.randomness import stream


def scores(num: int = 4000, *, shift: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    draw = stream(0, "scores")
    normal = torch.randn(2, num, generator=draw, dtype=torch.float64)
    return normal[0] + shift, normal[1] - shift


@pytest.mark.parametrize(("scale", "offset"), [(1.0, 0.0), (0.01, 5.0), (300.0, -2.0)])
def test_scores_that_are_log_odds_of_a_kind_are_found(scale: float, offset: float) -> None:
    """Normals at +-1 have the log-ratio 2 s: it is found whatever the units of the scores."""
    real, fake = (scale * s + offset for s in scores(40_000))
    slope, constant = fit_logistic(real, fake)
    assert fit_logistic(real.requires_grad_(), fake) == (slope, constant)
    assert slope * scale == pytest.approx(2, rel=0.03)
    assert constant + slope * offset == pytest.approx(0, abs=0.03)


def test_it_is_the_maximum_of_the_likelihood() -> None:
    real, fake = scores(5000, shift=0.4)
    slope, constant = fit_logistic(real, fake)
    reference = LogisticRegression(C=1e8, tol=1e-10)
    reference.fit(torch.cat([real, fake])[:, None].numpy(), [1] * 5000 + [0] * 5000)
    # Platt's targets are 1 / 5,002 off 0 and 1.
    assert slope == pytest.approx(float(reference.coef_[0, 0]), rel=2e-3)
    assert constant == pytest.approx(float(reference.intercept_[0]), abs=2e-3)


def test_both_kinds_count_alike_however_many_there_are() -> None:
    real, fake = scores(40_000)
    assert fit_logistic(real[:4000], fake)[1] == pytest.approx(0, abs=0.06)


def test_scores_that_never_overlap_have_a_finite_fit() -> None:
    slope, constant = fit_logistic(torch.tensor([5.0, 6.0]), torch.tensor([-5.0, -6.0]))
    assert 0 < slope < 1
    assert constant == pytest.approx(0, abs=1e-9)
    # Two scores of each kind: the fit meets Platt's targets, 3/4 and 1/4, about where they are.
    assert slope * 5.5 == pytest.approx(math.log(3), rel=0.02)


def test_scores_that_are_all_the_same_say_nothing() -> None:
    assert fit_logistic(torch.ones(5), torch.ones(5)) == pytest.approx((0.0, 0.0), abs=1e-5)
    assert fit_logistic(torch.ones(5), torch.empty(0)) == (0.0, 0.0)
    assert fit_logistic(torch.tensor([math.nan]), torch.ones(3)) == (0.0, 0.0)


def test_parts_of_the_scores_have_the_fit_of_all() -> None:
    """Two processes, by their sums: here the other one's half is known beforehand."""
    real, fake = scores(100)
    whole = fit_logistic(real, fake)
    assert fit_logistic(torch.cat([real, real]), torch.cat([fake, fake])) == pytest.approx(whole, rel=0.05)
    halves = fit_logistic(real, fake, total=lambda part: 2 * part)
    assert halves == pytest.approx(fit_logistic(torch.cat([real, real]), torch.cat([fake, fake])), rel=1e-6)


@pytest.mark.parametrize("seed", range(40))
def test_few_sums_over_the_processes_are_enough(seed: int) -> None:
    """At the bottom the loss no longer falls but for rounding: a shorter step is no way out of that."""
    draw = stream(seed, "scores")
    real = torch.randn(20 + 9 * seed, generator=draw) * (1 + seed % 5) + seed % 7 * 0.5
    fake = torch.randn(20 + 9 * seed, generator=draw) - seed % 3
    sums = 0

    def total(part: torch.Tensor) -> torch.Tensor:
        nonlocal sums
        sums += 1
        return part

    fit_logistic(real, fake, total)
    assert sums <= 15
