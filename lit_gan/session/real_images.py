"""What real images score by the metrics of a run, for the file that the run's own numbers are read beside."""

import math
import warnings
from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer

from lit_gan.callbacks.generative_evaluation import GenerativeEvaluation
from lit_gan.data.base import InMemoryDataModule
from lit_gan.engine.lightning_seam import callbacks_of
from lit_gan.evaluation.ceilings import Ceiling, RealImages


def numbers_of_real_images(trainer: Trainer, folder: Path | None) -> dict[str, dict[str, Any]]:
    """What the metrics that were evaluated say of real images in the place of samples, by the names they log.

    Real images are looked at where nobody has done it yet: as much work as one evaluation at most. Several ranks would
    have to do it together: there it is what is known already.

    Args:
        trainer: Which has evaluated.
        folder: Where the numbers are kept for other runs; nowhere if ``None``.
    """
    data = getattr(trainer, "datamodule", None)
    if not isinstance(data, InMemoryDataModule):
        return {}
    found: dict[str, dict[str, Any]] = {}
    for evaluation in callbacks_of(trainer):
        if isinstance(evaluation, GenerativeEvaluation) and evaluation.has_evaluated:
            device = trainer.strategy.root_device
            real = RealImages(data, evaluation.num_samples, evaluation.reference, device=device, folder=folder)
            for place, metric in enumerate(evaluation.metrics):
                measured = _measured(evaluation, real, place, type(metric).__name__, alone=trainer.world_size == 1)
                found |= {} if measured is None else as_rows(measured)
    return found


def as_rows(ceiling: Ceiling) -> dict[str, dict[str, Any]]:
    """Each number with how many images it is of, and how many a model's is of; without what is no number."""
    nums = {
        "images": ceiling.num,
        "beside": ceiling.num_reference,
        "samples": ceiling.samples,
        "reference": ceiling.reference,
    }
    return {name: {"value": value, **nums} for name, value in ceiling.values.items() if math.isfinite(value)}


def _measured(
    evaluation: GenerativeEvaluation, real: RealImages, place: int, name: str, *, alone: bool
) -> Ceiling | None:
    images = evaluation.image_metrics
    try:
        known = real.kept(images, place)
        if known is not None or not alone:
            return known
        print(f"lit-gan: {name} looks at real images in the place of samples, once for these data.")
        return real.measured_by(images, place)
    except Exception as error:  # a training that is done is worth more than what it is compared with
        told = f"{type(error).__name__}: {' '.join(str(error).split())}"
        warnings.warn(f"{name} has no number of real images to compare with ({told}).", stacklevel=2)
        return None
