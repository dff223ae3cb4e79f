"""Which weights of finished runs are not needed any more."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lit_gan.runs.fingerprint import leaves_of
from lit_gan.runs.layout import RunLayout
from lit_gan.runs.summary import RunSummary


def superfluous_weights(runs: Sequence[RunSummary]) -> dict[Path, int]:
    """The checkpoints of finished runs but the best, and their sizes in bytes.

    What is kept: ``best-*.ckpt``; where there is none, all but ``previous.ckpt``; files that ``checkpoint.filename``
    named; and whatever the configuration of another run names, which may be read once more.

    Args:
        runs: All runs that are known.
    """
    named = {path for run in runs for path in _paths_in(run.config)}
    found = {}
    for run in runs:
        if run.status != "finished":
            continue
        folder = run.path / "checkpoints"
        if {run.path.resolve(), folder.resolve()} & named:
            continue
        for path in _of_run(run, folder):
            if path.resolve() not in named:
                found[path] = path.lstat().st_size
    return found


def delete(runs: Sequence[RunSummary], files: Sequence[Path]) -> int:
    """Deletes files of runs that are still not written by anybody; returns how many bytes that gave."""
    freed = 0
    for run in runs:
        folder = RunLayout(run.path)
        mine = [path for path in files if path.is_relative_to(run.path)]
        if not mine or RunSummary.of(folder.path).status != "finished":
            continue
        for path in mine:
            freed += path.lstat().st_size
            path.unlink()
    return freed


def _of_run(run: RunSummary, folder: Path) -> Iterator[Path]:
    own_names = (run.config.get("checkpoint") or {}).get("filename") is not None
    paths = sorted(folder.glob("*.ckpt"))
    best = [path for path in paths if path.name.startswith("best-")]
    kept = {os.path.realpath(path) for path in best}
    for path in paths:
        named = own_names and path.name not in ("last.ckpt", "previous.ckpt")
        needed = path in best or named or (not best and path.name != "previous.ckpt")
        if not needed and (path.is_symlink() or os.path.realpath(path) not in kept):
            yield path


def _paths_in(config: dict[str, Any]) -> Iterator[Path]:
    for value in leaves_of(config).values():
        if isinstance(value, str) and ("/" in value or value.endswith(".ckpt")):
            yield Path(value).resolve()
