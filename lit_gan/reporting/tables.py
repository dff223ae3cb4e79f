"""The tables of a report: Table 1 of the paper with a run's row, what keeps a score honest, how healthy a game is."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from lit_gan.evaluation.diagnosis import AHEAD, COLLAPSED, COVERED
from lit_gan.reporting.run_data import RunData

#: Table 1 of the paper: nats and their error.
PUBLISHED = {
    "MNIST": {
        "DBN": (138.0, 2.0),
        "Stacked CAE": (121.0, 1.6),
        "Deep GSN": (214.0, 1.1),
        "Adversarial nets": (225.0, 2.0),
    },
    "TFD": {
        "DBN": (1909.0, 66.0),
        "Stacked CAE": (2110.0, 50.0),
        "Deep GSN": (1890.0, 29.0),
        "Adversarial nets": (2057.0, 26.0),
    },
}
_THIS_RUN = "this run"
_OF_A_PART = re.compile(r"_num(_|$)|^class_accuracy_")  # how many images, and single classes


@dataclass(frozen=True)
class ScoreRow:
    """A row of the table of scores.

    Args:
        name: Whose score.
        kind: ``paper``, ``run`` or ``baseline``.
        nats: Mean log-likelihood.
        error: Its standard error.
        centres: How many samples or images the windows stand on.
        split: What was scored: ``test`` or ``val``; of the paper's ``test``.
        difference: How far the run lies above this row on the same images, and the paired error.
    """

    name: str
    kind: str
    nats: float
    error: float
    centres: int | None = None
    split: str = "test"
    difference: tuple[float, float] | None = None


def data_set_of(run: RunData) -> str | None:
    """The column of Table 1 that a run's data have."""
    data = run.summary.config.get("data")
    name = str(data.get("class_path", "")).rpartition(".")[2] if isinstance(data, dict) else ""
    return {"MNISTDataModule": "MNIST", "TFDDataModule": "TFD"}.get(name)


def score_tables(runs: Sequence[RunData]) -> dict[str, list[ScoreRow]]:
    """A table for each set of data among the runs, the best first."""
    tables: dict[str, list[ScoreRow]] = {}
    for run in runs:
        column = data_set_of(run)
        group = column or run.summary.path.absolute().parent.name
        own = _rows_of(run, len(runs) > 1)
        if own and group not in tables:
            published = PUBLISHED.get(column or "", {})
            tables[group] = [ScoreRow(name, "paper", *numbers) for name, numbers in published.items()]
        if own:
            tables[group] += own
    return {group: sorted(rows, key=lambda row: -row.nats) for group, rows in tables.items()}


def _rows_of(run: RunData, several: bool) -> list[ScoreRow]:
    """The run's own row and those of what was scored on the same images; of a test, where there was one."""
    name = run.name if several else _THIS_RUN
    for split in ("test", "val"):
        scores = run.scores.get(split)
        if scores is not None and _THIS_RUN in scores["rows"]:
            return [_row(key, row, split, name, several) for key, row in scores["rows"].items()]
        nll, error = (run.metrics.last(f"{split}/parzen_{each}") for each in ("nll", "se"))
        if nll is not None:
            return [ScoreRow(name, "run", -nll, error or math.nan, None, split)]
    return []


def _row(key: str, row: dict[str, Any], split: str, name: str, several: bool) -> ScoreRow:
    paired = row.get("this_run_minus_it"), row.get("paired_error")
    known = paired if all(isinstance(each, (int, float)) for each in paired) else None
    own = key == _THIS_RUN
    shown = name if own else f"{key} (of {name})" if several else key
    centres = row.get("centres")
    return ScoreRow(
        shown,
        "run" if own else "baseline",
        float(row["log_likelihood"]),
        float(row["error"]),
        centres if isinstance(centres, int) else None,
        split,
        None if own or known is None else (float(known[0] or 0.0), float(known[1] or 0.0)),
    )


