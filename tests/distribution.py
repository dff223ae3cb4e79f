"""How `pytest-xdist` deals the tests out: one by one, the slow ones first, and together what shares a fixture.

Of the tests of a file, those that share a fixture of its scope (a trained run, results of ranks, a cluster) form a
group that one process runs; of a fixture with parameters, each makes a group. All others are dealt one by one: a file
of a hundred trainings holds no process while the others are idle.
"""

import os

import pytest

#: Fixtures of the whole session that cost seconds for each process that has one.
_OF_THE_SESSION = ("slurm_of_the_session", "browser")
#: More processes than cores: what is slow here waits, for silences, signals and schedulers, half of its time.
_WAITING = 2


def number_of_processes(config: pytest.Config) -> int:
    """As many as there are cores, and some that wait; none for a few tests that are named.

    Args:
        config: Of the session.
    """
    named = [word for word in config.invocation_params.args if os.path.exists(str(word).partition("::")[0])]
    if named and not all(os.path.isdir(word) for word in named):
        return 0
    return (os.cpu_count() or 1) + _WAITING


def group(items: list[pytest.Item]) -> None:
    """Marks the groups; before `pytest-xdist` looks for marks, or there are none.

    Args:
        items: All tests.
    """
    for item in items:
        name = _group(item)
        if name is not None:
            item.add_marker(pytest.mark.xdist_group(name))


def put_in_order(items: list[pytest.Item]) -> None:
    """Puts the slow tests in front, of these the groups, and leaves together what belongs to one.

    Args:
        items: All tests; their order is changed.
    """
    items.sort(
        key=lambda item: (item.get_closest_marker("slow") is None, item.get_closest_marker("xdist_group") is None)
    )


def _group(item: pytest.Item) -> str | None:
    """What the test shares with others; None if it shares nothing that costs much."""
    if not isinstance(item, pytest.Function):
        return None
    definitions = {name: found[-1] for name, found in item._fixtureinfo.name2fixturedefs.items()}
    shared = [name for name, one in definitions.items() if one.scope in ("class", "module") or name in _OF_THE_SESSION]
    if not shared:
        return None
    indices = item.callspec.indices if hasattr(item, "callspec") else {}
    return "-".join(
        [item.nodeid.partition("::")[0], *(str(indices[name]) for name in sorted(shared) if name in indices)]
    )
