"""A W&B run that keeps what it is told."""

from types import SimpleNamespace
from typing import Any


class _Config(dict[str, Any]):
    def update(self, values: dict[str, Any], *, allow_val_change: bool) -> None:  # type: ignore[override]
        super().update(values)


class FakeRun:
    """Keeps what is logged."""

    id, offline, resumed, disabled = "run", False, False, False

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.summary: dict[str, Any] = {}
        self.config = _Config()
        self.ended_with: int | None = None
        self.is_preempting = False
        self.settings = SimpleNamespace(sync_dir="")
        self._local_step = 0

    def define_metric(self, name: str, **how: Any) -> None:
        assert name in ("trainer/global_step", "*")

    def log(self, row: dict[str, Any], *, step: int, commit: bool) -> None:
        assert commit
        assert step >= self._local_step
        self._local_step = step + 1
        self.rows.append(row)

    def mark_preempting(self) -> None:
        self.is_preempting = True

    def finish(self, exit_code: int) -> None:
        self.ended_with = exit_code
