"""Who is silent, turn by turn, on a store in this process."""

import pytest
from torch.distributed import HashStore

from lit_gan.strategies.peers.ring import Ring, beat, has_left, leave

EVERY, SILENCE = 2.0, 10.0
TURNS = int(SILENCE / EVERY)


@pytest.fixture
def store():
    return HashStore()


def turns(ring, store, number, beating=()):
    """What each of some turns finds, while some ranks beat."""
    found = []
    for _ in range(number):
        for rank in beating:
            beat(store, rank)
        found.append(ring.silent_peer(store))
    return found


def test_the_next_rank_is_lost_after_the_silence_and_not_before(store):
    ring = Ring(0, 3, EVERY, SILENCE)
    assert turns(ring, store, 3, beating=[1, 2]) == [None] * 3
    assert turns(ring, store, TURNS + 1, beating=[2]) == [None] * (TURNS - 1) + [1, 1]


def test_a_rank_that_is_heard_again_was_not_lost(store):
    ring = Ring(0, 2, EVERY, SILENCE)
    turns(ring, store, 1, beating=[1])
    assert turns(ring, store, TURNS - 1) == [None] * (TURNS - 1)
    assert turns(ring, store, 1, beating=[1]) == [None]
    assert turns(ring, store, TURNS - 1) == [None] * (TURNS - 1)


def test_one_that_has_not_begun_is_no_loss(store):
    assert turns(Ring(0, 2, EVERY, SILENCE), store, 3 * TURNS) == [None] * (3 * TURNS)


def test_only_the_next_one_is_listened_to_until_there_is_suspicion(store):
    ring = Ring(0, 3, EVERY, SILENCE)
    turns(ring, store, 1, beating=[1, 2])
    assert turns(ring, store, 3 * TURNS, beating=[1]) == [None] * (3 * TURNS)
    ring.suspicious = True
    assert ring.longest_silence == 6.0
    found = turns(ring, store, 5, beating=[1])
    assert found == [None, None, None, 2, 2]
    assert found.index(2) * EVERY <= ring.seconds_to_find_out


def test_who_has_left_well_is_passed_over_and_the_one_behind_is_listened_to(store):
    ring = Ring(2, 3, EVERY, SILENCE)
    turns(ring, store, 1, beating=[0, 1])
    leave(store, 0)
    assert has_left(store, 0)
    assert turns(ring, store, TURNS + 1)[-1] == 1