@dataclass(frozen=True)
class Measure:
    """A number that a score is to be read beside.

    Args:
        name: As it is logged, without what stands before the slash.
        title: In words.
        reads: What it says, and which values are good.
        real: The logged name of what real images have, where nobody has put such in the place of samples.
        percent: Whether it is a share.
    """

    name: str
    title: str
    reads: str
    real: str | None = None
    percent: bool = True


MEASURES = (
    Measure("precision", "precision", "share of samples that lie among real images"),
    Measure("recall", "recall", "share of real images that lie among samples"),
    Measure("density", "density", "how densely real images lie around samples; 1 for real ones", percent=False),
    Measure("coverage", "coverage", "share of real images with a sample in their neighbourhood"),
    Measure(
        "memorization",
        "memorisation",
        "share of samples nearer to a training image than those are to each other",
        "memorization_real",
    ),
    Measure(
        "near_duplicates", "near-duplicates", "share of samples that nearly repeat another one", "near_duplicates_real"
    ),
    Measure("confident_share", "confident", "share of samples that the reference classifier is sure of (above 0.9)"),
    Measure("classifier_accuracy", "classifier's accuracy", "of the reference classifier, on real test images"),
    Measure("class_accuracy", "class accuracy", "share of samples read as the class that was asked for"),
    Measure("class_entropy", "class entropy", "evenness of the classes, in nats; log 10 for ten alike", percent=False),
    Measure(
        "class_kl", "class imbalance", "from training images, in nats; 0 where each class has its share", percent=False
    ),
    Measure("classes_covered", "classes covered", "share of the classes that have a tenth of their samples"),
    Measure("modes_covered", "modes covered", "share of the modes that have a tenth of their samples"),
    Measure("frechet_distance", "Fréchet distance", "between features of samples and of real images", percent=False),
)
#: Beside a score they are missed, if nothing measures them.
EXPECTED = ("precision", "coverage", "memorization", "confident_share")


@dataclass(frozen=True)
class Measured:
    """A number of a run, beside that of real images.

    Args:
        value: The number.
        num: Of how many samples, and of how many real images beside them (0: none), where that is known.
        real: What real images in the place of samples have, where that is known.
        real_num: Of how many images, and beside how many others, likewise.
    """

    value: float
    num: tuple[int, int] | None = None
    real: float | None = None
    real_num: tuple[int, int] | None = None


def measured(runs: Sequence[RunData]) -> list[tuple[Measure, list[Measured | None]]]:
    """Each measure that a run has, or should have, and the number of each run."""
    further = [Measure(name, name, "", percent=False) for name in _of_other_metrics(runs)]
    found = [(measure, [_measured(run, measure) for run in runs]) for measure in (*MEASURES, *further)]
    return [(measure, row) for measure, row in found if any(row) or measure.name in EXPECTED]


def _measured(run: RunData, measure: Measure) -> Measured | None:
    last = run.last(measure.name)
    if last is None:
        return None
    value, split = last
    real = run.real(measure.name, split)
    if real is not None:
        nums = (real["samples"], real["reference"]), (real["images"], real["beside"])
        return Measured(value, nums[0], float(real["value"]), nums[1])
    return Measured(value, None, None if measure.real is None else run.metrics.last(f"{split}/{measure.real}"))


def _of_other_metrics(runs: Sequence[RunData]) -> list[str]:
    """The names of numbers that real images have, and the table has no words for."""
    known = {measure.name for measure in MEASURES} | {measure.real for measure in MEASURES}
    names = [name for run in runs for scores in run.scores.values() for name in scores.get("real_images") or ()]
    return [name for name in dict.fromkeys(names) if name not in known and not _OF_A_PART.search(name)]


