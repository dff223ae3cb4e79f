"""Near-duplicates against their definition, and what they tell apart."""

import math

import pytest
import torch
from parzen_reference import image_like
from torch import Tensor

from lit_gan.functional.neighbours import NearDuplicates, near_duplicates, nearest_rows, rows_looked_at


def nearest_others(rows: Tensor) -> Tensor:
    return torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist").fill_diagonal_(math.inf).amin(1)


def test_it_is_the_definition() -> None:
    real, samples = torch.rand(200, 3, dtype=torch.float64), torch.rand(200, 3, dtype=torch.float64).pow(3)
    limit = nearest_others(real).median() * 0.1**0.5
    found = near_duplicates(samples, real)
    assert found.share == pytest.approx(float((nearest_others(samples) < limit).double().mean()), abs=1e-12)
    assert found.real == pytest.approx(float((nearest_others(real) < limit).double().mean()), abs=1e-12)
    assert found.apart == pytest.approx(float(nearest_others(samples).median() / nearest_others(real).median()))
    assert (0 < found.real < found.share, found.num) == (True, 200)


def test_as_many_of_each_are_looked_at_however_they_are_ordered() -> None:
    real = image_like(300, seed=1)
    samples = torch.stack([each / 20 + image for image in image_like(40, seed=2) for each in image_like(150, seed=3)])
    found = near_duplicates(samples, real)  # forty modes, one after the other
    assert (found.num, found.collapsed) == (300, True)
    assert near_duplicates(samples[::20], real) == found


def test_few_modes_are_near_duplicates_and_real_rows_are_none() -> None:
    real = image_like(1000, seed=1)
    modes = image_like(20, seed=2).repeat(50, 1) + 1e-3 * torch.randn(1000, 64)
    assert (near_duplicates(modes, real).share, near_duplicates(modes, real).collapsed) == (1.0, True)
    assert (near_duplicates(modes[:1].repeat(300, 1), real).share) == 1.0  # exact copies
    other = near_duplicates(image_like(1000, seed=3), real)
    assert (other.share < 0.02, other.real < 0.02, other.collapsed) == (True, True, False)


def test_data_that_repeat_themselves_make_no_collapse() -> None:
    levels = torch.randint(0, 2, (500, 2)).double()
    found = near_duplicates(levels, levels)
    assert (found.share, found.real, found.collapsed) == (0.0, 0.0, False)


def test_a_single_row_has_no_neighbour() -> None:
    found = near_duplicates(torch.zeros(1, 3), torch.zeros(9, 3))
    assert [math.isnan(value) for value in found] == [True, True, True, False]
    assert (found.num, found.collapsed) == (1, False)
    two = torch.tensor([[0.0], [1.0]])
    assert near_duplicates(2 * two, two) == (0.0, 0.0, 2.0, 2)


@pytest.mark.parametrize(
    ("share", "real", "collapsed"), [(0.51, 0.0, True), (0.5, 0.0, False), (0.875, 0.25, True), (0.9, 0.5, False)]
)
def test_a_collapse_is_half_of_the_samples_beyond_what_real_rows_have(
    share: float, real: float, collapsed: bool
) -> None:
    assert NearDuplicates(share, real, 1.0, 100).collapsed == collapsed


@pytest.mark.parametrize(
    ("rows", "values", "expected"),
    [((5000, 4000), 10, 1000), ((5000, 7), 10, 7), ((7, 5000), 0, 7), ((5000, 5000), 2**20, 8), ((9, 9), 2**40, 2)],
)
def test_fewer_rows_are_compared_where_they_are_long(rows: tuple[int, int], values: int, expected: int) -> None:
    assert rows_looked_at(*rows, values) == expected


def test_the_nearest_row_is_the_same_whatever_is_compared_at_once() -> None:
    x, among = torch.rand(30, 5, dtype=torch.float64), torch.rand(40, 5, dtype=torch.float64)
    expected = torch.cdist(x, among).argmin(1)
    assert all(torch.equal(nearest_rows(x, among, size), expected) for size in (1, 7, 1000))
    twice = torch.cat([among, among])
    assert torch.equal(nearest_rows(x, twice), expected)  # of equals the first


@pytest.mark.parametrize("setting", ["medium", "autocast"])
def test_the_nearest_row_is_the_same_whatever_precision_products_have_elsewhere(
    setting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, among = image_like(100, seed=1), image_like(2000, seed=2)
    expected = nearest_rows(x.double(), among.double())
    if setting == "medium":
        monkeypatch.setattr(torch.backends.mkldnn.matmul, "fp32_precision", "bf16")  # type: ignore[attr-defined]  # as "medium" does
    with torch.autocast("cpu", torch.bfloat16, enabled=setting == "autocast"):
        assert torch.equal(nearest_rows(x, among), expected)


def test_far_from_zero_in_single_precision_the_same_are_near() -> None:
    real, samples = (torch.randint(0, 1024, (200, 3)) / 1024 for _ in range(2))
    here = near_duplicates(samples, real)
    for far in (
        near_duplicates(samples + 1000, real + 1000),  # exact in 24 bits
        near_duplicates(samples.double() + 1e6, real.double() + 1e6),
    ):
        assert (far.share, far.real) == (here.share, here.real)
        assert far.apart == pytest.approx(here.apart, rel=1e-9)
