import socket

import pytest
import torch.distributed as dist

from lit_gan.strategies.peers.job_store import JobStore, StoreGone


@pytest.fixture
def store():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=0, world_size=1)
    yield JobStore("tests")
    dist.destroy_process_group()


def test_a_get_that_waits_on_the_jobs_own_connection_locks_nobody_out(store):
    default = dist.distributed_c10d._get_default_store()
    with pytest.raises(StoreGone, match=r"has not answered for 0\.5 s"):
        store.ask(lambda _: default.get("never"), 0.5)  # still waits, in a thread that is left behind
    assert store.ask(lambda own: own.add("count", 2), 300) == 2
    default.clone().set("never", "at last")


def test_what_is_asked_for_stands_under_the_names_that_were_entered(store):
    store.enter("1")
    store.ask(lambda own: own.add("count", 1), 5)
    assert dist.distributed_c10d._get_default_store().add("tests/1/count", 0) == 1


def test_a_host_that_has_ended_is_not_called(store, monkeypatch):
    monkeypatch.setattr(store, "_server", ("127.0.0.1", 9))  # nothing listens at "discard"
    calls = []
    with pytest.raises(StoreGone, match="has ended"):
        store.ask(calls.append, 5)
    assert calls == []


def test_a_host_that_does_not_answer_has_the_time_of_the_call(store, monkeypatch):
    def lost(*_, **__):
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", lost)
    assert store.ask(lambda own: own.add("count", 1), 5) == 1


def test_without_a_process_group_there_is_no_store():
    with pytest.raises(ValueError, match="process group"):
        JobStore("tests")
