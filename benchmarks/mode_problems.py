"""What the comparison of modes trains on: data whose modes can be counted, and networks that nothing else changes."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cached_property

import torch
from torch import Tensor

from lit_gan.data import DigitsDataModule, ToyDataModule
from lit_gan.data.base import InMemoryDataModule, Split
from lit_gan.data.dataset import ImageDataset
from lit_gan.data.mixtures import Grid
from lit_gan.data.scaling import LinearScaling
from lit_gan.evaluation.reference_classifiers import reference_classifier
from lit_gan.features import ReferenceClassifier
from lit_gan.metrics import ModesCovered
from lit_gan.networks import KaimingWeights, MLPDiscriminator, MLPGenerator
from lit_gan.randomness import stream

_STACK = 3  # digits of an image, one in each channel
_DIGITS_LEVEL = 16  # what is white in them
_AT_A_TIME = 5000  # images that are classified


class Problem(ABC):
    """Data with modes, and the sizes of a game on them.

    Attributes:
        title: In words.
        num_modes: How many there are, equally probable or nearly so.
        num_samples: How many samples they are counted on.
        least: From how many of these on a mode is covered.
        latent_size: Of z, which is normal.
        hidden: Units of each hidden layer, of either player.
        gamma: The weight of R1, and of R2.
        rate: Adam's, of either player.
        betas: Adam's, of either player.
        rounds: Of a training.
        batch: Examples of a minibatch.
    """

    title: str
    num_modes: int
    num_samples: int
    least: int
    latent_size: int
    hidden: tuple[int, ...]
    gamma: float
    rate: float
    betas: tuple[float, float]
    rounds: int
    batch: int
    output = "linear"

    @abstractmethod
    def data(self, seed: int) -> InMemoryDataModule:
        """The training data, in the order of a seed."""

    @abstractmethod
    def counts(self, images: Tensor) -> Tensor:
        """How many of these images in [0, 1] are at each mode, ``(num_modes,)``; some may be at none."""

    @abstractmethod
    def reader(self) -> str:
        """How a sample's mode is found, and when a mode is covered, in words."""

    def players(self) -> tuple[MLPGenerator, MLPDiscriminator]:
        """G and D with their first weights, which are those of the global seed."""
        shape = self.data(0).image_shape
        generator = MLPGenerator(
            shape, self.latent_size, self.hidden, output_activation=self.output, weight_init=KaimingWeights()
        )
        return generator, MLPDiscriminator(shape, self.hidden)


class Gaussians(Problem):
    """25 narrow Gaussians on a square grid of the plane."""

    title = "25 Gaussians"
    num_modes, num_samples, least = 25, 2500, 1
    latent_size, hidden, batch = 2, (128, 128, 128), 256
    gamma, rate, betas, rounds = 0.01, 1e-3, (0.0, 0.9), 5000

    def __init__(self) -> None:
        self.grid = Grid(side=5, spacing=0.5, std=0.025)  # coordinates of order 1, as pixels are

    def data(self, seed: int) -> ToyDataModule:
        """See :meth:`Problem.data`."""
        return ToyDataModule(self.grid, num_train=100_000, num_test=self.num_samples, batch_size=self.batch, seed=seed)

    def counts(self, images: Tensor) -> Tensor:
        """A sample is at the nearest mode, if within three standard deviations."""
        metric = ModesCovered(self.grid)
        metric.update(images)
        return metric.counts[:-1]

    def reader(self) -> str:
        """See :meth:`Problem.reader`."""
        return (
            "A sample is at the nearest mode, within 3 standard deviations, or at none; a mode is covered by "
            f"{self.least} sample."
        )

    def places(self, images: Tensor) -> Tensor:
        """Images in [0, 1] as points of the plane, ``(N, 2)``."""
        low, high = self.grid.box
        return images.flatten(1) * (high - low) + low


class StackedDigits(InMemoryDataModule):
    """Three of the embedded digits, drawn at random, as the channels of an image: 1,000 modes, by their numbers.

    Args:
        num: How many stacks of training digits are for training; as many of test digits are for the test.
        batch_size: m.
        seed: For the order of the training rows; the stacks do not depend on it.
    """

    image_shape, num_classes, value_range = (_STACK, 8, 8), 0, (0.0, 1.0)

    def __init__(self, num: int = 100_000, *, batch_size: int = 100, seed: int = 0) -> None:
        super().__init__(batch_size=batch_size, seed=seed)
        self._num = num

    def load(self) -> Mapping[Split, ImageDataset]:
        """Draws them, each split from its own digits."""
        digits = DigitsDataModule()
        splits: tuple[Split, ...] = ("train", "val", "test")
        return {split: self._stacked(split, digits.dataset(split)) for split in splits}

    def _stacked(self, split: Split, digits: ImageDataset) -> ImageDataset:
        drawn = torch.randint(len(digits), (self._num, _STACK), generator=stream(0, "stacked digits", split))
        return ImageDataset(digits.images[:, 0][drawn], None, LinearScaling(_DIGITS_LEVEL))


class Stacked(Problem):
    """The stacked digits, read by the reference classifier one channel at a time."""

    title = "stacked digits"
    num_modes, num_samples, least = 10**_STACK, 26_000, 1
    latent_size, hidden, batch = 32, (256, 256), 64
    gamma, rate, betas, rounds = 0.1, 2e-3, (0.5, 0.99), 800
    output = "sigmoid"

    @cached_property
    def classifier(self) -> ReferenceClassifier:
        """Trained on the training digits, in seconds."""
        return reference_classifier(DigitsDataModule(), None)

    def data(self, seed: int) -> StackedDigits:
        """See :meth:`Problem.data`."""
        return StackedDigits(batch_size=self.batch, seed=seed)

    def counts(self, images: Tensor) -> Tensor:
        """A sample is at the mode that the classifier reads, always at one."""
        channels = images.reshape(-1, 1, *images.shape[2:])
        parts = torch.split(channels, _AT_A_TIME)
        digits = torch.cat([self.classifier.logits(part).argmax(1) for part in parts]).reshape(-1, _STACK)
        number = (digits * torch.tensor([100, 10, 1])).sum(1)
        return number.bincount(minlength=self.num_modes)

    def reader(self) -> str:
        """See :meth:`Problem.reader`."""
        classifier = self.classifier
        return (
            f"ReferenceClassifier reads each channel; it reads {100 * classifier.test_accuracy:.1f} % of "
            f"{classifier.num_test} test digits rightly; a mode is covered by {self.least} sample."
        )


def covered(counts: Tensor, least: int) -> int:
    """How many modes hold so many samples at least."""
    return int((counts >= least).sum())


def divergence(counts: Tensor) -> float:
    """KL(p || uniform) of the samples at modes, in nats: 0 where each holds as many, log K where one of K holds all.

    Not a number where no sample is at a mode.
    """
    if not counts.any():
        return math.nan
    shares = counts.double() / counts.sum()
    return float(torch.special.xlogy(shares, shares * len(shares)).sum())
