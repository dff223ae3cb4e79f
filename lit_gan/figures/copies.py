"""The samples that look the most like copies of training images, for a figure of them."""

from collections.abc import Iterator

import torch
from lightning.pytorch import LightningDataModule
from matplotlib.figure import Figure
from torch import Tensor

from lit_gan.data.base import InMemoryDataModule
from lit_gan.evaluation.cost import work_of
from lit_gan.evaluation.generated import sample_batches
from lit_gan.figures.neighbours import ClosestPairs, closest_pairs, training_batches
from lit_gan.figures.tiles import check_channels, pairs_figure
from lit_gan.functional.display import to_display_range
from lit_gan.generative import GenerativeModule

_SAMPLES = 1000  # looked at; of an evaluation of so many or more they are the first
# Of a sample's values and training images together: a few seconds of one core. And of all values of the samples.
_MOST_WORK, _MOST_VALUES = 2 * 10**10, 2**23
_MOST_DRAWN, _PROBE = 2 * 10**11, 4  # operations of G, seconds again; samples that these are counted on
_USUAL_IMAGES = 50_000  # of data that do not say how many there are


def memorization_figure(module: GenerativeModule, data: LightningDataModule, rows: int, pairs: int) -> Figure:
    """Samples beside the training image that is nearest to each, the most suspicious of many.

    Args:
        module: Whose samples.
        data: Whose training images.
        rows: How many rows.
        pairs: How many pairs in each.

    Returns:
        The figure.

    Raises:
        UserError: If the samples are no pictures.

    Example:
        >>> from lit_gan import GAN
        >>> from lit_gan.data import DigitsDataModule
        >>> from lit_gan.networks import MaxoutDiscriminator, MLPGenerator
        >>> gan = GAN(MLPGenerator((1, 8, 8), latent_size=4, hidden=(16,)), MaxoutDiscriminator((1, 8, 8), hidden=(8,)))
        >>> figure = memorization_figure(gan, DigitsDataModule(), rows=1, pairs=2)
        >>> figure.get_axes() != []
        True
    """
    found = suspicious_pairs(module, data, rows * pairs)
    shown = torch.cat([found.samples, found.nearest])
    shown = to_display_range(shown, None) if module.value_range is None else shown
    num = len(found.samples)
    titles = [f"{each:.3g} ({ratio:.2f})" for each, ratio in zip(found.distances, found.ratios, strict=True)]
    held_out = _held_out(module, data, found.num)
    said = (
        f"the {num} of {found.num:,} samples that are the most like a training image (framed): distance of pixels,\nin "
        "brackets over the distance of that training image to the next one; at most 1 is a copy: "
        f"{found.copies / found.num:.1%} of the samples"
        + ("" if held_out is None else f", {held_out} of held-out images")
    )
    return pairs_figure(shown[:num], shown[num:], titles, pairs, said)


def suspicious_pairs(module: GenerativeModule, data: LightningDataModule, most: int) -> ClosestPairs:
    """So many pairs of samples and training images, in the range of :class:`lit_gan.metrics.Memorization`, [0, 1].

    The samples are those of the evaluations. Fewer of them are looked at where the training images are very many or
    very large, or G is, but never fewer than are shown.
    """
    shape = tuple(module.sample(1, rng=0).shape[1:])
    check_channels(torch.empty(1, *shape))
    num_values = torch.Size(shape).numel()
    num_images = len(data.dataset("train")) if isinstance(data, InMemoryDataModule) else _USUAL_IMAGES
    drawn = _MOST_DRAWN * _PROBE // max(work_of(lambda: module.sample_data(_PROBE, rng=0)), 1)
    affordable = min(_MOST_WORK // (num_values * num_images), _MOST_VALUES // num_values, drawn)
    num = min(max(affordable, most), _SAMPLES)
    batches = sample_batches(module, _SAMPLES, num_values, slice(0, num))
    samples = torch.cat([_compared(module, batch.cpu()) for batch, _ in batches])
    return closest_pairs(samples, lambda: _examples(module, data), most)


def _held_out(module: GenerativeModule, data: LightningDataModule, num: int) -> str | None:
    """How many of so many held-out images would be taken for copies, where there are such; in words."""
    if not isinstance(data, InMemoryDataModule):
        return None
    images = torch.cat([data.images(split, num) for split in ("test", "val")])[:num]
    found = closest_pairs(_compared(module, images), lambda: _examples(module, data), most=1)
    return f"{found.copies / found.num:.1%}"


def _examples(module: GenerativeModule, data: LightningDataModule) -> Iterator[Tensor]:
    for batch in training_batches(module, data):
        yield _compared(module, batch.detach().cpu())


def _compared(module: GenerativeModule, images: Tensor) -> Tensor:
    images = images.float()
    return images if module.value_range is None else to_display_range(images, module.value_range)
