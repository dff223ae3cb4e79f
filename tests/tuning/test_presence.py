"""Whether a worker lives, seen from here and from another machine."""

import dataclasses
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from trainings import ENVIRON

from lit_gan.runs.lock import RunLock
from lit_gan.runs.record import RunRecord
from lit_gan.tuning.presence import Presence, is_alive, new_worker


def test_a_worker_lives_until_it_says_that_it_does_not(tmp_path: Path) -> None:
    presence = Presence(tmp_path, "a")
    assert not is_alive(tmp_path, "a")

    presence.begin()
    assert is_alive(tmp_path, "a")
    presence.end()

    assert not is_alive(tmp_path, "a")
    assert not list(tmp_path.iterdir())


def test_a_killed_worker_is_dead_at_once_on_its_machine(tmp_path: Path) -> None:
    code = f"from pathlib import Path; from lit_gan.tuning.presence import Presence; p = Presence(Path({str(tmp_path)!r}), 'a'); p.begin(); import os; os.kill(os.getpid(), 9)"  # noqa: E501
    subprocess.run([sys.executable, "-c", code], env={**os.environ, **ENVIRON}, check=False)

    assert (tmp_path / "a.json").exists()
    assert not is_alive(tmp_path, "a")


def test_a_worker_of_another_machine_whose_lock_cannot_be_seen_lives_by_its_heartbeat(tmp_path: Path) -> None:
    elsewhere = dataclasses.replace(RunRecord.first({}), host="elsewhere")
    elsewhere.write(tmp_path / "a.json")
    assert is_alive(tmp_path, "a")

    old = (datetime.now(UTC) - timedelta(minutes=5)).isoformat()
    dataclasses.replace(elsewhere, heartbeat=old).write(tmp_path / "a.json")
    assert not is_alive(tmp_path, "a")


def test_it_beats_only_now_and_then(tmp_path: Path) -> None:
    presence = Presence(tmp_path, "a")
    presence.begin()
    written = (tmp_path / "a.json").stat().st_mtime_ns

    presence.beat()

    assert (tmp_path / "a.json").stat().st_mtime_ns == written
    presence.end()


def test_names_are_new(tmp_path: Path) -> None:
    assert len({new_worker() for _ in range(100)}) > 95
    assert not RunLock(tmp_path / "a.lock").is_held()
