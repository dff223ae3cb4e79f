"""The model card beside an exported file: what it is of, how good that is, how it is loaded."""

import json
import math
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

import lit_gan.data
from lit_gan.exporting.export import Export
from lit_gan.exporting.loading_code import loading_code
from lit_gan.exporting.prior import draw_in_numpy
from lit_gan.reporting.run_data import RunData
from lit_gan.reporting.tables import Measure, Measured, ScoreRow, measured, score_tables
from lit_gan.runs.plain_data import dump_yaml

# Of those the error by the draw of the samples is that of a share.
_SHARES_OF_SAMPLES = ("precision", "memorization", "confident_share", "class_accuracy")
# Where it is not what `evaluation.num_samples` says.
_MEASURED_ON = {"near_duplicates": "at most 1,000 samples", "classifier_accuracy": "real images"}
_LIBRARIES = {"onnx": "onnx", "torchscript": "pytorch", "safetensors": "safetensors"}
_UNKNOWN = "not known"


@dataclass(frozen=True)
class Number:
    """A row of the table of metrics.

    Args:
        name: What was measured.
        value: What came out.
        error: Its standard error, where it is known.
        n: What it was measured on.
        split: Beside which data: those of ``test`` or ``val``.
        real: What real images have.
        reads: What it says.
    """

    name: str
    value: str
    error: str = ""
    n: str = ""
    split: str = ""
    real: str = ""
    reads: str = ""


def card(exported: Export, file: str, run: RunData | None, caption: str, picture: str | None) -> str:
    """A model card in Markdown, with the head that model hubs read.

    Args:
        exported: What was written.
        file: Its name.
        run: The run folder, where the checkpoint lies in one.
        caption: What the picture shows, or why there is none.
        picture: A file beside the card.
    """
    description, kind = exported.description, exported.file_format.name
    head = {
        "license": description["license"],
        "library_name": _LIBRARIES[kind],
        "pipeline_tag": "unconditional-image-generation",
        "tags": ["gan", "lit-gan"],
    }
    content = {
        "head": dump_yaml(head, allow_unicode=True),
        "title": file if run is None else f"{run.name}, {file}",
        "picture": picture,
        "caption": caption,
        "facts": _facts(exported, run),
        "description": description,
        "prior": {name: each for name, each in description["latent"].items() if name != "centres"},
        "draw": "\n".join(draw_in_numpy(description["latent"], 16, 'description["latent"]["centres"]')),
        "checked": exported.checked[0].upper() + exported.checked[1:],
        "format": kind,
        "code": loading_code(kind, file, description),
        "numbers": [] if run is None else numbers(run),
        "rounds_of_numbers": None if run is None else run.summary.rounds,
        "configuration": "" if run is None else _yaml(run.summary.config),
    }
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)  # noqa: S701
    environment.filters["cell"] = lambda value: " ".join(str(value).replace("|", "\\|").split())
    return environment.from_string((files("lit_gan.exporting") / "templates" / "card.md").read_text()).render(content)


def _yaml(config: dict[str, Any]) -> str:
    return dump_yaml(without_folders(config), allow_unicode=True)


def numbers(run: RunData) -> list[Number]:
    """The metrics of a run as it had them last, with what they were measured on, and their errors."""
    rows = [row for rows in score_tables([run]).values() for row in rows if row.kind != "paper"]
    scores = [_score(run, row) for row in sorted(rows, key=lambda row: row.kind != "run")]
    return scores + [_measure(run, measure, number) for measure, [number] in measured([run]) if number is not None]


def _score(run: RunData, row: ScoreRow) -> Number:
    name = "Parzen log-likelihood, nats" if row.kind == "run" else f"that of {row.name}"
    centres = row.centres or _num_samples(run, "parzen")
    images = run.scores.get(row.split, {}).get("rows", {}).get("this run", {}).get("images")
    on = [f"{num:,} {what}" for num, what in ((centres, "centres"), (images, "images")) if isinstance(num, int)]
    error = f"{row.error:.2g}" if math.isfinite(row.error) else ""
    return Number(name, f"{row.nats:.1f}", error, ", ".join(on), row.split)


