"""Many at once, in their order, never far ahead, and with the first error of the order."""

import threading

import pytest

from lit_gan.data.decoding import in_order, num_processors


def test_results_come_in_the_order_of_the_items():
    slow = threading.Event()

    def work(item):
        if item == 0:
            assert slow.wait(60)  # the first is done last
        if item == 2:
            slow.set()
        return -item

    assert list(in_order(work, range(9), num_threads=3)) == [-item for item in range(9)]


def test_no_more_is_begun_than_two_items_for_each_thread():
    begun = []
    results = in_order(begun.append, range(100), num_threads=2)
    next(results)
    assert len(begun) <= 5
    results.close()
    assert len(begun) <= 5


def test_the_first_error_of_the_order_is_raised_and_the_rest_is_left():
    begun = []

    def work(item):
        begun.append(item)
        if item in (3, 4):
            raise ValueError(item)

    with pytest.raises(ValueError, match="3"):
        list(in_order(work, range(1000), num_threads=2))
    assert len(begun) < 20


def test_no_more_processors_than_this_process_may_use(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda process: {0, 5}, raising=False)
    assert num_processors() == 2
    monkeypatch.delattr("os.sched_getaffinity")
    monkeypatch.setattr("os.cpu_count", lambda: None)
    assert num_processors() == 1
