"""What a Parzen score is measured against: real data, their cluster centres, their mean, and noise."""

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from lit_gan.evaluation.images import EvaluationImages
from lit_gan.evaluation.scores import ParzenScore, over_folds
from lit_gan.metrics.parzen import ParzenNLL
from lit_gan.metrics.parzen_warnings import ParzenWarning
from lit_gan.randomness import stream, stream_seed

# Fewer centres than samples, and still above the real images they stand for: the estimator rewards blur.
KMEANS_CENTRES = 1000
#: The name of what real data score.
REAL = "training images"


def baseline_centres(train_images: Tensor, num: int, seed: int = 0) -> dict[str, Tensor]:
    """Sets of images that are no model's samples, to be scored as if they were.

    Args:
        train_images: ``(N, ...)`` training images, in the units of the density.
        num: How many of each where there is a choice: as many as the samples of the models.
        seed: Of the draws.

    Returns:
        By name: ``training images`` (a random draw without repetition), ``k-means centres`` (at most 1,000),
        ``mean image`` (one centre), ``uniform noise`` (over the range of the training images).

    Example:
        >>> centres = baseline_centres(torch.rand(50, 1, 2, 2), num=20)
        >>> {name: len(images) for name, images in centres.items()}
        {'training images': 20, 'k-means centres': 20, 'mean image': 1, 'uniform noise': 20}
    """
    flat = train_images.flatten(1)
    low, high = torch.aminmax(flat)
    noise = torch.rand((num, flat.shape[1]), generator=stream(seed, "baselines", "noise"))
    return {
        REAL: flat[rows_of_real_centres(len(flat), num, seed)],
        "k-means centres": _kmeans(flat, min(num, KMEANS_CENTRES, len(flat)), seed),
        "mean image": flat.mean(0, keepdim=True, dtype=torch.float64).float(),
        "uniform noise": noise.mul_(high - low).add_(low),
    }


def rows_of_real_centres(num_train: int, num: int, seed: int = 0) -> Tensor:
    """Which training images are the centres: a random draw without repetition, at most ``num``."""
    return torch.randperm(num_train, generator=stream(seed, "baselines", "training images"))[:num]


def _kmeans(flat: Tensor, num: int, seed: int) -> Tensor:
    from sklearn.cluster import MiniBatchKMeans  # noqa: PLC0415 -- scikit-learn, for those that measure by it

    # It takes 32 bits of seed.
    random_state = stream_seed(seed, "baselines", "k-means") % 2**32
    kmeans = MiniBatchKMeans(num, n_init=1, init_size=3 * num, batch_size=4096, max_iter=10, random_state=random_state)
    kmeans.fit(flat.numpy())
    return torch.from_numpy(kmeans.cluster_centers_).to(flat.dtype)


def score_of(centres: Tensor, folds: Sequence[EvaluationImages], sigma: Any) -> ParzenScore:
    """What centres score that are no model's samples."""
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
