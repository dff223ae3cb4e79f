"""`report`: all of one run, or of several beside each other, on one page."""

import base64
import io
import json
import math
import shlex
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from PIL import Image

from lit_gan import __version__
from lit_gan.errors import UserError
from lit_gan.reporting.curves import learning_curves
from lit_gan.reporting.run_data import RunData
from lit_gan.reporting.tables import MEASURES, Measure, Measured, measured, score_tables, signs
from lit_gan.runs.plain_data import dump_yaml, json_text
from lit_gan.runs.summary import differences

_MOST_RUNS = 6  # colours that can be told apart
# Of all pictures of a page, encoded: one that opens on a phone.
_PICTURE_BYTES = 3_000_000
_FEWEST_FRAMES, _MOST_FRAMES = 8, 30
_LARGEST_PICTURE = 120_000  # as it is
_NARROWEST, _WIDEST = 250, 1000  # pixels

Shipped = Callable[[str], Path | None]


def write_report(folders: Sequence[Path], kind: str, shipped: Shipped, *, ended: tuple[str, str] | None = None) -> str:
    """A report on runs, as a text.

    Args:
        folders: Their run folders, at most six.
        kind: ``html``, ``md`` or ``json``.
        shipped: The file of a shipped configuration by its name.
        ended: How the runs stand and why, where their folders do not say it yet.

    Raises:
        UserError: If one of them is no run folder, or there are too many to be told apart.
    """
    if not 1 <= len(folders) <= _MOST_RUNS:
        raise UserError(f"{len(folders)} runs: expected 1 to {_MOST_RUNS}, whose lines can be told apart.")
    runs = [RunData.read(folder) for folder in folders]
    if ended is not None:
        runs = [replace(run, summary=replace(run.summary, status=ended[0], reason=ended[1])) for run in runs]
    if kind == "json":
        return json_text(_as_data(runs, shipped))
    content = _content(runs, shipped, with_pictures=kind == "html")
    text = _environment(html=kind == "html").from_string(_template(f"report.{kind}")).render(content)
    # The name of a file may hold bytes that are no text: a record has them as halves of letters.
    text = text.encode("utf-8", "replace").decode()
    return text if text.endswith("\n") else f"{text}\n"


# -- What it says ------------------------------------------------------------------------------------------------------


def _content(runs: Sequence[RunData], shipped: Shipped, *, with_pictures: bool) -> dict[str, Any]:
    several = len(runs) > 1
    runs = _named_in_short(runs)
    charts = learning_curves(runs) if with_pictures else []
    rows = measured(runs)
    missing = [f"{run.name}: {line}" if several else line for run in runs for line in run.missing]
    budget = _PICTURE_BYTES // len(runs)
    return {
        "version": __version__,
        "title": f"{len(runs)} runs compared" if several else runs[0].name,
        "several": several,
        "missing": missing,
        "scores": score_tables(runs),
        "measures": rows,
        "unmeasured": [measure.title for measure, row in rows if not any(row)],
        "charts": charts,
        "points": _as_json([chart.data() for chart in charts]),
        "differences": differences([run.summary for run in runs]) if several else {},
        "environment": _environment_rows(runs),
        "runs": [_of_run(run, shipped, budget if with_pictures else 0) for run in runs],
    }


def _named_in_short(runs: Sequence[RunData]) -> list[RunData]:
    """Of one configuration the runs have only their own names."""
    groups = {run.name.partition("/")[0] for run in runs}
    return [replace(run, name=run.name.partition("/")[2]) if len(groups) == 1 < len(runs) else run for run in runs]


def _of_run(run: RunData, shipped: Shipped, budget: int) -> dict[str, Any]:
    changes = run.changes(shipped)
    samples, left = _frames(run, budget) if budget else ([], 0)
    return {
        "name": run.name,
        "line": _line(run),
        "findings": [_in_words(finding) for finding in run.findings],
        "signs": signs(run),
        "command": shlex.join(run.summary.command),
        "shipped": None if changes is None else changes[0],
        "changes": {} if changes is None else changes[1],
        "configuration": dump_yaml(run.summary.config, allow_unicode=True),
        "samples": samples,
        "pictures": _pictures(run, left) if budget else [],
    }


def _line(run: RunData) -> str:
    summary = run.summary
    minutes, seconds = divmod(round(summary.seconds), 60)
    reason = f" ({summary.reason})" if summary.reason else ""
    return (
        f"{run.name}: {summary.status}{reason} after {summary.rounds:,} rounds, {minutes}:{seconds:02d} min, "
        f"begun {summary.started[:16].replace('T', ' ')} UTC"
    )


def _in_words(finding: dict[str, Any]) -> str:
    return (
        f"{finding.get('disease', 'something')} after round {finding.get('round', '?')}: "
        f"{finding.get('evidence', '')}. Try {finding.get('remedy', 'the diagnosis page')}."
    )


def _environment_rows(runs: Sequence[RunData]) -> list[tuple[str, list[str]]]:
    found: dict[str, list[str]] = {}
    for place, run in enumerate(runs):
        for name, value in _environment_of(run).items():
            found.setdefault(name, [""] * len(runs))[place] = value
    return list(found.items())


