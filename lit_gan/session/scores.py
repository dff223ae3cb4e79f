"""A run's numbers beside what real images score by the same metrics: kept in its folder, and told."""

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer
from torch import Tensor

from lit_gan.callbacks.parzen_evaluation import ParzenEvaluation
from lit_gan.data.base import InMemoryDataModule
from lit_gan.engine.lightning_seam import callbacks_of
from lit_gan.evaluation.baselines import REAL, rows_of_real_centres, score_of
from lit_gan.evaluation.images import Split
from lit_gan.evaluation.kept_file import KEPT
from lit_gan.evaluation.score_table import ScoreTable
from lit_gan.evaluation.scores import ParzenScore
from lit_gan.runs.atomic_write import write_atomically
from lit_gan.runs.layout import RunLayout
from lit_gan.runs.plain_data import read_json
from lit_gan.session.real_images import numbers_of_real_images

#: How the run's own score is called among the others.
THIS_RUN = "this run"
_COMPARED = (REAL, "k-means centres", "mean image", "uniform noise")


def keep_scores(
    trainer: Trainer, run: RunLayout, split: Split, rounds: int | None = None, *, folder: Path | None = KEPT
) -> str | None:
    """Writes what the last numbers of a training or test are to be compared with into the run folder.

    That is the Parzen score, with all that can be compared with it, and what other metrics say of real images.

    Real images are scored where nobody has done it yet: as much work as one evaluation.

    Args:
        trainer: Which has evaluated.
        run: The run folder.
        split: What was evaluated on.
        rounds: After how many rounds; where it was in a training, that is known.
        folder: Where scores of baselines are kept for other runs; nowhere if ``None``.

    Returns:
        The score in one line beside that of real images; ``None`` where there is no score.
    """
    real = numbers_of_real_images(trainer, folder)
    if real:
        _write(run, split, {"real_images": real})
    return _keep_parzen_score(trainer, run, split, rounds, folder)


def _keep_parzen_score(
    trainer: Trainer, run: RunLayout, split: Split, rounds: int | None, folder: Path | None
) -> str | None:
    evaluation = next((each for each in callbacks_of(trainer) if isinstance(each, ParzenEvaluation)), None)
    if evaluation is None or evaluation.score is None or not evaluation.images(split):
        return None
    score, folds, table = evaluation.score, evaluation.images(split), None
    with _failing_nothing("No scores of baselines stand beside this run's"):
        table = None if folder is None else ScoreTable.of(folds, evaluation.sigma, folder)
    known = {} if table is None else table.scores
    scores = {THIS_RUN: score} | {name: known[name] for name in _COMPARED if name in known}
    real = scores.get(REAL)
    with _failing_nothing("The score of real images is not beside this run's"):
        real = _real_score(trainer, evaluation, split, real)
    if real is not None:
        scores[REAL] = real
    if real is not None and table is not None and REAL not in known:  # another one was asked for, and stays
        with _failing_nothing("The score of real images is not kept for other runs"):
            table.keep({REAL: real})
    rows = {name: _row(each, score) for name, each in scores.items()}
    after = evaluation.scored_after if rounds is None else rounds
    _write(run, split, {"rounds": after, "pixels": folds[0].value_range is not None, "rows": rows})
    return _in_words(score, real)


@contextmanager
def _failing_nothing(what: str) -> Iterator[None]:
    """Within this context what goes wrong is told: a training that is done is worth more than what stands beside it."""
    try:
        yield
    except Exception as error:
        warnings.warn(f"{what} ({type(error).__name__}: {' '.join(str(error).split())}).", stacklevel=3)


def _real_score(
    trainer: Trainer, evaluation: ParzenEvaluation, split: Split, known: ParzenScore | None
) -> ParzenScore | None:
    """What as many training images score as there are samples, or all where there are fewer."""
    data, folds, score = getattr(trainer, "datamodule", None), evaluation.images(split), evaluation.score
    # Several ranks would have to do it together, and those that have nothing to write are on their way out.
    if score is None or not isinstance(data, InMemoryDataModule) or trainer.world_size > 1:
        return known
    train = data.dataset("train")
    if folds[0].value_range is None or (known is not None and known.num_centres == min(score.num_centres, len(train))):
        return known
    rows = train.batch(rows_of_real_centres(len(train), score.num_centres))
    images = rows if isinstance(rows, Tensor) else rows[0]  # these alone: all of them as floats may be a gigabyte
    return score_of(folds[0].in_units(images).flatten(1), folds, evaluation.sigma)


def _row(score: ParzenScore, own: ParzenScore) -> dict[str, Any]:
    row = {
        "log_likelihood": score.log_likelihood,
        "error": score.error,
        "sigma": score.sigma,
        "centres": score.num_centres,
        "images": sum(len(rows) for rows in score.rows),
    }
    if score is own:
        return row
    difference, error = own.difference(score)
    return {**row, "this_run_minus_it": difference, "paired_error": error}


def _write(run: RunLayout, split: Split, found: dict[str, Any]) -> None:
    try:
        known = read_json(run.scores)
    except (OSError, ValueError):
        known = None
    content = known if isinstance(known, dict) else {}
    before = content.get(split)
    # Each part is that of the last evaluation which had it, as the numbers in metrics.csv are.
    content[split] = {"rows": {}, **(before if isinstance(before, dict) else {}), **found}
    write_atomically(run.scores, json.dumps(content, indent=2) + "\n")


def _in_words(score: ParzenScore, real: ParzenScore | None) -> str:
    num = sum(len(rows) for rows in score.rows)
    own = f"{score.log_likelihood:.1f} ± {score.error:.1f} nats on {num:,} held-out images"
    return own if real is None else f"{own}; real images {real.log_likelihood:.1f} ± {real.error:.1f}"
