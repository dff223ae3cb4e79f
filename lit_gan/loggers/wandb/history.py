"""What W&B is to show of a run, read from the run folder, which holds all of it."""

import re
from pathlib import Path
from typing import Any

from lit_gan.loggers.metrics_table import MetricsTable
from lit_gan.runs.layout import RunLayout

# What stands before the number of rounds in the name of a picture, and under which name it is logged.
_PICTURES = {"round": "samples", "interpolation": "interpolations"}


def picture_file(folder: Path, key: str, rounds: int) -> Path | None:
    """The file in the run folder of a picture that is logged under a name after so many rounds."""
    for prefix, name in _PICTURES.items():
        file = folder / "samples" / f"{prefix}-{rounds:06d}.png"
        if name == key and file.is_file():
            return file
    return None


def rows_of(folder: Path, before: int | None = None) -> dict[int, dict[str, Any]]:
    """The numbers, as logged, and the files of pictures, by the index of their round; up to one that is left out."""
    layout = RunLayout(folder)
    rows: dict[int, dict[str, Any]] = {}
    if layout.metrics.is_file():
        for row in MetricsTable(layout.metrics).rows():
            values = {name: _number(text) for name, text in row.items() if name != "step"}
            rows[int(row["step"])] = values
    for file in sorted((folder / "samples").glob("*.png")):
        found = re.fullmatch(r"(\w+)-(\d+)", file.stem)
        if found and found[1] in _PICTURES and int(found[2]):
            rows.setdefault(int(found[2]) - 1, {})[_PICTURES[found[1]]] = file
    return {step: rows[step] for step in sorted(rows) if before is None or step < before}


def _number(text: str) -> Any:
    """The number that was logged."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
