"""The search along few axes finds what the search in full depth finds, and is chosen where it pays."""

from functools import partial

import pytest
import torch
from parzen_reference import image_like, reference_log_likelihood

from lit_gan.functional import parzen_log_likelihood, parzen_search, select_sigma, vector_codes
from lit_gan.functional.distinct_rows import distinct_rows
from lit_gan.functional.parzen_projected import ProjectedCentres
from lit_gan.functional.parzen_screened import MAX_PAIRS
from lit_gan.functional.parzen_search import CentreSearch
from lit_gan.functional.parzen_windows import ParzenWindows
from lit_gan.functional.projection import ProjectionCoder, principal_axes
from lit_gan.functional.vector_codes import coder_for

pytestmark = pytest.mark.usefixtures("one_thread")

X, CENTRES = image_like(700, 200, seed=1), image_like(3001, 200, seed=2)


@pytest.fixture(autouse=True)
def _no_int8(monkeypatch):
    """The same choice on every machine; and at the sizes of these tests."""
    monkeypatch.setattr(parzen_search, "int8_speedup", lambda depth: 0.0)
    monkeypatch.setattr(vector_codes, "int8_matmul_is_exact", lambda device_type: False)
    monkeypatch.setattr(parzen_search, "_LEAST_PAIRS", 2**20)
    monkeypatch.setattr(parzen_search, "_REST", 0.5)  # the noise of these images is large


def centres_of(rows):
    return CentreSearch(rows, *distinct_rows(rows), partial(coder_for, rows, 0.0, 1.0))


def unknown(x):
    return torch.full((x.shape[0],), torch.inf, dtype=torch.float64)


def projected(centres):
    return ProjectedCentres(centres, *distinct_rows(centres), ProjectionCoder(principal_axes(centres, 32, 1.1)))


def near(pairs, reach):
    """The pairs within reach, as rows and distances in order."""
    nearest = unknown(pairs.wide).scatter_reduce(0, pairs.rows, pairs.distances, "amin")
    kept = pairs.distances <= nearest[pairs.rows] + reach
    columns = (values[kept].tolist() for values in (pairs.rows, pairs.distances, pairs.counts))
    return sorted(zip(*columns, strict=True))


@pytest.mark.parametrize("reach", [0.0, 0.01, 0.1])
@pytest.mark.parametrize("shift", [0.0, 0.3, 30.0])
def test_no_pair_within_reach_is_missed_along_the_axes(reach, shift):
    x, centres = X + shift, CENTRES + shift
    pairs = projected(centres).search(x, reach, unknown(x))
    distances = torch.cdist(x.double(), centres.double(), compute_mode="donot_use_mm_for_euclid_dist").square()
    expected = (distances <= distances.amin(1, keepdim=True) + reach).sum(1)
    found = pairs.distances <= distances.amin(1)[pairs.rows] + reach + 1e-12
    got = torch.bincount(pairs.rows[found], minlength=X.shape[0])
    assert bool(((got >= expected) | pairs.wide).all())


def test_along_the_axes_few_pairs_are_left_to_measure():
    pairs = projected(CENTRES).search(X, 0.01, unknown(X))
    assert not bool(pairs.wide.any())
    assert pairs.rows.numel() < 3 * X.shape[0]


def test_a_known_nearest_distance_narrows_the_search_along_the_axes():
    found = projected(CENTRES).search(X, 0.01, torch.zeros(700, dtype=torch.float64))
    assert found.rows.numel() < projected(CENTRES).search(X, 0.01, unknown(X)).rows.numel()


@pytest.mark.parametrize("num", [40, 47, 48, 49])
def test_a_last_block_that_is_not_full_adds_no_centre_along_the_axes(num):
    pairs = projected(CENTRES[:num]).search(X[:3], 1e3, unknown(X[:3]))
    assert torch.bincount(pairs.rows).tolist() == [num] * 3


def test_rows_with_too_many_near_centres_are_given_up():
    cluster = 0.5 + CENTRES[:1] + 1e-3 * torch.rand(400, 200, generator=torch.Generator().manual_seed(3))
    x = torch.cat([X, cluster[:1]])
    assert projected(torch.cat([CENTRES, cluster])).search(x, 0.05, unknown(x)).wide.nonzero().tolist() == [[700]]


def test_both_searches_find_the_same_pairs_with_the_same_bits():
    search = centres_of(CENTRES)
    along = search.search(X, 0.02, unknown(X))
    assert search.projected is not None
    assert "coded" not in vars(search)  # made only where it is needed
    assert near(along, 0.02) == near(search.coded.search(X, 0.02, unknown(X)), 0.02)