def _environment_of(run: RunData) -> dict[str, str]:
    known = run.environment
    hardware, versions = known.get("hardware"), known.get("versions")
    described = {name: known.get(name) for name in ("seed", "python", "platform", "commit", "dirty", "hostname")}
    described |= {f"version of {name}": each for name, each in versions.items()} if isinstance(versions, dict) else {}
    described |= hardware if isinstance(hardware, dict) else {}
    speed = run.metrics.columns.get("perf/images_per_second")
    if speed is not None:
        middle = sorted(speed.values)[len(speed.values) // 2]
        described["throughput"] = f"{middle:,.0f} images/s (median)"
    described["size of the folder"] = f"{run.summary.num_bytes / 1e6:.1f} MB"
    return {name: _setting(value) for name, value in described.items() if value is not None}


def _as_data(runs: Sequence[RunData], shipped: Shipped) -> dict[str, Any]:
    """All of it but the pictures and the curves, which are in ``metrics.csv``."""
    names = {measure.name for measure in MEASURES}
    found = []
    for run in runs:
        changes = run.changes(shipped)
        found.append(
            {
                **run.summary.as_dict(),
                "scores": run.scores,
                "measures": {name: run.last(name) for name in sorted(names) if run.last(name) is not None},
                "last": {name: column.last for name, column in run.metrics.columns.items()},
                "signs": [asdict(sign) for sign in signs(run)],
                "findings": run.findings,
                "environment": run.environment,
                "shipped": None if changes is None else changes[0],
                "changes": {} if changes is None else {key: list(values) for key, values in changes[1].items()},
                "missing": run.missing,
            }
        )
    tables = {group: list(map(asdict, rows)) for group, rows in score_tables(runs).items()}
    return {"runs": found, "scores": tables, "differences": differences([run.summary for run in runs])}


# -- Pictures ----------------------------------------------------------------------------------------------------------


def _frames(run: RunData, budget: int) -> tuple[list[dict[str, Any]], int]:
    """Samples of rounds that lie evenly, the first and the last among them, as many as there is room for."""
    if not run.samples:
        return [], budget
    widest, room = _WIDEST, 0
    while room < min(len(run.samples), _FEWEST_FRAMES) and widest > _NARROWEST:
        widest = widest if room == 0 else widest // 2
        last = _source(run.samples[-1][1], widest)
        room = max(int(budget * 0.7) // max(len(last or ""), 1), 1)
    num = min(len(run.samples), _MOST_FRAMES, room)
    places = sorted({round(place * (len(run.samples) - 1) / max(num - 1, 1)) for place in range(num)})
    places = places if num > 1 else [len(run.samples) - 1]
    frames = [{"round": run.samples[at][0], "source": _source(run.samples[at][1], widest)} for at in places]
    kept = [frame for frame in frames if frame["source"]]
    return kept, budget - sum(len(str(frame["source"])) for frame in kept)


def _pictures(run: RunData, budget: int) -> list[dict[str, Any]]:
    """The newest walk between latents, and what `lit-gan figures` has drawn; those for which there is room."""
    found = []
    for file in [*run.figures, *run.walks[-1:]]:
        source = _source(file)
        if source is not None and len(source) <= budget:
            budget -= len(source)
            walk = file in run.walks
            found.append({"title": "walks between latents" if walk else file.stem.replace("-", " "), "source": source})
    return found


def _source(file: Path, widest: int = _WIDEST) -> str | None:
    """A picture as part of a page, smaller where it is large; ``None`` where it cannot be read."""
    try:
        content = file.read_bytes()
        if len(content) <= _LARGEST_PICTURE or file.suffix != ".png":
            kind = file.suffix.removeprefix(".")
        else:
            content, kind = _smaller(content, widest), "webp"
    except (OSError, ValueError, SyntaxError):  # cut short, or no picture
        return None
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _smaller(content: bytes, widest: int) -> bytes:
    with Image.open(io.BytesIO(content)) as picture:
        shown = picture.convert("RGB")
    shown.thumbnail((widest, widest))
    out = io.BytesIO()
    shown.save(out, "WEBP", quality=85)
    return out.getvalue()


# -- How it is written -------------------------------------------------------------------------------------------------


def _template(name: str) -> str:
    return (files("lit_gan.reporting") / "templates" / name).read_text()


def _environment(*, html: bool) -> Environment:
    environment = Environment(autoescape=html, undefined=StrictUndefined, keep_trailing_newline=True)  # noqa: S701
    environment.filters |= {
        "nats": _nats,
        "signed": lambda value: f"{value:+.1f}",
        "plain": lambda value: f"{value:.1f}",
        "measure": _measure,
        "real": _real,
        "setting": _setting,
        "cell": lambda value: str(value).replace("|", "\\|").replace("\n", " "),
    }
    return environment


def _as_json(data: Any) -> Markup:
    """JSON that ends no script: what stands in it may be anybody's name."""
    text = json.dumps(data, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))  # noqa: S704


def _nats(value: float, error: float) -> str:
    return f"{value:.1f} ± {error:.1f}" if math.isfinite(error) else f"{value:.1f}"


def _measure(value: Measured | None, measure: Measure) -> str:
    return "-" if value is None else _with_num(value.value, value.num, measure)


def _real(row: Sequence[Measured | None], measure: Measure) -> str:
    """That of all runs; those of other data, or other numbers of images, one after the other."""
    known = [(each.real, each.real_num) for each in row if each is not None and each.real is not None]
    return "; ".join(_with_num(*each, measure) for each in dict.fromkeys(known))


def _with_num(value: float, num: tuple[int, int] | None, measure: Measure) -> str:
    number = f"{value:.1%}" if measure.percent else f"{value:.3g}"
    if num is None:
        return number
    return f"{number} ({num[0]:,})" if num[1] == 0 else f"{number} ({num[0]:,} : {num[1]:,})"


def _setting(value: Any) -> str:
    return "none" if value is None else value if isinstance(value, str) else json.dumps(value)
