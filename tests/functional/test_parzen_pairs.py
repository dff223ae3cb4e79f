"""A row's sum is a function of the set of its distances: to the bit, however the pairs come."""

import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from lit_gan.functional.parzen_pairs import PairSums
from lit_gan.functional.parzen_screened import MAX_PAIRS, Pairs

SIGMAS = [0.3, 1.0]


def _pairs(num: int = 200, num_rows: int = 7, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    rows = torch.cat([torch.arange(num_rows), torch.randint(0, num_rows, (num - num_rows,), generator=generator)])
    distances = torch.rand(num, dtype=torch.float64, generator=generator)
    return rows, distances, torch.randint(1, 4, (num,), generator=generator)


def _sums(*parts: Sequence[Tensor], num_rows: int = 7, reach: float = 9.0, wide: Sequence[int] = ()) -> PairSums:
    sums = PairSums(num_rows, reach, torch.device("cpu"))
    for rows, distances, counts in parts:
        marked = torch.zeros(num_rows, dtype=torch.bool)
        marked[list(wide)] = True
        sums.add(Pairs(rows, distances, counts, marked))
    return sums


def _cut(pairs: Sequence[Tensor], order: Tensor, pieces: int) -> list[tuple[Tensor, ...]]:
    return [tuple(part[piece] for part in pairs) for piece in order.chunk(pieces)]


def test_it_is_the_sum() -> None:
    rows, distances, counts = _pairs()
    log, nearest = _sums((rows, distances, counts)).log(SIGMAS), torch.zeros(7, dtype=torch.float64)
    for row in range(7):
        mine = rows == row
        nearest[row] = distances[mine].min()
        for column, sigma in enumerate(SIGMAS):
            terms = counts[mine].double().log() - distances[mine] / (2 * sigma**2)
            torch.testing.assert_close(log[row, column], terms.logsumexp(0), rtol=0, atol=1e-13)
    assert torch.equal(_sums((rows, distances, counts)).nearest, nearest)


@pytest.mark.parametrize("pieces", [1, 2, 9])
@pytest.mark.parametrize("seed", range(4))
def test_neither_their_order_nor_their_pieces_show(pieces: int, seed: int) -> None:
    pairs = _pairs(seed=seed)
    order = torch.randperm(len(pairs[0]), generator=torch.Generator().manual_seed(seed))
    assert torch.equal(_sums(*_cut(pairs, order, pieces)).log(SIGMAS), _sums(pairs).log(SIGMAS))


@pytest.mark.parametrize("seed", range(4))
def test_a_distance_that_comes_several_times_is_one_with_the_sum_of_the_counts(seed: int) -> None:
    rows, distances, counts = _pairs(seed=seed)
    again = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))[:120]
    more = _sums((rows, distances, counts), (rows[again], distances[again], 2 * counts[again]))
    counts = counts.index_add(0, again, 2 * counts[again])
    assert torch.equal(more.log(SIGMAS), _sums((rows, distances, counts)).log(SIGMAS))


def test_the_same_distance_of_two_rows_is_one_of_each() -> None:
    distances = torch.tensor([0.5, 0.5, 0.5], dtype=torch.float64)
    sums = _sums((torch.tensor([1, 0, 0]), distances, torch.tensor([4, 1, 2])), num_rows=2)
    expected = [math.log(count) - 0.25 for count in (3, 4)]
    torch.testing.assert_close(sums.log([1.0])[:, 0], torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-15)


def test_what_is_no_longer_near_is_forgotten_and_what_is_at_the_edge_is_not() -> None:
    far = torch.tensor([0, 0]), torch.tensor([1.5, 3.0], dtype=torch.float64), torch.tensor([1, 1])
    near = torch.tensor([0]), torch.tensor([0.5], dtype=torch.float64), torch.tensor([1])
    kept = math.log(math.exp(-0.25) + math.exp(-0.75))
    for parts in ((far, near), (near, far)):
        found = _sums(*parts, num_rows=1, reach=1.0).log([1.0]).item()
        assert found == pytest.approx(kept, abs=1e-15)


@pytest.mark.parametrize(("num", "wide"), [(MAX_PAIRS, False), (MAX_PAIRS + 1, True)])
@pytest.mark.parametrize("pieces", [1, 3])
def test_a_row_of_too_many_pairs_is_wide_and_costs_no_memory(num: int, wide: bool, pieces: int) -> None:
    distances = torch.linspace(0, 1, num, dtype=torch.float64)
    pairs = torch.zeros(num, dtype=torch.int64), distances, torch.ones(num, dtype=torch.int64)
    other = torch.tensor([1]), torch.tensor([0.25], dtype=torch.float64), torch.tensor([1])
    sums = _sums(*_cut(pairs, torch.arange(num), pieces), other, num_rows=2)
    assert sums.wide.tolist() == [wide, False]
    assert len(sums._rows) == (1 if wide else num + 1)
    assert sums.log([1.0])[1].item() == -0.125


@pytest.mark.parametrize("seed", range(3))
def test_two_processes_have_the_bits_of_one(seed: int) -> None:
    pairs = _pairs(seed=seed)
    order = torch.randperm(len(pairs[0]), generator=torch.Generator().manual_seed(seed))
    here, there = (_sums(part, wide=wide) for part, wide in zip(_cut(pairs, order, 2), ([], [3]), strict=True))
    sent = iter([there.wide.nonzero()[:, 0], there._rows, there._distances, there._counts])
    here.gather(lambda own: torch.cat([own, next(sent)]))
    alone = _sums(pairs, wide=[3])
    assert torch.equal(here.wide, alone.wide)
    narrow = ~alone.wide
    assert torch.equal(here.nearest[narrow], alone.nearest[narrow])
    assert torch.equal(here.log(SIGMAS)[narrow], alone.log(SIGMAS)[narrow])
    assert len(here._rows) == len(alone._rows)
