"""What an inference network is measured against: principal components, the nearest sample, neighbours in E(x)."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from lit_gan.extensions.encoding import EncodingModule
from lit_gan.functional.display import to_display_range
from lit_gan.functional.neighbours import nearest_rows
from lit_gan.randomness import stream

#: Samples among which the nearest one is looked for.
NUM_SAMPLES = 10_000


@dataclass(frozen=True)
class LabelledImages:
    """Images in data space with the class of each, where there are any.

    Args:
        images: ``(N, C, H, W)``.
        labels: ``(N,)``, or ``None``.
    """

    images: Tensor
    labels: Tensor | None


def compare(module: EncodingModule, train: LabelledImages, test: LabelledImages) -> dict[str, float]:
    """The numbers beside ``reconstruction_error``, by name, with what they are to be read against.

    Args:
        module: The inference network.
        train: What the baselines learn from, and whose neighbours classify.
        test: What is reported on.

    Returns:
        ``reconstruction_error_pca``, by as many principal components of the training images as a latent has numbers;
        ``reconstruction_error_nearest_sample``, of the nearest of 10,000 samples; both are mean squared errors of
        pixels in [0, 1]. With labels ``nearest_neighbour_accuracy``, by the nearest training image in E(x), and
        ``nearest_neighbour_accuracy_pixels``, by that in the pixels.
    """
    known, asked = (_pixels(module, each.images) for each in (train, test))
    nearest = nearest_samples(module, test.images).flatten(1)
    found = {
        "reconstruction_error_pca": pca_error(known, asked, module.latent.size),
        "reconstruction_error_nearest_sample": float(mse_loss(nearest.double(), asked.double())),
    }
    if train.labels is not None and test.labels is not None:
        codes = module.encode(train.images).cpu(), module.encode(test.images).cpu()
        for name, (there, here) in {"": codes, "_pixels": (known, asked)}.items():
            right = train.labels[nearest_rows(here, there)] == test.labels
            found[f"nearest_neighbour_accuracy{name}"] = float(right.double().mean())
    return found


def pca_error(train: Tensor, x: Tensor, size: int) -> float:
    """The mean squared error of rows that are kept as ``size`` numbers, by the principal components of others.

    Args:
        train: ``(M, D)``: what the components are of.
        x: ``(N, D)``.
        size: How many components; all where that is more than there are.

    Example:
        >>> line = torch.tensor([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]])
        >>> round(pca_error(line, torch.tensor([[1.0, -1.0]]), size=1), 6)  # at a distance of sqrt(2) from the line
        1.0
    """
    from sklearn.decomposition import PCA  # noqa: PLC0415 -- scikit-learn, for those that measure by it

    components = PCA(min(size, *train.shape), svd_solver="full" if len(train) < 1000 else "covariance_eigh")
    components.fit(train.double().numpy())
    again = components.inverse_transform(components.transform(x.double().numpy()))
    return float(mse_loss(torch.from_numpy(again), x.double()))


def nearest_samples(module: EncodingModule, x: Tensor) -> Tensor:
    """For each image the nearest of 10,000 samples, which are a function of the seed alone, in [0, 1].

    Args:
        module: Whose generator.
        x: ``(N, C, H, W)`` in data space.
    """
    samples = module.sample(NUM_SAMPLES, rng=stream(module.seed, "nearest sample")).cpu()
    return samples[nearest_rows(_pixels(module, x), samples.flatten(1))]


def _pixels(module: EncodingModule, images: Tensor) -> Tensor:
    return to_display_range(images.cpu(), module.value_range).flatten(1)
