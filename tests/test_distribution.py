"""Tests that share a fixture go to one process; else each process would train anew what they share."""

import os

import pytest


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
