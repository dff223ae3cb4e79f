"""All that a report says of one run, read from its folder; what is not there is said."""

import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lit_gan.runs.fingerprint import leaves_of
from lit_gan.runs.layout import RunLayout
from lit_gan.runs.metrics_file import Metrics, read_metrics
from lit_gan.runs.plain_data import parse_yaml, read_json
from lit_gan.runs.summary import RunSummary


@dataclass(frozen=True)
class RunData:
    """A run as its folder has it.

    Args:
        name: As in ``mnist/20261129-202613``.
        summary: The run at a glance.
        metrics: All its numbers.
        scores: ``scores.json``: by split.
        environment: ``environment.json``.
        findings: ``diagnosis.json``.
        samples: Pictures of the same latents, by round.
        walks: Pictures of walks between latents, the newest last.
        figures: Pictures that `lit-gan figures` drew.
        missing: What there is not, a line each.
    """

    name: str
    summary: RunSummary
    metrics: Metrics
    scores: dict[str, Any]
    environment: dict[str, Any]
    findings: list[dict[str, Any]]
    samples: list[tuple[int, Path]]
    walks: list[Path]
    figures: list[Path]
    missing: list[str]

    @classmethod
    def read(cls, path: Path) -> "RunData":
        """Reads a run folder, whatever its run has come to.

        Raises:
            UserError: If it is none.
        """
        summary, layout = RunSummary.of(path), RunLayout(path)
        missing: list[str] = []

        def content(file: Path, kind: type, otherwise: str) -> Any:
            try:
                found = read_json(file)
            except FileNotFoundError:
                missing.extend([f"{file.name}: there is none; {otherwise}"] if otherwise else [])
                return kind()
            except (OSError, ValueError) as error:
                missing.append(f"{file.name}: it cannot be read ({' '.join(str(error).split())})")
                return kind()
            if isinstance(found, kind):
                return found
            missing.append(f"{file.name}: expected a JSON {'object' if kind is dict else 'list'}")
            return kind()

        metrics = read_metrics(layout.metrics)
        missing += metrics.faults
        without = "the score stands alone until `lit-gan test` has compared it with real images"
        scores = _sound(content(layout.scores, dict, without if _is_scored(metrics) else ""), missing)
        environment = content(layout.environment, dict, "versions and hardware are not known")
        samples = _numbered(path / "samples", "round")
        if not samples:
            missing.append("samples/: no picture of samples yet")
        return cls(
            name="/".join(path.absolute().parts[-2:]),
            summary=summary,
            metrics=metrics,
            scores=scores,
            environment=environment,
            findings=[each for each in content(layout.diagnosis, list, "") if isinstance(each, dict)],
            samples=samples,
            walks=[file for _, file in _numbered(path / "samples", "interpolation")],
            figures=sorted(file for file in (path / "figures").glob("*") if file.suffix in (".png", ".gif", ".webp")),
            missing=missing,
        )

    def last(self, name: str) -> tuple[float, str] | None:
        """The last number of an evaluation by its name without a prefix, and where it comes from: of a test, if any."""
        for split in ("test", "val"):
            value = self.metrics.last(f"{split}/{name}")
            if value is not None:
                return value, split
        return None

    def real(self, name: str, split: str) -> dict[str, Any] | None:
        """What real images in the place of samples have, and of how many that is; where it is known."""
        numbers = self.scores.get(split, {}).get("real_images")
        found = numbers.get(name) if isinstance(numbers, dict) else None
        keys = ("value", "images", "beside", "samples", "reference")
        sound = isinstance(found, dict) and all(_is_number(found.get(key)) for key in keys)
        return found if sound else None

    def changes(self, shipped: Callable[[str], Path | None]) -> tuple[str, dict[str, tuple[Any, Any]]] | None:
        """The shipped configuration of the run's name, and what of it is another value here: what it says, what is.

        Args:
            shipped: The file of a shipped configuration by its name.
        """
        name = self.summary.path.absolute().parent.name
        file = shipped(name)
        if file is None:
            return None
        with suppress(OSError, yaml.YAMLError):
            said = leaves_of(parse_yaml(file.read_text()) or {})
            here = leaves_of(self.summary.config)
            apart = {key: (value, here.get(key)) for key, value in said.items() if not _same(value, here.get(key))}
            return name, {key: values for key, values in apart.items() if "${" not in str(values[0])}
        return None


def _is_scored(metrics: Metrics) -> bool:
    return any(name.endswith("/parzen_nll") for name in metrics.columns)


def _sound(scores: dict[str, Any], missing: list[str]) -> dict[str, Any]:
    """Those splits whose rows have what a table needs."""
    found = {}
    for split, content in scores.items():
        rows = content.get("rows") if isinstance(content, dict) else None
        if (
            isinstance(rows, dict)
            and all(map(_is_row, rows.values()))
            and isinstance(content.get("real_images", {}), dict)
        ):
            found[str(split)] = content
        else:
            missing.append(f"scores.json: what it says of {split!r} cannot be read")
    return found


def _is_row(row: Any) -> bool:
    """Whether a row has a score; only its errors may be unknown (NaN), as that of a single image is."""
    if not isinstance(row, dict) or not _is_number(row.get("log_likelihood")):
        return False
    error, *paired = (row.get(key) for key in ("error", "this_run_minus_it", "paired_error"))
    return _is_number(error, unknown=True) and all(each is None or _is_number(each, unknown=True) for each in paired)


def _is_number(value: Any, *, unknown: bool = False) -> bool:
    """Whether a float can hold it; a whole number in a file may be any."""
    return isinstance(value, int | float) and (abs(value) <= sys.float_info.max or (unknown and value != value))  # noqa: PLR0124 -- NaN


def _numbered(folder: Path, prefix: str) -> list[tuple[int, Path]]:
    found = []
    for file in folder.glob(f"{prefix}-*.png"):
        number = file.stem.removeprefix(f"{prefix}-")
        if number.isdecimal():
            found.append((int(number), file))
    return sorted(found)


def _same(said: Any, value: Any) -> bool:
    """Whether a file's value is what the run has, which names classes in full and writes defaults out."""
    if isinstance(said, dict) and isinstance(value, dict):
        return all(_same(each, value.get(key)) for key, each in said.items())
    if isinstance(said, list) and isinstance(value, list):
        return len(said) == len(value) and all(map(_same, said, value))
    if isinstance(said, str) and isinstance(value, str):
        return value == said or value.rpartition(".")[2] == said
    return bool(said == value)
