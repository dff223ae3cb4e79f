"""An order that is a property of the data themselves: no seed, version or machine changes it."""

from collections.abc import Sequence
from hashlib import blake2b


def hashed_order(names: Sequence[str]) -> list[int]:
    """The places of ``names`` in an order that looks random and is always the same.

    Two names keep their order whatever else is added or taken away, so that a data set that grows by a file
    keeps nearly all of its splits.

    Example:
        >>> hashed_order(["a", "b", "c", "d"])
        [3, 0, 2, 1]
    """
    return sorted(range(len(names)), key=lambda row: blake2b(_bytes(names[row])).digest())


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")  # as os.fsencode does: a file's name may be no UTF-8
