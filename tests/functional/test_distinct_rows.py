import math
from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from properties import examples

from lit_gan.functional.distinct_rows import distinct_rows, row_fingerprints


@pytest.mark.parametrize("depth", [1, 2, 7, 64])
def test_distinct_rows_are_those_of_unique(depth):
    x = torch.randint(0, 3, (700, depth)).float()
    members, counts = distinct_rows(x)
    rows, expected = torch.unique(x, dim=0, return_counts=True)
    found, order = torch.unique(x[members], dim=0, return_inverse=True)
    assert torch.equal(found, rows)
    assert torch.equal(counts[order.argsort()], expected)


def test_the_order_depends_on_the_set_of_rows_alone():
    x = torch.rand(600, 9)
    x = torch.cat([x, x[:50]])
    shuffled = x[torch.randperm(650)]
    members, counts = distinct_rows(x)
    again, counts_again = distinct_rows(shuffled)
    assert torch.equal(x[members], shuffled[again])
    assert torch.equal(counts, counts_again)


def test_fingerprints_do_not_depend_on_the_batch_and_ignore_the_sign_of_zero():
    x = torch.rand(1000, 5).round(decimals=1)
    alone = torch.cat([row_fingerprints(row[None]) for row in x[:20]])
    assert torch.equal(row_fingerprints(x)[:20], alone)
    assert torch.equal(row_fingerprints(torch.zeros(1, 3)), row_fingerprints(-torch.zeros(1, 3)))


def test_binary_images_do_not_collide():
    # 0.0 and 1.0 differ in few bits, all of them high: what breaks a linear hash.
    x = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 14)
    fingerprints = row_fingerprints(x)
    assert torch.unique(fingerprints).numel() == 2**14
    for lowest in (0, 22, 44):  # each part of 20 bits tells as many apart as chance lets it: 16,257, give or take 11
        part = (fingerprints >> lowest) & (2**20 - 1)
        assert torch.unique(part).numel() == pytest.approx(2**20 * (1 - math.exp(-(2**-6))), abs=55)


def test_rows_that_differ_beyond_float32_stay_distinct():
    x = torch.tensor([[1.0, 5.0], [1.0 + 1e-12, 5.0], [1.0, 5.0]], dtype=torch.float64)
    assert distinct_rows(x)[1].sum() == 3
    assert distinct_rows(x)[1].numel() >= 2


def test_no_rows_have_no_fingerprints():
    assert row_fingerprints(torch.empty(0, 4)).shape == (0,)


@pytest.mark.parametrize("depth", [2, 3])
def test_a_fingerprint_is_that_of_the_values_in_float32_however_they_lie_in_memory(depth):
    x = torch.rand(40, depth)
    assert torch.equal(row_fingerprints(x.double()), row_fingerprints(x))
    assert torch.equal(row_fingerprints(x.T.contiguous().T), row_fingerprints(x))
    assert torch.unique(row_fingerprints(1e-20 * x)).numel() == 40


@examples(60)
@given(st.lists(st.tuples(*[st.sampled_from((0.0, -0.0, 0.5, 1.0, 2.0**60))] * 3), max_size=12), st.randoms())
def test_any_rows_are_counted_once_each_in_an_order_of_their_own(rows, random):
    def counted(rows):
        x = torch.tensor(rows).reshape(-1, 3)
        members, counts = distinct_rows(x)
        return [(tuple((x[at] + 0.0).tolist()), int(num)) for at, num in zip(members, counts, strict=True)]

    found = counted(rows)
    assert dict(found) == Counter(tuple(value + 0.0 for value in row) for row in rows)
    assert len(dict(found)) == len(found)
    random.shuffle(rows)
    assert counted(rows) == found
