"""Which weights of finished runs are not needed any more."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lit_gan.runs.fingerprint import START_OPTIONS
from lit_gan.runs.layout import RunLayout
from lit_gan.runs.summary import RunSummary


def superfluous_weights(runs: Sequence[RunSummary]) -> dict[Path, int]:
    """The checkpoints of finished runs but the best, and their sizes in bytes.

    What is kept: ``best-*.ckpt``; where there is none, all but ``previous.ckpt``; files that ``checkpoint.filename``
    named; and whatever the configuration of another run names, which may be read once more.

    Args:
        runs: All runs that are known, not only those whose weights are to go.
    """
    named = {path for run in runs for path in _named_by(run)}
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


def _named_by(run: RunSummary) -> Iterator[Path]:
    """What its configuration names, from here and from wherever it may have been started: above its folder, mostly."""
    folders = (Path(), *run.path.absolute().parents)
    for name in _paths_in(run.config):
        yield from {(folder / name).resolve() for folder in folders}


def _paths_in(value: Any, *, is_path: bool = False) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _paths_in(item, is_path=key in START_OPTIONS)
    elif isinstance(value, list):
        for item in value:
            yield from _paths_in(item)
    elif isinstance(value, str) and (is_path or "/" in value or value.endswith(".ckpt")):
        yield value
