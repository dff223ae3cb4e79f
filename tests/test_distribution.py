"""Tests that share a fixture go to one process; else each process would train anew what they share."""

import os
from types import SimpleNamespace

import pytest
from distribution import SlowBesideOthers


@pytest.fixture(scope="module")
def shared() -> object:
    return object()


def test_what_shares_a_fixture_is_a_group_that_pytest_xdist_knows(
    shared: object, request: pytest.FixtureRequest
) -> None:
    [mark] = request.node.iter_markers("xdist_group")
    assert mark.args == ("tests/test_distribution.py",)
    # It deals out by the end of the id. A version that does not see the mark is silent about it.
    assert request.node.nodeid.endswith("@tests/test_distribution.py") == ("PYTEST_XDIST_WORKER" in os.environ)


def test_what_shares_nothing_is_dealt_out_alone(request: pytest.FixtureRequest) -> None:
    assert list(request.node.iter_markers("xdist_group")) == []


class Process:
    """What the scheduler knows of a process of pytest-xdist."""

    def __init__(self, name: str) -> None:
        self.gateway = SimpleNamespace(id=name)
        self.given: list[int] = []
        self.shutting_down = False

    def send_runtest_some(self, indices: list[int]) -> None:
        self.given += indices

    def shutdown(self) -> None:
        self.shutting_down = True


def _begun(ids: list[str], number: int, monkeypatch: pytest.MonkeyPatch) -> tuple[SlowBesideOthers, list[Process]]:
    monkeypatch.setattr("xdist.scheduler.loadscope.parse_tx_spec_config", lambda _: range(number))
    scheduler, processes = (
        SlowBesideOthers(SimpleNamespace(option=Options())),
        [Process(f"gw{n}") for n in range(number)],
    )
    for each in processes:
        scheduler.add_node(each)
        scheduler.add_node_collection(each, ids)
    scheduler.schedule()
    return scheduler, processes


class Options:
    loadscopereorder = False
    debug = False


def test_slow_ones_go_to_all_processes_but_one_and_the_last_of_all_take_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ids = [f"a.py::test_{n}@slow-{n}" for n in range(5)] + [f"b.py::test_{n}" for n in range(20)]
    scheduler, processes = _begun(ids, 3, monkeypatch)
    at_once, seen = [], []
    while scheduler.has_pending:
        running = [each.given[0] for each in processes if each.given]
        at_once.append(sum(index < 5 for index in running))
        # What is slow takes five times as long as what is not.
        for each in processes:
            if each.given and (each.given[0] >= 5 or len(at_once) % 5 == 0):
                seen.append(each.given.pop(0))
                scheduler.mark_test_complete(each, seen[-1])
    assert sorted(seen) == list(range(25))
    assert at_once[0] == max(at_once) == 2
    assert all(each.shutting_down for each in processes)
    assert all(not units for units in scheduler.assigned_work.values())


def test_a_group_stays_together_and_where_nothing_else_is_left_slow_ones_go_to_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ids = ["a.py::test_1@slow-a.py", "a.py::test_2@slow-a.py", "b.py::test_1@slow-2", "b.py::test_2@slow-3"]
    assert [each.given for each in _begun(ids, 2, monkeypatch)[1]] == [[0, 1, 3], [2]]
    assert [each.given for each in _begun(ids, 1, monkeypatch)[1]] == [[0, 1, 2]]


def test_what_a_process_had_when_it_died_goes_to_another(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [f"a.py::test_{n}@slow-{n}" for n in range(2)] + [f"b.py::test_{n}" for n in range(8)]
    scheduler, (first, second) = _begun(ids, 2, monkeypatch)
    done = [first.given[0]]
    scheduler.mark_test_complete(first, first.given.pop(0))
    assert scheduler.remove_node(first) == ids[first.given[0]]
    while scheduler.has_pending:
        done.append(second.given.pop(0))
        scheduler.mark_test_complete(second, done[-1])
    assert sorted(done) == list(range(10))