@pytest.mark.parametrize("num", [2, 300])
def test_rows_whose_projections_say_little_are_done_along_the_axes_only_where_they_are_few(num):
    off = torch.randn(400, 200, generator=torch.Generator().manual_seed(4))
    axes = principal_axes(CENTRES, 32, 1.1)
    far = CENTRES.mean(0) + 5 * (CENTRES[0] - CENTRES.mean(0))
    off = far + 2 * (off - off @ axes @ axes.T)  # all with the same projection
    centres, x = torch.cat([CENTRES, off]), torch.cat([X, off[:num] + 0.01])
    search = centres_of(centres)
    vars(search)["projected"] = ProjectedCentres(centres, *distinct_rows(centres), ProjectionCoder(axes))
    given_up = search.projected.search(x, 0.02, unknown(x)).wide
    assert not bool(given_up[:700].any())
    assert bool(given_up[700:].any()) == (num == 300)
    found = search.search(x, 0.02, unknown(x))
    assert not bool(found.wide.any())
    assert near(found, 0.02) == near(search.coded.search(x, 0.02, unknown(x)), 0.02)


def test_where_nearly_all_centres_are_near_a_probe_leaves_the_axes():
    narrow = 0.5 + 1e-3 * (CENTRES - 0.5)  # a generator that has collapsed
    search = centres_of(narrow)
    assert search.projected is not None
    asked, along = [], search.projected.search
    search.projected.search = lambda x, *rest: asked.append(len(x)) or along(x, *rest)
    found = search.search(X, 1.0, unknown(X))
    assert asked == [64]
    assert bool(found.wide.all())


NOISE = torch.rand(3001, 200, generator=torch.Generator().manual_seed(5))
UNSUITED = {
    "noise": lambda: NOISE,
    "float64": CENTRES.double,
    "not contiguous": lambda: CENTRES.T.contiguous().T,
    "few dimensions": CENTRES[:, :95].contiguous,
    "few rows": lambda: CENTRES[:20],
    "a huge value": lambda: torch.cat([CENTRES, CENTRES[:1] * 1e17]),
}


@pytest.mark.parametrize("case", UNSUITED)
def test_no_axes_are_taken_where_they_do_not_suit(case, monkeypatch):
    monkeypatch.setattr(parzen_search, "_REST", 0.075 if case == "noise" else 0.5)
    assert centres_of(UNSUITED[case]()).projected is None


def test_small_problems_and_huge_rows_are_searched_in_full_depth():
    small = centres_of(CENTRES)
    small.search(X[:10], 0.01, unknown(X[:10]))
    assert "projected" not in vars(small)
    huge = torch.cat([X, X[:1] * 1e17])
    search = centres_of(CENTRES)
    search.search(huge, 0.01, unknown(huge))
    assert "coded" in vars(search)


@pytest.mark.parametrize(("speedup", "most"), [(0.0, 130), (3.0, 130), (7.0, 74)])
def test_fast_int8_products_leave_room_for_fewer_axes(speedup, most, monkeypatch):
    asked = []
    monkeypatch.setattr(parzen_search, "int8_speedup", lambda depth: speedup)
    monkeypatch.setattr(parzen_search, "principal_axes", lambda rows, most, rest: asked.append(most))
    assert centres_of(torch.rand(100, 784)).projected is None
    assert asked == [most]


@pytest.mark.parametrize("sigma", [1e-3, 0.02, 0.5])
def test_the_score_has_the_same_bits_along_the_axes_in_any_order_and_in_any_shards(sigma, monkeypatch):
    along = parzen_log_likelihood(X, CENTRES, sigma)
    torch.testing.assert_close(along[:50], reference_log_likelihood(X[:50], CENTRES, sigma), rtol=1e-12, atol=1e-9)
    shuffled = CENTRES[torch.randperm(3001, generator=torch.Generator().manual_seed(6))]
    assert torch.equal(parzen_log_likelihood(X, shuffled, sigma), along)
    if sigma < 0.5:  # wide windows go through matrix products, whose bits depend on the shape
        monkeypatch.setattr("lit_gan.functional.parzen_windows.SHARD", 1600)
        assert torch.equal(parzen_log_likelihood(X, CENTRES, sigma), along)
    monkeypatch.setattr(parzen_search, "_LEAST_PAIRS", 2**40)
    assert torch.equal(parzen_log_likelihood(X, CENTRES, sigma), along)


def test_the_width_selected_along_the_axes_is_that_of_the_search_in_full_depth(monkeypatch):
    grid = [0.01, 0.02, 0.021, 0.04]
    along, windows = select_sigma(X, CENTRES, grid), ParzenWindows.around(CENTRES, 0.0, 1.0)
    nearest = windows.nearest(X)
    monkeypatch.setattr(parzen_search, "_LEAST_PAIRS", 2**40)
    assert select_sigma(X, CENTRES, grid) == along
    assert torch.equal(ParzenWindows.around(CENTRES, 0.0, 1.0).nearest(X), nearest)


def test_more_than_the_listed_pairs_are_not_kept_along_the_axes():
    pairs = projected(CENTRES[: MAX_PAIRS + 1]).search(X[:20], 1e3, unknown(X[:20]))
    assert bool(pairs.wide.all())
    assert pairs.rows.numel() == 0
