"""How `pytest-xdist` deals the tests out: one by one, slow ones beside others, and together what shares a fixture.

Slow tests wait half of their time, for silences, signals and schedulers: one process of all is kept for the others, so
that the cores have work, and when the slow ones are through, all take the rest. Of the tests of a file, those that
share a fixture of its scope (a trained run, results of ranks, a cluster) form a group that one process runs; of a
fixture with parameters, each makes a group. All others are dealt one by one: a file of a hundred trainings holds no
process while the others are idle.
"""

import os

import pytest
from xdist.scheduler import LoadGroupScheduling
from xdist.workermanage import WorkerController

#: Fixtures of the whole session that cost seconds for each process that has one.
_OF_THE_SESSION = ("slurm_of_the_session", "browser")
#: More processes than cores: what is slow here waits half of its time.
_WAITING = 2
_SLOW = "slow-"  # so begins the group of what is slow: the process that deals out knows ids alone


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
    names = [_group(item) for item in items]
    slow = [item.get_closest_marker("slow") is not None for item in items]
    slow_groups = {name for name, is_slow in zip(names, slow, strict=True) if is_slow}
    for number, (item, name, is_slow) in enumerate(zip(items, names, slow, strict=True)):
        if is_slow or (name is not None and name in slow_groups):
            name = f"{_SLOW}{number if name is None else name}"  # noqa: PLW2901 -- the name that it is given
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


class SlowBesideOthers(LoadGroupScheduling):
    """Deals what is slow to all processes but one, for as long as there is any, one at a time to each."""

    def _assign_work_unit(self, node: WorkerController) -> None:
        """Hands a process its next test, or group of tests, in their order among the slow or among the others."""
        slow = [
            each
            for each, units in self.assigned_work.items()
            if any(name.startswith(_SLOW) and not all(tests.values()) for name, tests in units.items())
        ]
        wanted = node not in slow and len(slow) < max(1, len(self.nodes) - 1)
        name = next((name for name in self.workqueue if name.startswith(_SLOW) == wanted), None)
        if name is not None:
            self.workqueue.move_to_end(name, last=False)
        super()._assign_work_unit(node)

    def mark_test_complete(self, node: WorkerController, item_index: int, duration: float = 0) -> None:
        """Forgets a group that is done: whenever a test ends, all tests that its process ever had are counted."""
        super().mark_test_complete(node, item_index, duration)
        units, name = self.assigned_work[node], self._split_scope(self.registered_collections[node][item_index])
        if all(units[name].values()):
            del units[name]


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
