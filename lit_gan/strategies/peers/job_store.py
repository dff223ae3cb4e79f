"""The key-value store of a torch.distributed job, by a connection of one's own."""

import os
import socket
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from torch.distributed import DistError, TCPStore  # type: ignore[attr-defined]  # public, not listed
from torch.distributed.distributed_c10d import PrefixStore, Store

from lit_gan.functional.torch_seam import job_store
from lit_gan.strategies.peers.call_timeout import within

_Result = TypeVar("_Result")

_PATIENCE = timedelta(seconds=5)  # of a `get`, and of the connection; what is asked for is always there already


class StoreGone(Exception):  # noqa: N818 -- told to the user as a loss, not as an error of the store
    """The store does not answer any more: its message says since when, as what follows the name of its host."""


class JobStore:
    """The store behind the default process group, for a thread that must never be blocked by another's use of it.

    A torch client of a store serves one call at a time: a thread that waits in ``get`` locks the others out for as long
    as it waits. So this is a clone, with a connection of its own. And since a call on a store whose host is dead prints
    a page of C++ frames to stderr before it raises, a second, idle connection tells of the host's end beforehand.

    Args:
        prefix: What all keys begin with.

    Raises:
        ValueError: Without a process group.
    """

    def __init__(self, prefix: str) -> None:
        self._default = job_store()  # keeping it keeps rank 0's server alive
        clone = self._default.clone()
        clone.set_timeout(_PATIENCE)
        self._store = PrefixStore(prefix, clone)
        self._server = _server_of(self._default)
        self._idle = None if self._server is None else _connection_to(self._server)

    def ask(self, call: Callable[[Store], _Result], seconds: float) -> _Result:
        """What ``call`` gets from the store.

        Args:
            call: Asks one thing or several, nothing that waits for a key.
            seconds: How long the store may take; a call on a host that hangs would block for ever.

        Raises:
            StoreGone: If the store's host has ended or does not answer in time.
        """
        if self._has_ended():
            raise StoreGone("has ended")
        try:
            return within(seconds, lambda: call(self._store))
        except TimeoutError as error:
            raise StoreGone(f"has not answered for {seconds:g} s") from error
        except DistError as error:
            raise StoreGone("has ended") from error

    def close(self) -> None:
        """Gives the idle connection back; nothing can be asked after that."""
        if self._idle is not None:
            self._idle.close()

    def _has_ended(self) -> bool:
        """Whether the idle connection is closed, as a system does for a process that died, and no new one is taken."""
        if self._server is None or self._idle is None or _is_open(self._idle):
            return False
        self._idle.close()
        try:
            self._idle = _connection_to(self._server)  # a firewall may have closed the other
        except OSError:
            return True
        return False


def _connection_to(server: tuple[str, int]) -> socket.socket:
    connection = socket.create_connection(server, timeout=_PATIENCE.total_seconds())
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setblocking(False)
    return connection


def _is_open(connection: socket.socket) -> bool:
    """Nothing is ever sent over it: it can be read only at its end."""
    try:
        return connection.recv(1) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def held_by_torchrun() -> bool:
    """Whether an agent of torchrun holds the store, and not the process of rank 0."""
    return os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"


def _server_of(store: Store) -> tuple[str, int] | None:
    """Host and port of a store that has a server."""
    while isinstance(store, PrefixStore):
        store = store.underlying_store
    return (store.host, store.port) if isinstance(store, TCPStore) else None
