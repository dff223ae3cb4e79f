from torch.distributed import HashStore

from lit_gan.strategies.peers.rank_loss import Place, RankLoss

HERE = Place(3, 17, "node1")


def failed(message):
    try:
        raise RuntimeError(message)
    except RuntimeError as error:
        return RankLoss.of(error, HERE)


def test_it_comes_through_the_store_as_it_was_and_the_first_stays():
    store, loss = HashStore(), failed("größer\nals alles")
    assert RankLoss.find(store) is None
    assert loss.write(store) == RankLoss.find(store) == loss
    assert failed("another").write(store) == RankLoss.find(store) == loss


def test_a_rank_is_found_with_its_place_if_that_is_known():
    store = HashStore()
    HERE.write(store)
    assert Place.find(store, 3) == HERE
    assert Place.find(store, 0) is None


def test_the_message_is_one_line_of_bearable_length():
    assert failed("a\n  b").message == "rank 3 (process 17 on node1) failed: RuntimeError: a b"
    assert len(failed("x" * 10_000).message) < 600
