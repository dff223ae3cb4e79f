from functools import cache

import pytest
import torch
from parzen_reference import image_like

from lit_gan.functional.distinct_rows import distinct_rows
from lit_gan.functional.parzen_projected import ProjectedCentres
from lit_gan.functional.parzen_screened import MAX_PAIRS, ScreenedCentres, squared_distances
from lit_gan.functional.projection import ProjectionCoder
from lit_gan.functional.vector_codes import Float32Coder, Int8Coder

pytestmark = pytest.mark.usefixtures("one_thread")

X, CENTRES = image_like(700, 50, seed=1), image_like(3001, 50, seed=2)
CODERS = {
    "int8": lambda low, high: Int8Coder(low, high, 50),
    "float32": lambda low, high: Float32Coder(torch.full((50,), (low + high) / 2)),
}


@cache
def true_distances():
    return torch.cdist(X.double(), CENTRES.double(), compute_mode="donot_use_mm_for_euclid_dist").square()


def search(x, centres, reach, coder, nearest=None):
    nearest = torch.full((x.shape[0],), torch.inf, dtype=torch.float64) if nearest is None else nearest
    return ScreenedCentres(centres, *distinct_rows(centres), coder).search(x, reach, nearest)


@pytest.mark.parametrize("coder", CODERS)
@pytest.mark.parametrize("reach", [0.0, 0.01, 0.1])
@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.3, 0.6), (-50.0, 50.0)])
@pytest.mark.parametrize("known", [False, True])
def test_no_pair_within_reach_is_missed_whatever_the_grid(coder, reach, low, high, known):
    distances = true_distances()
    pairs = search(X, CENTRES, reach, CODERS[coder](low, high), distances.amin(1) if known else None)
    expected = (distances <= distances.amin(1, keepdim=True) + reach).sum(1)
    found = pairs.distances <= distances.amin(1)[pairs.rows] + reach + 1e-12
    got = torch.bincount(pairs.rows[found], minlength=X.shape[0])
    assert bool(((got >= expected) | pairs.wide).all())


def _nearest_found(found, x, centres):
    """How far each row's nearest centre is by what was found, and in truth."""
    assert not bool(found.wide.any())
    least = torch.full((x.shape[0],), torch.inf, dtype=torch.float64)
    least.scatter_reduce_(0, found.rows, found.distances, "amin")
    true = torch.cdist(x.double(), centres.double(), compute_mode="donot_use_mm_for_euclid_dist").square().amin(1)
    return least, true


@pytest.mark.parametrize("others", [0, 1, 40])
@pytest.mark.parametrize("side", [1.0, -1.0])
def test_the_nearest_centre_is_found_where_all_roundings_speak_against_it(others, side):
    """X = 0.5 and B = -0.5 are both coded as 0, and A = 1.5, a little nearer, as 2: the worst that there is."""
    x = torch.full((1, 50), 0.5 * side)
    nearest, seems_nearest = 3 * x, -x
    nearest[0, 0] = x[0, 0]
    centres = torch.cat([seems_nearest, nearest, torch.arange(others)[:, None].expand(-1, 50) * 3.0 + 20])
    low, high = (-128.0, 127.0)  # one step is 1, and 0 is coded as 0
    least, true = _nearest_found(search(x, centres, 0.0, Int8Coder(low, high, 50)), x, centres)
    assert true.item() == 49
    assert least.item() == 49


@pytest.mark.parametrize("offset", [0.0, 100.0, 1e4, -1e6])
@pytest.mark.parametrize("coder", ["float32", "projected"])
def test_the_nearest_centre_is_found_far_from_the_origin_where_products_are_mostly_rounding(coder, offset):
    generator = torch.Generator().manual_seed(0)
    x, centres = (offset + torch.rand(num, 64, generator=generator) for num in (40, 200))
    distinct = distinct_rows(centres)
    if coder == "float32":
        screened = ScreenedCentres(centres, *distinct, Float32Coder(torch.zeros(64)))
    else:
        axes = torch.linalg.qr(torch.randn(64, 16, generator=generator)).Q
        screened = ProjectedCentres(centres, *distinct, ProjectionCoder(axes))
    found = screened.search(x, 0.0, torch.full((40,), torch.inf, dtype=torch.float64))
    least, true = _nearest_found(found, x, centres)
    torch.testing.assert_close(least, true, rtol=1e-12, atol=0)


def test_the_screen_is_tight_enough_to_be_fast():
    pairs = search(X, CENTRES, 0.01, Int8Coder(0.0, 1.0, 50))
    assert not bool(pairs.wide.any())
    assert pairs.rows.numel() < 8 * X.shape[0]


def test_rows_with_too_many_near_centres_are_marked_and_not_listed():
    pairs = search(X[:20], CENTRES[: MAX_PAIRS + 1], 1e3, Int8Coder(0.0, 1.0, 50))
    assert bool(pairs.wide.all())
    assert pairs.rows.numel() == 0


def test_a_known_nearest_distance_narrows_the_search():
    all_pairs = search(X, CENTRES, 0.01, Int8Coder(0.0, 1.0, 50))
    known = torch.zeros(X.shape[0], dtype=torch.float64)
    assert search(X, CENTRES, 0.01, Int8Coder(0.0, 1.0, 50), known).rows.numel() < all_pairs.rows.numel()


@pytest.mark.parametrize("num", [1, 15, 16, 17, MAX_PAIRS])
def test_a_last_block_that_is_not_full_adds_no_centre(num):
    pairs = search(X[:3], CENTRES[:num], 1e3, Int8Coder(0.0, 1.0, 50))
    assert torch.bincount(pairs.rows).tolist() == [num] * 3
    assert pairs.counts.sum() == 3 * num


@pytest.mark.parametrize("depth", [1, 7, 40, 784])
def test_distances_of_pairs_do_not_depend_on_which_others_are_asked_for(depth):
    x, centres = torch.rand(50, depth), torch.rand(60, depth)
    rows, columns = torch.randint(0, 50, (400,)), torch.randint(0, 60, (400,))
    together = squared_distances(x, rows, centres, columns)
    alone = [squared_distances(x, rows[i : i + 1], centres, columns[i : i + 1]) for i in range(400)]
    assert torch.equal(together, torch.cat(alone))
