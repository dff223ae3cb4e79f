"""The Fréchet distance against closed forms, and sums that may be made in any parts."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from properties import examples, numbers
from torch import Tensor

from lit_gan.functional.frechet import Moments, frechet_distance
from lit_gan.randomness import stream


def rng() -> torch.Generator:
    return stream(0, "frechet")


def normal(mean: Tensor, covariance: Tensor) -> Moments:
    """Moments of a million points that have exactly these."""
    num = 1_000_000
    return Moments(num, num * mean, (num - 1) * covariance + num * torch.outer(mean, mean))


def turned(values: list[float]) -> Tensor:
    """A covariance of these variances along axes that lie anyhow."""
    axes = torch.linalg.qr(torch.randn(len(values), len(values), generator=rng(), dtype=torch.float64)).Q
    return axes @ torch.diag(torch.tensor(values, dtype=torch.float64)) @ axes.mT


def test_normal_distributions_along_the_same_axes_have_a_closed_form() -> None:
    variances = [4.0, 1.0, 0.25], [1.0, 9.0, 0.0]
    means = torch.tensor([0.0, 1.0, 2.0]).double(), torch.tensor([3.0, 1.0, -2.0]).double()
    one, other = (normal(mean, turned(values)) for mean, values in zip(means, variances, strict=True))
    # (2 - 1)^2 + (1 - 3)^2 + 0.5^2, and the means are 5 apart.
    assert frechet_distance(one, other).item() == pytest.approx(25 + 1 + 4 + 0.25, rel=1e-9)
    assert frechet_distance(other, one).item() == pytest.approx(25 + 1 + 4 + 0.25, rel=1e-9)


def test_any_two_covariances_agree_with_the_root_of_their_product() -> None:
    points = torch.randn(2, 60, 8, generator=rng(), dtype=torch.float64)
    points[1] = points[1] @ torch.randn(8, 8, generator=rng(), dtype=torch.float64) + 0.3
    one, other = (Moments.of(each) for each in points)
    root = torch.linalg.eigvals(torch.cov(points[0].mT) @ torch.cov(points[1].mT)).sqrt().real.sum()
    spread = torch.cov(points[0].mT).trace() + torch.cov(points[1].mT).trace() - 2 * root
    expected = (points[0].mean(0) - points[1].mean(0)).square().sum() + spread
    assert frechet_distance(one, other).item() == pytest.approx(expected.item(), rel=1e-10)


@pytest.mark.parametrize("num", [2, 5, 40])
def test_the_distance_of_a_set_from_itself_is_nothing_also_with_fewer_points_than_dimensions(num: int) -> None:
    for points in torch.rand(10, num, 20, generator=rng()):
        moments = Moments.of(points)
        assert 0 <= frechet_distance(moments, moments).item() <= 1e-13 * moments.covariance.trace().item()


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_sets_in_directions_of_their_own_share_nothing_whatever_their_units(scale: float) -> None:
    axes = torch.linalg.qr(torch.randn(40, 40, generator=rng(), dtype=torch.float64)).Q
    points = scale * torch.randn(2, 30, 20, generator=rng(), dtype=torch.float64)
    one, other = Moments.of(points[0] @ axes[:20]), Moments.of(points[1] @ axes[20:])
    expected = (one.mean - other.mean).square().sum() + one.covariance.trace() + other.covariance.trace()
    # A root of rounding, which is 1e-16 of the variance, would be 1e-8 of it.
    assert frechet_distance(one, other).item() == pytest.approx(expected.item(), rel=1e-13)


def test_points_that_are_all_one_lie_at_the_distance_of_the_means() -> None:
    one, other = (Moments.of(torch.full((7, 3), value)) for value in (0.1, 0.3))
    assert frechet_distance(one, other).item() == pytest.approx(3 * 0.2**2, rel=1e-6)


def test_moments_are_added_to_moments_alone() -> None:
    with pytest.raises(TypeError, match="unsupported operand"):
        Moments.of(torch.ones(2, 1)) + 3


def test_parts_in_any_order_make_the_whole() -> None:
    points = 1 + torch.rand(200, 6, generator=rng())
    other = Moments.of(torch.rand(50, 6, generator=rng()))
    whole = Moments.of(points)
    for sizes in ([200], [1] * 200, [7, 93, 100]):
        parts = [Moments.of(part) for part in points.flip(0).split(sizes)]
        together = sum(parts[1:], parts[0])
        assert together.num == 200
        assert torch.allclose(together.covariance, torch.cov(points.double().mT), rtol=1e-12, atol=0)
        assert frechet_distance(together, other).item() == pytest.approx(
            frechet_distance(whole, other).item(), rel=1e-12
        )


@examples(30)
@given(st.integers(2, 9), st.integers(2, 9), st.integers(1, 5), st.integers(0, 99), numbers(-20, 20))
def test_of_any_two_sets_it_is_a_distance_that_motions_keep(
    num: int, other_num: int, depth: int, seed: int, shift: float
) -> None:
    rng = stream(seed, "property")
    one, other = (torch.randn(n, depth, generator=rng, dtype=torch.float64) for n in (num, other_num))
    turn = torch.linalg.qr(torch.randn(depth, depth, generator=rng, dtype=torch.float64)).Q

    def apart(first: Tensor, second: Tensor) -> Tensor:
        return frechet_distance(Moments.of(first), Moments.of(second))

    found = apart(one, other)
    assert found >= 0
    for again in (apart(other, one), apart(one @ turn + shift, other @ turn + shift), apart(3 * one, 3 * other) / 9):
        torch.testing.assert_close(again, found, rtol=1e-7, atol=1e-6)
    torch.testing.assert_close(apart(one, one + shift), one.new_tensor(depth * shift**2), rtol=1e-6, atol=1e-6)
