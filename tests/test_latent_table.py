"""Latents by row number: of no batch, no order and no rank; a block is drawn once on the way."""

import pytest
import torch
from torch import Tensor

from lit_gan.latent_table import LatentTable
from lit_gan.latents import Latent, Normal


def table(latent: Latent | None = None, seed: int = 0, purpose: str = "val", loader: int = 0) -> LatentTable:
    return LatentTable(latent or Normal(3), torch.float32, seed, purpose, loader)


@pytest.mark.parametrize("size", [1, 7, 999, 1000, 1001, 2500])
@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_any_batches_of_any_ranks_are_the_same_rows(size: int, world_size: int) -> None:
    whole = table().rows(range(2500))
    for rank in range(world_size):
        one, mine = table(), range(rank, 2500, world_size)
        pieces = [one.rows(mine[start : start + size]) for start in range(0, len(mine), size)]
        assert torch.equal(torch.cat(pieces), whole[rank::world_size])


def test_no_row_comes_twice_and_steps_longer_than_a_block_are_taken() -> None:
    rows = table().rows(range(3000))
    assert len(rows.unique(dim=0)) == 3000
    assert torch.equal(table().rows(range(1, 9000, 2999)), table().rows(range(9000))[1::2999])


def test_another_seed_split_or_loader_has_other_rows() -> None:
    first = [table(**other).rows(range(1)) for other in ({}, {"seed": 1}, {"purpose": "test"}, {"loader": 1})]
    assert len(torch.cat(first).unique(dim=0)) == 4


def test_no_rows_are_none() -> None:
    assert table().rows(range(5, 5)).shape == (0, 3)


def test_a_pass_in_order_draws_each_block_once() -> None:
    class Counting(Normal):
        draws = 0

        def draw(self, shape: tuple[int, int], generator: torch.Generator | None, dtype: torch.dtype | None) -> Tensor:
            self.draws += 1
            return super().draw(shape, generator, dtype)

    latent = Counting(3)
    one = table(latent)
    for start in range(0, 3000, 60):
        one.rows(range(start, start + 60))
    assert latent.draws == 3
