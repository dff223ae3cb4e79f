"""Which examples come to a rank: as torch deals them out, padding apart, and where every rank has the whole list."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import examples
from torch.utils.data import BatchSampler, DataLoader, DistributedSampler, IterableDataset, SequentialSampler

from lit_gan.sharding import Share, share_of


def distributed(num: int, rank: int, world_size: int) -> DistributedSampler[int]:
    return DistributedSampler(range(num), world_size, rank, shuffle=False)


@pytest.mark.parametrize("num", [1, 5, 6, 7])
@pytest.mark.parametrize("world_size", [1, 2, 3, 8])
@pytest.mark.parametrize("size", [1, 2, 4])
def test_each_example_of_a_padded_loader_has_its_own_place_and_repeats_have_none(
    num: int, world_size: int, size: int
) -> None:
    seen: list[int] = []
    for rank in range(world_size):
        loader = DataLoader(range(num), batch_size=size, sampler=distributed(num, rank, world_size))
        share, rows = share_of(loader, rank, world_size), 0
        for batch in loader:
            places = share.places(rows, len(batch))
            assert batch[: len(places)].tolist() == list(places)
            seen += places
            rows += len(batch)
    assert sorted(seen) == list(range(num))


def test_a_loader_that_nobody_dealt_out_is_the_whole_list_on_every_rank() -> None:
    assert share_of(DataLoader(range(5)), rank=1, world_size=2) == Share()


def test_the_sampler_within_a_batch_sampler_is_the_one_that_counts() -> None:
    batches = BatchSampler(distributed(5, 1, 2), batch_size=2, drop_last=False)
    assert share_of(DataLoader(range(5), batch_sampler=batches), rank=1, world_size=2) == Share(1, 2, 5)


def test_a_sampler_of_the_users_that_deals_out_is_believed() -> None:
    class Own(SequentialSampler):
        num_replicas = 2

    assert share_of(DataLoader(range(5), sampler=Own(range(5))), rank=1, world_size=2) == Share(1, 2)


def test_iterables_are_taken_for_shares_and_a_loader_may_say_its_own() -> None:
    class Stream(IterableDataset[int]):
        def __iter__(self) -> Any:
            return iter(range(5))

    class Whole(list[int]):
        share = Share()

    assert share_of(DataLoader(Stream()), rank=1, world_size=2) == Share(1, 2)
    assert share_of([1, 2], rank=1, world_size=2) == Share(1, 2)
    assert share_of(Whole(), rank=1, world_size=2) == Share()


@examples(100)
@given(st.integers(1, 9), st.integers(0, 40), st.lists(st.integers(1, 7), min_size=1, max_size=9))
def test_in_any_batches_all_ranks_together_see_each_place_once(world_size: int, num: int, sizes: list[int]) -> None:
    per_rank = -(-num // world_size)  # padded to equal lengths
    seen: list[int] = []
    for rank in range(world_size):
        share, start, batches = Share(rank, world_size, num), 0, iter(sizes * (per_rank + 1))
        while start < per_rank:
            rows = min(next(batches), per_rank - start)
            seen += share.places(start, rows)
            start += rows
    assert sorted(seen) == list(range(num))