@dataclass(frozen=True)
class Sign:
    """A sign of health: a quantity, its value, and the range in which nothing is wrong.

    Args:
        title: What it is.
        value: The last value, as it is shown.
        normal: The range, in words.
        sound: Whether it lies there.
        advice: What to do outside it.
    """

    title: str
    value: str
    normal: str
    sound: bool
    advice: str


def signs(run: RunData) -> list[Sign]:
    """The signs of a run's health that its numbers allow to read."""
    last = run.metrics.last
    found = [
        _sign("D's lead (val/d_lead)", last("val/d_lead"), f"below {AHEAD}", lambda value: value < AHEAD,
              "D wins: larger first weights of G, a lower rate of D, one step of D in a round"),
        _sign("D of examples (val/d_real)", last("val/d_real"), "0.3 to 0.8", lambda value: 0.3 <= value <= 0.8,
              "near 1: D wins; below its train/d_real by far: D knows its examples by heart, augment them"),
        _sign("D of samples (val/d_fake)", last("val/d_fake"), "0.2 to 0.7", lambda value: 0.2 <= value <= 0.7,
              "near 0: D wins; above D of examples: D is behind, give it more steps or a higher rate"),
        _sign("JSD bound (val/jsd_bound)", last("val/jsd_bound"), "-0.05 to 0.35",
              lambda value: -0.05 <= value <= 0.35,
              "near log 2 = 0.69: D tells all samples from examples; far below 0: D is worse than a guess"),
        _beside_real(run, "near_duplicates", "near-duplicates", COLLAPSED,
                     "G collapses: a higher rate of D, or more steps of D in a round"),
        _sign("classes covered", last("val/classes_covered"), f"at least {COVERED}", lambda value: value >= COVERED,
              "modes are lost: more steps of D, larger minibatches"),
        _sign("modes covered", last("val/modes_covered"), f"at least {COVERED}", lambda value: value >= COVERED,
              "modes are lost: more steps of D, larger minibatches"),
        _memorization(run),
        *(_gradients(run, player) for player in ("g", "d")),
    ]  # fmt: skip
    return [sign for sign in found if sign is not None]


def _sign(title: str, value: float | None, normal: str, sound: Callable[[float], bool], advice: str) -> Sign | None:
    return None if value is None else Sign(title, f"{value:.3g}", normal, sound(value), advice)


def _beside_real(run: RunData, name: str, title: str, most: float, advice: str) -> Sign | None:
    value, real = run.metrics.last(f"val/{name}"), run.metrics.last(f"val/{name}_real")
    if value is None or real is None:
        return None
    normal = f"at most {real + most:.0%} (real images {real:.0%})"
    return Sign(f"{title} (val/{name})", f"{value:.1%}", normal, value - real <= most, advice)


def _memorization(run: RunData) -> Sign | None:
    value, real = run.metrics.last("val/memorization"), run.metrics.last("val/memorization_real")
    if value is None or real is None:
        return None
    most = (1 + real) / 2
    advice = "training images are learnt by heart: augment, more images, a shorter training"
    return Sign("memorisation (val/memorization)", f"{value:.1%}", f"at most {most:.0%} (real images {real:.0%})",
                value <= most, advice)  # fmt: skip


def _gradients(run: RunData, player: str) -> Sign | None:
    """Those of the last tenth of the rounds against those of all of them."""
    column = run.metrics.columns.get(f"train/grad_norm_{player}")
    if column is None or len(column.values) < 10:
        return None
    everything = sorted(column.values)
    usual, late = everything[len(everything) // 2], sorted(column.values[-len(column.values) // 10 :])
    value = late[len(late) // 2]
    sound = usual > 0 and 0.05 <= value / usual <= 20
    advice = "vanishing: D wins, or the rate is over; growing: lower rates, clip_g and clip_d, R1"
    title = f"gradient of {player.upper()} (train/grad_norm_{player})"
    return Sign(
        title, f"{value:.3g}", f"{0.05 * usual:.2g} to {20 * usual:.2g} (its median: {usual:.2g})", sound, advice
    )
