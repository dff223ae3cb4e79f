"""The second half of `lit-gan baselines`: what real images score in the place of samples, by the metrics of a model."""

from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from torchmetrics import Metric

from lit_gan.callbacks.generative_evaluation import GenerativeEvaluation
from lit_gan.data.base import InMemoryDataModule
from lit_gan.errors import UserError
from lit_gan.evaluation.ceilings import Ceiling, RealImages
from lit_gan.evaluation.image_metrics import ImageMetrics
from lit_gan.evaluation.kept_file import KEPT
from lit_gan.evaluation.reference_classifiers import fill_classifiers
from lit_gan.features import Pixels, ReferenceClassifier
from lit_gan.metrics.frechet_distance import FrechetDistance
from lit_gan.metrics.memorization import Memorization
from lit_gan.metrics.precision_recall import PrecisionRecall
from lit_gan.metrics.sample_classes import SampleClasses

_FEWEST_CLASSES = 2
_THUMBNAIL = 16  # pixels
_CAVEATS = (
    "Real images in the place of samples, beside other real images: what a perfect generator would have with so many. "
    "Numbers of other numbers of images are other numbers; * by settings that the configuration does not evaluate with."
)


def show_real_images(evaluation: GenerativeEvaluation, data: InMemoryDataModule) -> None:
    """Has the metrics of a configuration look at real images, and the usual ones that it has not; shows and keeps it.

    Args:
        evaluation: What models of the configuration are evaluated by.
        data: Its data.

    Raises:
        UserError: If a metric of the configuration reads samples with a classifier, and the data have no classes.
    """
    own = ImageMetrics(evaluation.metrics, "evaluation")
    added = ImageMetrics(_further(evaluation.metrics, data), "evaluation")
    for images in (own, added):
        images.identify()
        fill_classifiers(images.metrics, data, KEPT, print)
    num = evaluation.num_samples
    of_models = RealImages(data, num, evaluation.reference, folder=KEPT)
    usual = RealImages(data, num, "train", equal=True, folder=KEPT)
    work = [(of_models, own, place, "") for place in range(len(own.metrics))]
    work += [(usual, added, place, "*") for place in range(len(added.metrics))]
    if not work:
        return
    rows: list[tuple[str, Ceiling]] = []
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns) as progress:
        task = progress.add_task("", total=len(work))
        for real, images, place, mark in work:
            name = type(images.metrics[place]).__name__
            progress.update(task, description=f"real images by {name}")
            try:
                rows.append((mark, real.measured_by(images, place)))
            except UserError as error:  # the other numbers are worth having
                progress.console.print(f"lit-gan: no number of real images by {name}: {error}", markup=False)
            progress.advance(task)
        progress.update(task, description="real images")
    _show(rows)


def _further(metrics: Sequence[Metric], data: InMemoryDataModule) -> list[Metric]:
    """The usual metrics of pictures that are not among these."""
    if tuple(data.image_shape[:2]) == (1, 1):  # points
        return []
    labelled = data.num_classes >= _FEWEST_CLASSES
    seen = ReferenceClassifier() if labelled else Pixels(_THUMBNAIL)
    usual: list[Metric] = [PrecisionRecall(), FrechetDistance(seen), Memorization()]
    usual += [SampleClasses(by_class=False)] if labelled else []
    return [each for each in usual if not any(isinstance(metric, type(each)) for metric in metrics)]


def _show(rows: Sequence[tuple[str, Ceiling]]) -> None:
    table = Table(caption=_CAVEATS, caption_justify="left")
    for column in ("", "real images", "how many", "beside", "a model's"):
        table.add_column(column, justify="right" if column else "left")
    for mark, found in rows:
        beside = f"{found.num_reference:,}" if found.num_reference else ""
        of_model = f"{found.samples:,}" + (f" : {found.reference:,}" if found.reference else "")
        for name, value in found.values.items():
            if "_num" in name:  # that is in the next columns
                continue
            table.add_row(f"{name}{mark}", f"{value:.4g}", f"{found.num:,}", beside, of_model)
    Console().print(table)
