"""What ranks tell each other of one that is lost."""

import json
import os
import re
import socket
import traceback
from dataclasses import asdict, dataclass

from torch.distributed import DistError

_LONGEST = 500  # characters of an error's message; some hold a page
_LAST_LINES = 12  # of a traceback

# How gloo, NCCL and their stores say that somebody else has gone.
_OF_A_CONNECTION = re.compile(r"gloo|NCCL|c10d|Connection (closed|reset|refused)|Broken pipe")


@dataclass(frozen=True)
class Place:
    """Where a rank runs."""

    rank: int
    pid: int
    host: str

    @classmethod
    def here(cls, rank: int) -> "Place":
        """This process, as the place of a rank."""
        return cls(rank, os.getpid(), socket.gethostname())

    def written(self) -> str:
        """As text, for the store."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, text: bytes) -> "Place":
        """From the store's text."""
        return cls(**json.loads(text))

    def __str__(self) -> str:
        return f"rank {self.rank} (process {self.pid} on {self.host})"


@dataclass(frozen=True)
class RankLoss:
    """One rank's end, as the others hear of it.

    Args:
        rank: Which is lost.
        by: The rank that tells.
        host: Where.
        told: The message, one line.
        error: The error, if it was one: the same on two ranks is nobody's consequence.
        trace: The last lines of its traceback, for the ranks on other machines.
    """

    rank: int
    by: int
    host: str
    told: str
    error: str = ""
    trace: tuple[str, ...] = ()

    @classmethod
    def of(cls, error: BaseException, place: Place) -> "RankLoss":
        """The loss of a rank by an exception.

        Example:
            >>> RankLoss.of(ZeroDivisionError("division by zero"), Place(1, 4242, "node7")).told
            'rank 1 (process 4242 on node7) failed: ZeroDivisionError: division by zero'
        """
        message = " ".join(str(error).split())
        message = message if len(message) <= _LONGEST else message[: _LONGEST - 3] + "..."
        text = f"{type(error).__name__}: {message}" if message else type(error).__name__
        lines = "".join(traceback.format_exception(error)).splitlines()
        return cls(place.rank, place.rank, place.host, f"{place} failed: {text}", text, tuple(lines[-_LAST_LINES:]))

    def written(self) -> str:
        """As text, for the store."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, text: bytes) -> "RankLoss":
        """From the store's text."""
        values = json.loads(text)
        return cls(**{**values, "trace": tuple(values["trace"])})

    def lines(self, host: str) -> str:
        """What is printed on a host: the end of the traceback if it stands on another one, then the message."""
        trace = self.trace if self.host != host else ()
        return "".join(f"rank {self.rank} | {line}\n" for line in trace) + f"lit-gan: failed: {self.told}\n"


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