def _measure(run: RunData, measure: Measure, number: Measured) -> Number:
    _, split = run.last(measure.name) or (None, "")
    num = number.num[0] if number.num else _num_samples(run, "evaluation")
    error = ""
    if measure.name in _SHARES_OF_SAMPLES and num:
        error = f"{100 * math.sqrt(max(number.value * (1 - number.value), 0) / num):.1f} %"
    on = _MEASURED_ON.get(measure.name, f"{num:,} samples" if num else "")
    real = "" if number.real is None else _shown(number.real, measure)
    return Number(measure.title, _shown(number.value, measure), error, on, split, real, measure.reads)


def _shown(value: float, measure: Measure) -> str:
    return f"{100 * value:.1f} %" if measure.percent else f"{value:.3g}"


def _num_samples(run: RunData, section: str) -> int | None:
    settings = run.summary.config.get(section)
    num = settings.get("num_samples") if isinstance(settings, dict) else None
    return num if isinstance(num, int) else None


def _facts(exported: Export, run: RunData | None) -> list[tuple[str, str]]:
    """What stands in the first table, by its name."""
    gan, description = exported.gan, exported.description
    weights = sum(each.numel() for each in gan.generator.parameters())
    licence = description["license"]
    average = "an average of its weights over the rounds" if description["averaged"] else "its weights as trained"
    facts = {
        "Licence": f"{licence} (nobody has said one: `--license NAME`)" if licence == "unknown" else licence,
        "Model": f"{description['gan']}, {type(gan.generator).__name__} of {weights:,} parameters: {average}",
        "Training": f"{description['rounds']:,} rounds" if description["rounds"] is not None else _UNKNOWN,
        "Data": _UNKNOWN if run is None else _data(run),
        "Seed": str(description["seed"]),
        "Written by": f"lit_gan {description['lit_gan']}",
    }
    return list((facts | ({} if run is None else _of_run(run))).items())


def _data(run: RunData) -> str:
    data = run.summary.config.get("data")
    if not isinstance(data, dict):
        return _UNKNOWN
    name = str(data.get("class_path"))
    kind = getattr(lit_gan.data, name.rpartition(".")[2], None) if name.startswith("lit_gan.data.") else None
    said = "" if kind is None else f" ({str(kind.__doc__).strip().partition(chr(10))[0].rstrip('.')})"
    arguments = json.dumps(without_folders(data.get("init_args") or {}), ensure_ascii=False)
    return f"`{name}`{said}, with `{arguments}`"


def _of_run(run: RunData) -> dict[str, str]:
    known = run.environment
    versions = known.get("versions")
    named = ", ".join(f"{name} {each}" for name, each in versions.items() if each) if isinstance(versions, dict) else ""
    commit = known.get("commit")
    changed = " with changes" if known.get("dirty") else ""
    whose = f" of {known.get('commit_of')}{changed}"
    command = shlex.join(_as_typed(run.summary.command))
    return {
        "Command": f"`{command}`" if command else _UNKNOWN,
        "Begun": f"{run.summary.started[:16].replace('T', ' ')} UTC; it ran {run.summary.seconds / 60:.1f} minutes",
        "Versions": named or _UNKNOWN,
        "Commit": f"`{commit}`{whose}" if commit else _UNKNOWN,
    }


def _as_typed(words: Sequence[str]) -> list[str]:
    """A command without the folders of whoever typed it."""
    return [_shortened(word) for word in words]


def without_folders(value: Any) -> Any:
    """A configuration whose absolute paths are their last names: a card travels, and whose folders these were does not.

    Example:
        >>> without_folders({"root": "/home/ada/pictures", "sizes": [32]})
        {'root': '.../pictures', 'sizes': [32]}
    """
    if isinstance(value, dict):
        return {key: without_folders(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [without_folders(each) for each in value]
    return _shortened(value) if isinstance(value, str) else value


def _shortened(text: str) -> str:
    """A path begins the text or what follows an ``=``, and may have another ``=`` in it."""
    return re.sub(r"(^|=)(/.*)", lambda found: f"{found[1]}.../{Path(found[2]).name}", text, count=1, flags=re.DOTALL)
