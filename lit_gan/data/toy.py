"""Draws from a Gaussian mixture, served as if they were images."""

from collections.abc import Mapping

from lit_gan.data.arguments import check_whole
from lit_gan.data.base import InMemoryDataModule, Split
from lit_gan.data.dataset import ImageDataset
from lit_gan.data.mixtures import GaussianMixture, Ring
from lit_gan.randomness import stream

_DATA_SEED = 0  # the data set is the same in every run, as one in a file would be


class ToyDataModule(InMemoryDataModule):
    """Points of d coordinates as images of shape (1, 1, d), from a mixture whose density is known.

    :attr:`value_range` is the mixture's box: a cube that holds every mode with six standard deviations around
    it. A Gaussian has no bounds, so that about one coordinate in 5e8 falls outside.

    Args:
        mixture: Where the points come from; None for eight modes on a ring. In YAML, a ``class_path`` such as
            ``lit_gan.data.mixtures.Grid``.
        num_train: How many points are for training.
        num_validation: How many for validation.
        num_test: How many for the test.
        batch_size: m, rows per rank and minibatch.
        eval_batch_size: Rows per rank and batch in validation and test.
        seed: The seed of the run, for the order of the training rows; the points themselves do not depend on
            it.

    Raises:
        UserError: An argument is out of its range.

    Example:
        >>> from lit_gan.data.mixtures import Line
        >>> data = ToyDataModule(Line(num_modes=2, spacing=2.0, std=0.5), num_train=200)
        >>> data.image_shape, data.value_range, data.images("train").shape
        ((1, 1, 1), (-4.0, 4.0), torch.Size([200, 1, 1, 1]))
    """

    num_classes = 0

    def __init__(
        self,
        mixture: GaussianMixture | None = None,
        *,
        num_train: int = 10_000,
        num_validation: int = 2_000,
        num_test: int = 2_000,
        batch_size: int = 100,
        eval_batch_size: int = 1000,
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size=batch_size, eval_batch_size=eval_batch_size, seed=seed)
        self.mixture = Ring() if mixture is None else mixture
        self._sizes: dict[Split, int] = {
            "train": check_whole("num_train", num_train, least=1),
            "val": check_whole("num_validation", num_validation, least=1),
            "test": check_whole("num_test", num_test, least=1),
        }

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(1, 1, d)."""
        return (1, 1, self.mixture.num_dims)

    @property
    def value_range(self) -> tuple[float, float]:
        """The mixture's box."""
        return self.mixture.box

    @property
    def in_pixel_range(self) -> bool:
        """No: the points are coordinates."""
        return False

    def load(self) -> Mapping[Split, ImageDataset]:
        """Draws the points of the three splits, each from a stream of its own.

        Returns:
            The three splits.
        """
        return {split: self._draw(split, num) for split, num in self._sizes.items()}

    def _draw(self, split: Split, num: int) -> ImageDataset:
        points = self.mixture.sample(num, stream(_DATA_SEED, "toy", split))
        return ImageDataset(points.reshape(num, *self.image_shape), None, lambda images: images)
