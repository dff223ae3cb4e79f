from lit_gan.strategies.peers.rank_loss import Place, RankLoss

HERE = Place(3, 17, "node1")


def failed(message):
    try:
        raise RuntimeError(message)
    except RuntimeError as error:
        return RankLoss.of(error, HERE)


def test_it_comes_through_the_store_as_it_was():
    loss = failed("größer\nals alles")
    assert RankLoss.read(loss.written().encode()) == loss
    assert Place.read(HERE.written().encode()) == HERE


def test_the_message_is_one_line_of_bearable_length():
    assert failed("a\n  b").told == "rank 3 (process 17 on node1) failed: RuntimeError: a b"
    assert len(failed("x" * 10_000).told) < 600


def test_another_machine_shows_the_end_of_the_traceback_above_the_message():
    loss = failed("out of memory")
    assert loss.lines("node1") == f"lit-gan: failed: {loss.told}\n"
    *trace, message = loss.lines("node2").splitlines()
    assert message == f"lit-gan: failed: {loss.told}"
    assert trace[0] == "rank 3 | Traceback (most recent call last):"
    assert trace[-1] == "rank 3 | RuntimeError: out of memory"
