import math

import pytest
import torch
from parzen_reference import image_like, reference_log_likelihood

from lit_gan.functional.parzen_dense import DenseSums

pytestmark = pytest.mark.usefixtures("one_thread")

X, CENTRES = image_like(300, 784, seed=1), image_like(2000, 784, seed=2)


def dense(x, centres, sigmas, dtype=torch.float64, counts=None):
    sums = DenseSums(x, sigmas, dtype)
    sums.add(centres, torch.ones(centres.shape[0], dtype=torch.int64) if counts is None else counts)
    volumes = [centres.shape[1] * (math.log(s) + 0.5 * math.log(2 * math.pi)) for s in sigmas]
    return sums.log() - math.log(centres.shape[0]) - torch.tensor(volumes, dtype=torch.float64)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 5e-3)])
def test_all_widths_at_once_are_within_the_stated_error(dtype, tolerance):
    sigmas = [0.1, 0.1668, 1.0]
    scores = dense(X[:30], CENTRES, sigmas, dtype)
    for k, sigma in enumerate(sigmas):
        expected = reference_log_likelihood(X[:30], CENTRES, sigma)
        torch.testing.assert_close(scores[:, k], expected, rtol=0, atol=tolerance)
        assert abs(float((scores[:, k] - expected).mean())) < tolerance / 5


def test_sums_over_parts_merge_to_the_sums_over_all():
    whole, parts = DenseSums(X, [0.2, 0.7]), DenseSums(X, [0.2, 0.7])
    ones = torch.ones(2000, dtype=torch.int64)
    whole.add(CENTRES, ones)
    for part in CENTRES.split(700):
        parts.add(part, ones[: part.shape[0]])
    torch.testing.assert_close(parts.log(), whole.log(), rtol=0, atol=1e-10)
    torch.testing.assert_close(parts.nearest, whole.nearest)


def test_centres_among_other_rows_are_as_if_they_stood_alone() -> None:
    members = torch.randperm(2000, generator=torch.Generator().manual_seed(0))[:1300]
    counts = torch.arange(1300) % 3 + 1
    among, alone = DenseSums(X, [0.2, 0.7]), DenseSums(X, [0.2, 0.7])
    among.add(CENTRES, counts, members)
    alone.add(CENTRES[members], counts)
    assert torch.equal(among.log(), alone.log())


def test_merging_nothing_changes_nothing():
    sums = DenseSums(X[:4], [0.2])
    sums.merge(torch.full((4,), math.inf, dtype=torch.float64), torch.zeros(4, 1, dtype=torch.float64))
    sums.add(CENTRES[:9], torch.ones(9, dtype=torch.int64))
    before = sums.log()
    sums.merge(torch.full((4,), math.inf, dtype=torch.float64), torch.zeros(4, 1, dtype=torch.float64))
    assert torch.equal(sums.log(), before)


@pytest.mark.parametrize("counts", [[3, 1, 2], [2, 2, 2], [1, 1, 1], [1, 2, 1]])
def test_counts_stand_for_copies(counts):
    counts = torch.tensor(counts)
    copies = CENTRES[:3].repeat_interleave(counts, 0)
    torch.testing.assert_close(
        dense(X[:5], CENTRES[:3], [0.5], counts=counts) - math.log(int(counts.sum()) / 3),
        dense(X[:5], copies, [0.5]),
        rtol=0,
        atol=1e-11,
    )


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_row_that_is_a_centre_has_no_distance_below_zero(dtype):
    """Nor is there a sum above one for each centre: rounding would make both."""
    centres = CENTRES[:50] * 1e3 + 0.1
    sums = DenseSums(centres, [0.2], dtype)
    sums.add(centres, torch.ones(50, dtype=torch.int64))
    assert bool((sums.nearest >= 0).all())
    torch.testing.assert_close(
        sums.nearest, torch.zeros(50, dtype=torch.float64), rtol=0, atol=1e-5 if dtype == torch.float64 else 1e3
    )
    torch.testing.assert_close(sums.total[:, 0], torch.ones(50, dtype=torch.float64))
