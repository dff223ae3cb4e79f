"""`lit-gan baselines`: what real images, k-means centres, the mean image and noise score on a data set's protocol."""

import math
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningDataModule
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor

import lit_gan.data  # noqa: F401 -- short class names in YAML resolve among what is imported
from lit_gan.callbacks.evaluation_images import EvaluationImages, folds_of
from lit_gan.callbacks.parzen_evaluation import ParzenEvaluation
from lit_gan.callbacks.parzen_score import ParzenScore, load_scores, over_folds, protocol_key, save_scores
from lit_gan.callbacks.sample_budget import budget_of_test
from lit_gan.cli.parsing.as_typed import told_as_typed
from lit_gan.cli.parsing.interpolation import interpolated
from lit_gan.cli.parsing.parser import Parser, ShippedConfigFile
from lit_gan.cli.parsing.unbuilt import told_of_what_is_built
from lit_gan.errors import UserError
from lit_gan.metrics.baselines import baseline_centres
from lit_gan.metrics.parzen import ParzenNLL
from lit_gan.metrics.parzen_warnings import ParzenWarning

_CACHE = Path("runs") / "baselines"
# Of a shipped configuration, what says nothing about the data or the protocol.
_OTHER_KEYS = (
    *("model", "trainer", "sample_grid", "checkpoint", "num_threads", "seed_everything"),
    *("wandb", "run_dir", "resume", "ckpt_path"),
)
_CAVEATS = (
    "Nats per test image, higher is better. The number of centres is part of a score; an error covers the test images "
    "only, not the draw of the centres; blur and cluster centres score above real images: read docs/how-to/parzen.md."
)


def main(verb: str, arguments: list[str]) -> int:
    """Scores the baselines, shows them, and keeps them to be shown beside any model's score."""
    parser = _parser(verb)
    try:
        with told_as_typed(verb, arguments), interpolated(parser, arguments) as values:
            options = parser.parse_args(values)
        with told_of_what_is_built():
            built = parser.instantiate_classes(options)
    except SystemExit as ending:  # --help
        return int(ending.code or 0)
    data, parzen = built.data, built.parzen
    if parzen.num_samples == 0:
        raise UserError(f"--parzen.num_samples {parzen.num_samples}: expected at least 1, as many as models draw.")
    if not hasattr(data, "evaluation_folds"):
        raise UserError(f"--data {type(data).__name__}: expected a data module of lit_gan.data.")
    data.prepare_data()
    folds = folds_of(data)
    num = parzen.num_samples or budget_of_test(math.prod(data.image_shape)).num  # as many as a test draws
    scores = {
        name: _score(centres, folds, parzen.sigma)
        for name, centres in track(_centres(data, folds[0], num).items(), "scoring")
    }
    target = _file(folds, parzen.sigma)
    save_scores(target, {**load_scores(target), **scores})
    show(scores)
    print(f"lit-gan: kept in {target}")
    return 0


def show_beside(evaluation: ParzenEvaluation, name: str) -> None:
    """Shows the score of a test between those of the baselines and of other models on the same images, and keeps it."""
    score = evaluation.score
    if score is None:
        return
    file = _file(evaluation.test_images, evaluation.sigma)
    scores = {**load_scores(file), name: score}
    save_scores(file, scores)
    show(scores, against=name)
    if "training images" not in scores:
        print("`lit-gan baselines --config CONFIG` adds what real images, k-means centres and noise score.")


def show(scores: Mapping[str, ParzenScore], against: str | None = None) -> None:
    """Prints scores as a table."""
    table = Table(caption=_CAVEATS, caption_justify="left")
    for column in ("", "centres", "sigma", "log-likelihood", *(("difference",) if against else ())):
        table.add_column(column, justify="right" if column else "left")
    for name, score in sorted(scores.items(), key=lambda item: -item[1].log_likelihood):
        row = [name, f"{score.num_centres:,}", f"{score.sigma:.4g}", f"{score.log_likelihood:.2f} ± {score.error:.2f}"]
        if against is not None:
            row.append("" if name == against else "{:+.2f} ± {:.2f}".format(*scores[against].difference(score)))
        table.add_row(*row)
    Console().print(table)


def _parser(verb: str) -> Parser:
    parser = Parser(prog=f"lit-gan {verb}", description=__doc__, parser_mode="yaml", allow_abbrev=False)
    parser.add_argument("-c", "--config", action=ShippedConfigFile)
    parser.add_lightning_class_args(LightningDataModule, "data", subclass_mode=True)
    parser.add_class_arguments(ParzenEvaluation, "parzen")
    for key in _OTHER_KEYS:
        parser.add_argument(f"--{key}", type=Any, help="Ignored: of a configuration, the data and the protocol count.")
    return parser


def _centres(data: Any, images: EvaluationImages, num: int) -> dict[str, Tensor]:
    return baseline_centres(images.in_units(data.images("train")), num)


def _score(centres: Tensor, folds: list[EvaluationImages], sigma: Any) -> ParzenScore:
    results, rows = [], []
    for images in folds:
        known = images.value_range is not None
        metric = ParzenNLL("em" if sigma is None and not known else sigma, data_range=(0.0, 1.0) if known else None)
        metric.update(images.in_units(images.for_sigma), real=True, split="val")
        metric.update(images.in_units(images.reported), real=True)
        metric.update(centres, real=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ParzenWarning)  # a mean image has collapsed, and noise has a wide window
            results.append(metric.compute())
        rows.append(metric.log_likelihoods)
    return ParzenScore.of(over_folds(results), len(centres), rows)


def _file(folds: list[EvaluationImages], sigma: object) -> Path:
    return _CACHE / f"{protocol_key(folds, sigma)}.pt"
