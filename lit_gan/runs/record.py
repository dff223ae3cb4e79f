"""What ``run.json`` says of a run: how it stands, who writes it, and which configuration it has."""

import dataclasses
import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args

from lit_gan import __version__
from lit_gan.errors import UserError, in_short
from lit_gan.runs.atomic_write import write_atomically
from lit_gan.runs.fingerprint import fingerprint, plain
from lit_gan.runs.plain_data import read_json

Status = Literal["running", "stopped", "finished", "failed"]

#: The first word of the reason of a run that failed by NaN: going on from its checkpoint would only fail
#: again.
NAN = "nan"

# Four beats of 30 s: one may be lost to a busy file system and one to clocks that differ, and the run still
# counts as alive; a requeued Slurm job starts no earlier than that after its first life (the default of
# `scontrol requeue`).
FRESH_SECONDS = 120.0


# What a file may hold under each name, and the words for it.
_KINDS: dict[str, tuple[tuple[type, ...], str]] = {
    **dict.fromkeys(("status", "reason", "heartbeat", "host", "started", "fingerprint", "lit_gan"), ((str,), "a text")),
    **dict.fromkeys(("pid", "resumed"), ((int,), "a whole number")),
    **dict.fromkeys(("launch", "owner"), ((str, NoneType), "a text or null")),
    "config": ((dict,), "a mapping"),
}
_LARGEST_PID = 2**31 - 1


def _now() -> str:
    return datetime.now(UTC).isoformat()


@dataclass(frozen=True)
class RunRecord:
    """The content of ``run.json``.

    Args:
        status: ``running``, ``stopped`` (goes on when started again), ``finished`` or ``failed``.
        reason: Why it stopped or failed; begins with ``nan`` when the run cannot go on.
        heartbeat: When the record was last written, ISO 8601, UTC.
        pid: The writing process.
        host: Its machine.
        started: When the run was first started, ISO 8601, UTC.
        fingerprint: Of the resolved configuration.
        resumed: How many times the run went on after its first start.
        lit_gan: The version that wrote last.
        launch: The ``srun`` that started the ranks, by which the others find rank 0's choice.
        config: The resolved configuration itself, to say where another one differs.
        owner: Who the run belongs to (:func:`lit_gan.runs.ownership.owner_of`); None: nobody in particular.

    Example:
        >>> record = RunRecord.first({"seed_everything": 0})
        >>> record.status, record.resumable, record.marked("failed", "nan: the loss of the generator").resumable
        ('running', True, False)
    """

    status: Status
    reason: str
    heartbeat: str
    pid: int
    host: str
    started: str
    fingerprint: str
    resumed: int
    lit_gan: str
    launch: str | None
    config: dict[str, Any]
    owner: str | None

    @classmethod
    def first(cls, config: Mapping[str, Any], launch: str | None = None, owner: str | None = None) -> "RunRecord":
        """The record of a run that starts now, in this process.

        Args:
            config: The resolved configuration.
            launch: See :class:`RunRecord`.
            owner: See :class:`RunRecord`.
        """
        return cls(
            status="running",
            reason="",
            heartbeat=_now(),
            pid=os.getpid(),
            host=socket.gethostname(),
            started=_now(),
            fingerprint=fingerprint(config),
            resumed=0,
            lit_gan=__version__,
            launch=launch,
            config=plain(config),
            owner=owner,
        )

    def again(self, launch: str | None = None, owner: str | None = None) -> "RunRecord":
        """The record of the same run that goes on now, in this process.

        Args:
            launch: See :class:`RunRecord`.
            owner: See :class:`RunRecord`.
        """
        now = RunRecord.first(self.config, launch, owner)
        return dataclasses.replace(now, started=self.started, resumed=self.resumed + 1)

    def marked(self, status: Status, reason: str) -> "RunRecord":
        """The record with another status.

        Args:
            status: The new one.
            reason: Why it stopped or failed; empty where it did neither.
        """
        return dataclasses.replace(self, status=status, reason=reason, heartbeat=_now())

    def beaten(self) -> "RunRecord":
        """The record with the heartbeat of this moment."""
        return dataclasses.replace(self, heartbeat=_now())

    @property
    def resumable(self) -> bool:
        """Whether ``--resume auto`` may go on with the run, once its writer is gone."""
        by_nan = self.status == "failed" and self.reason.casefold().startswith(NAN)
        return self.status != "finished" and not by_nan

    def beats(self, *, locks_work: bool) -> bool:
        """Whether the run counts as alive by its heartbeat, although its lock is free.

        Args:
            locks_work: Whether the file system keeps locks: a free one then proves that a process of this
                machine is dead.
        """
        if self.host == socket.gethostname() and (locks_work or not _process_exists(self.pid)):
            return False
        age = datetime.now(UTC) - datetime.fromisoformat(self.heartbeat)
        return self.status == "running" and abs(age.total_seconds()) < FRESH_SECONDS

    def write(self, path: Path) -> None:
        """Replace ``run.json`` atomically.

        Args:
            path: The file.

        Raises:
            OSError: With the path, when it cannot be written.
        """
        write_atomically(path, json.dumps(dataclasses.asdict(self), indent=2) + "\n")


def read_record(path: Path) -> RunRecord | None:
    """Reads ``run.json``; None where there is no such file."""
    try:
        content = {"owner": None, **read_json(path)}  # early records name no owner
        # Keys of a later version are left aside; a missing one is an error.
        record = RunRecord(**{field.name: content[field.name] for field in dataclasses.fields(RunRecord)})
        _check(record)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        reason = in_short(f"{type(error).__name__}: {error}")
        raise UserError(
            f"{path} is not the record of a run ({reason}): put it back as it was, or start a new run with "
            "--resume never."
        ) from error
    return record


def _check(record: RunRecord) -> None:
    for name, (kinds, expected) in _KINDS.items():
        if type(getattr(record, name)) not in kinds:
            raise TypeError(f"{name} is {getattr(record, name)!r:.40}, expected {expected}")
    if record.status not in get_args(Status):
        raise ValueError(f"status is {record.status!r:.40}, expected one of {', '.join(get_args(Status))}")
    if not 0 < record.pid <= _LARGEST_PID or record.resumed < 0:  # the system takes others for groups of processes
        raise ValueError(f"process {record.pid}, resumed {record.resumed} times, cannot be")
    if datetime.fromisoformat(record.heartbeat).tzinfo is None:
        raise ValueError(f"heartbeat {record.heartbeat!r:.40} has no time zone")


def _process_exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)  # signal 0 only asks
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True
