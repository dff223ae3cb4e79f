"""The nearest of points that come in parts, against all distances at once in float64."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from properties import examples

from lit_gan.functional.nearest import nearest_of_parts
from lit_gan.randomness import stream


@pytest.mark.parametrize("size", [1, 7, 60])
def test_they_are_those_of_all_parts_together(size: int) -> None:
    others = torch.rand(60, 3, 4, generator=stream(0, "others"), dtype=torch.float64)  # whose squares round
    points = torch.rand(9, 3, 4, generator=stream(0, "points"), dtype=torch.float64)
    apart = (points[:, None] - others[None]).flatten(2).square().sum(-1)
    least, nearest = nearest_of_parts(points, others.split(size), k=3)
    assert torch.equal(least, apart.topk(3, largest=False).values)
    assert torch.equal(nearest, others[apart.argmin(1)])


def test_no_rounding_chooses_far_from_zero() -> None:
    others = torch.tensor([[1000.0] * 64, [1000.001] * 64])
    least, nearest = nearest_of_parts(others[1:] + 0.0002, [others])
    assert torch.equal(nearest, others[1:])
    assert float(least) == float((others[1:] + 0.0002 - others[1:]).double().square().sum())


@pytest.mark.parametrize("k", [1, 3])
def test_products_that_are_nothing_but_rounding_choose_nothing(k: int) -> None:
    """A million away and a millionth apart: norms are 1e13, and their last bit is a hundred million distances."""
    others = 1e6 + 1e-6 * torch.rand(60, 12, generator=stream(0, "others"), dtype=torch.float64)
    points = 1e6 + 1e-6 * torch.rand(9, 12, generator=stream(0, "points"), dtype=torch.float64)
    apart = (points[:, None] - others[None]).square().sum(-1)
    least, nearest = nearest_of_parts(points, others.split(25), k)
    assert torch.equal(least, apart.topk(k, largest=False).values)
    assert torch.equal(nearest, others[apart.argmin(1)])


def test_the_nearest_has_the_type_of_the_points() -> None:
    least, nearest = nearest_of_parts(torch.zeros(2, 3), [torch.ones(4, 3, dtype=torch.float64)])
    assert (least.dtype, nearest.dtype) == (torch.float64, torch.float32)


def test_of_equals_it_is_the_first_and_what_is_not_there_is_infinitely_far() -> None:
    others = torch.tensor([[1.0, 5.0], [1.0, 5.0], [1.0, 5.0]])
    others[:, 1] = torch.tensor([2.0, 0.0, -2.0])  # the first and the last are as near
    least, nearest = nearest_of_parts(torch.zeros(1, 2), others[::2].split(1), k=3)
    assert least.tolist() == [[5.0, 5.0, torch.inf]]
    assert nearest.tolist() == [[1.0, 2.0]]


@examples(40)
@given(st.integers(1, 6), st.integers(1, 4), st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(0, 99))
def test_any_points_in_any_parts_are_those_of_all_distances(num: int, k: int, sizes: list[int], seed: int) -> None:
    # Whole numbers: many tie.
    points = torch.randint(-3, 4, (num, 2), generator=stream(seed, "points")).float()
    others = torch.randint(-3, 4, (sum(sizes), 2), generator=stream(seed, "others")).float()
    least, nearest = nearest_of_parts(points, others.split(sizes), k)
    apart = (points[:, None] - others[None]).square().sum(-1).double().sort(1).values
    shown = min(k, len(others))
    assert torch.equal(least[:, :shown], apart[:, :shown])
    assert torch.isinf(least[:, shown:]).all()
    assert torch.equal((points - nearest).square().sum(1).double(), least[:, 0])
