"""What ranks tell each other of one that is lost."""

import json
import os
import re
import socket
from dataclasses import asdict, dataclass
from typing import Self

from torch.distributed import DistError
from torch.distributed.distributed_c10d import Store

_LONGEST = 500  # characters of an error's message; some hold a page

# How gloo, NCCL and their stores say that somebody else has gone.
_OF_A_CONNECTION = re.compile(r"gloo|NCCL|c10d|Connection (closed|reset|refused)|Broken pipe")


@dataclass(frozen=True)
class Place:
    """Where a rank runs."""

    rank: int
    pid: int
    host: str

    @classmethod
    def here(cls, rank: int) -> Self:
        """This process, as the place of a rank."""
        return cls(rank, os.getpid(), socket.gethostname())

    @classmethod
    def find(cls, store: Store, rank: int) -> Self | None:
        """What a rank has written down, if it has."""
        key = f"place/{rank}"
        return cls(**json.loads(store.get(key))) if store.check([key]) else None

    def write(self, store: Store) -> None:
        """For the others to name this rank when it is gone."""
        store.set(f"place/{self.rank}", json.dumps(asdict(self)))

    def __str__(self) -> str:
        return f"rank {self.rank} (process {self.pid} on {self.host})"


@dataclass(frozen=True)
class RankLoss:
    """One rank's end, as the rank ``by`` tells the others; the same ``error`` on two is nobody's consequence."""

    rank: int
    by: int
    message: str
    error: str = ""

    @classmethod
    def of(cls, error: BaseException, place: Place) -> Self:
        """The loss of a rank by an exception.

        Example:
            >>> RankLoss.of(ZeroDivisionError("division by zero"), Place(1, 4242, "node7")).message
            'rank 1 (process 4242 on node7) failed: ZeroDivisionError: division by zero'
        """
        text = " ".join(str(error).split())
        text = text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
        return cls(place.rank, place.rank, f"{place} failed: {text}", text)

    @classmethod
    def find(cls, store: Store) -> Self | None:
        """The first loss of the job, if there is one."""
        return cls(**json.loads(store.get("loss"))) if store.check(["loss"]) else None

    def write(self, store: Store) -> "RankLoss":
        """Makes this the job's loss, unless there is one already: the first is returned."""
        return RankLoss(**json.loads(store.compare_set("loss", "", json.dumps(asdict(self)))))


def may_be_a_consequence(error: BaseException) -> bool:
    """Whether an error says no more than that the connection to somebody else is gone.

    Example:
        >>> may_be_a_consequence(RuntimeError("[gloo/transport/tcp/pair.cc:561] Connection closed by peer [::1]:34471"))
        True
        >>> may_be_a_consequence(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
        False
    """
    if isinstance(error, (DistError, ConnectionError)):
        return True
    return isinstance(error, RuntimeError) and _OF_A_CONNECTION.search(str(error)) is not None
