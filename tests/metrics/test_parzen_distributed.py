"""Two and three real processes against one: the same bits, with uneven shards and a rank that saw nothing."""

import parzen_ranks
import pytest
import torch
from parzen_ranks import GRID, SAMPLES, SHARES, TEST, VAL, WIDE, fill
from ranks import spawn

from lit_gan.metrics import ParzenNLL

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    spawn(parzen_ranks.run, 3, 3, str(folder))
    assert {file.name for file in folder.iterdir()} <= {"rendezvous", "rank0.pt", "rank1.pt", "rank2.pt"}
    return [torch.load(folder / f"rank{rank}.pt", weights_only=True) for rank in range(3)]


@pytest.mark.parametrize("world", [2, 3])
@pytest.mark.parametrize("shares", SHARES)
@pytest.mark.parametrize("place", ["memory", "disk"])
@pytest.mark.parametrize("sigma", [None, WIDE, "em"])
def test_any_number_of_processes_gives_the_bits_of_one(ranks, world, shares, place, sigma):
    alone = fill(ParzenNLL(GRID if sigma is None else sigma), VAL, TEST, SAMPLES, 1000)
    expected = {name: value.item() for name, value in alone.compute().items()}
    for rank in range(world):
        values, scores = ranks[rank][world, shares, place, sigma]
        if place == "disk" and sigma == WIDE:
            # Wide windows are summed by matrix products, per process: the sum of the sums has other
            # roundings.
            torch.testing.assert_close(scores, alone.log_likelihoods, rtol=0, atol=1e-10)
        else:
            assert values == expected
            assert torch.equal(scores, alone.log_likelihoods)


def test_ranks_that_draw_with_the_same_seed_are_told(ranks):
    for told in ranks[0]["same seed"]:
        assert "67% of the generated samples are exact copies" in told


def test_images_of_different_sizes_are_told_on_every_rank(ranks):
    for rank in ranks:
        assert rank["different sizes"].startswith("images have [62, 63, 64] values each on different ranks")
