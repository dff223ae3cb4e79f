"""The key-value store of a torch.distributed job, by a connection of one's own."""

import os
import socket
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from torch.distributed import DistError, TCPStore  # type: ignore[attr-defined]  # public, not listed
from torch.distributed.distributed_c10d import PrefixStore, Store

from lit_gan.functional.torch_seam import job_store
from lit_gan.strategies.peers.call_timeout import call_with_timeout

_Result = TypeVar("_Result")

_PATIENCE = timedelta(seconds=5)  # of a `get`, and of the connection; what is asked for is always there already


class StoreGone(Exception):  # noqa: N818 -- told to the user as a loss, not as an error of the store
    """The store does not answer any more: its message says since when, as what follows the name of its host."""


class JobStore:
    """The store behind the default process group, for a thread that must never be blocked by another's use of it.

    A torch client of a store serves one call at a time, so this is a clone; without a process group, ``ValueError``.
    """

    def __init__(self, prefix: str) -> None:
        self._default = job_store()  # keeping it keeps rank 0's server alive
        clone = self._default.clone()
        clone.set_timeout(_PATIENCE)
        self._store: Store = PrefixStore(prefix, clone)
        self._server = _server_of(self._default)

    def enter(self, prefix: str) -> None:
        """From here on all keys begin with this as well."""
        self._store = PrefixStore(prefix, self._store)

    def ask(self, call: Callable[[Store], _Result], seconds: float) -> _Result:
        """What ``call``, which may ask for several things but wait for none, gets from the store in so many seconds.

        If the store's host has ended, or does not answer in time, ``StoreGone``: a call would block for ever.
        """
        if self._is_refused():
            raise StoreGone("has ended")
        try:
            return call_with_timeout(seconds, lambda: call(self._store))
        except TimeoutError as error:
            raise StoreGone(f"has not answered for {seconds:g} s") from error
        except DistError as error:
            raise StoreGone("has ended") from error

    def _is_refused(self) -> bool:
        """Whether nobody listens where the store was: a call on it would print a page of C++ frames, and then raise."""
        if self._server is None:
            return False
        try:
            socket.create_connection(self._server, timeout=_PATIENCE.total_seconds()).close()
        except ConnectionError:
            return True
        except OSError:  # lost on its way, or as slow as a machine that is stopped: the call's own time tells
            return False
        return False


def held_by_torchrun() -> bool:
    """Whether an agent of torchrun holds the store, and not the process of rank 0."""
    return os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"


def _server_of(store: Store) -> tuple[str, int] | None:
    """Host and port of a store that has a server."""
    while isinstance(store, PrefixStore):
        store = store.underlying_store
    return (store.host, store.port) if isinstance(store, TCPStore) else None
