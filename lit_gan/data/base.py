"""The data module that the others are made of: everything in memory, checked once, served without copies."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Literal, get_args

import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor

from lit_gan.data.arguments import check_whole
from lit_gan.data.dataset import ImageDataset
from lit_gan.data.loader import EvaluationLoader, MinibatchLoader
from lit_gan.errors import UserError

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
_CHUNK = 1000  # rows converted at a time where a whole split is passed over


class InMemoryDataModule(LightningDataModule, ABC):
    """A data set that is loaded once, checked completely, and held as tensors.

    A subclass says what its images are (:attr:`image_shape`, :attr:`num_classes`, :attr:`value_range`, and
    :attr:`class_names` where there are any) without reading a file, and reads them in :meth:`load`. The training
    loader's batches hold what one round of the attached LightningModule needs: ``batch_size`` rows times its
    ``minibatches_per_round`` (1 where it has none).

    Args:
        batch_size: m, rows per rank and minibatch.
        eval_batch_size: Rows per rank and batch in validation and test; no result depends on it.
        seed: The seed of the run; the order of the training rows is a function of it and of the epoch.

    Raises:
        UserError: A number is out of its range.

    Example:
        A data set of one's own is its three facts and its rows:

        >>> from lit_gan.data.scaling import LinearScaling
        >>> class Noise(InMemoryDataModule):
        ...     image_shape, num_classes, value_range = (1, 4, 4), 0, (0.0, 1.0)
        ...     def load(self):
        ...         levels = torch.randint(256, (60, 1, 4, 4), dtype=torch.uint8)
        ...         rows = ImageDataset(levels, None, LinearScaling(255))
        ...         return {"train": rows, "val": rows, "test": rows}
        >>> next(iter(Noise(batch_size=20).train_dataloader())).shape
        torch.Size([20, 1, 4, 4])
    """

    num_sigma_images: int | None = 1000
    """How many validation images choose the width of Parzen windows in a test (section 5 of the paper); None: all."""

    def __init__(self, *, batch_size: int = 100, eval_batch_size: int = 1000, seed: int = 0) -> None:
        super().__init__()
        self.batch_size = check_whole("batch_size", batch_size, least=1)
        self.eval_batch_size = check_whole("eval_batch_size", eval_batch_size, least=1)
        self.seed = check_whole("seed", seed, least=0)
        self._datasets: Mapping[Split, ImageDataset] | None = None

    @property
    @abstractmethod
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every image."""

    @property
    @abstractmethod
    def num_classes(self) -> int:
        """How many labels there are; 0 where the batches are bare images."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes in the order of the labels; empty where they have none."""
        return ()

    @property
    @abstractmethod
    def value_range(self) -> tuple[float, float]:
        """The lowest and the highest value that the images can have."""

    @abstractmethod
    def load(self) -> Mapping[Split, ImageDataset]:
        """Reads and checks all three splits.

        Returns:
            The rows of ``train``, ``val`` and ``test``.

        Raises:
            UserError: A file is missing, damaged or not what it should be.
        """

    def setup(self, stage: str | None = None) -> None:
        """Loads the data, once; nothing is kept unless all of it is sound.

        Args:
            stage: Ignored: the splits come from the same files.

        Raises:
            UserError: A file is missing, damaged or not what it should be.
        """
        self._loaded()

    def train_dataloader(self) -> MinibatchLoader:
        """The minibatches of every round, in an order that depends on seed and epoch only.

        Returns:
            Batches of ``batch_size * minibatches_per_round`` rows.

        Raises:
            UserError: One batch asks for more rows than there are.
        """
        module = None if self.trainer is None else self.trainer.lightning_module
        rank, world_size = self._place()
        return MinibatchLoader(
            self.dataset("train"),
            batch_size=self.batch_size,
            minibatches_per_round=getattr(module, "minibatches_per_round", 1),
            seed=self.seed,
            rank=rank,
            world_size=world_size,
            shuffle=not getattr(self.trainer, "overfit_batches", 0),
        )

    def val_dataloader(self) -> EvaluationLoader:
        """The validation images in order, each once over all ranks.

        Returns:
            Batches of at most ``eval_batch_size`` rows.
        """
        return self._evaluation_loader("val")

    def test_dataloader(self) -> EvaluationLoader:
        """The test images in order, each once over all ranks.

        Returns:
            Batches of at most ``eval_batch_size`` rows.
        """
        return self._evaluation_loader("test")

    def dataset(self, split: Split) -> ImageDataset:
        """The rows of a split, loaded where they are not yet.

        Args:
            split: ``train``, ``val`` or ``test``.

        Returns:
            Images and labels as they are held.

        Raises:
            UserError: There is no such split, or the data cannot be loaded.
        """
        if split not in SPLITS:
            raise UserError(f"split = {split!r}: expected one of {', '.join(SPLITS)}.")
        return self._loaded()[split]

    def images(self, split: Split, limit: int | None = None) -> Tensor:
        """The images of a split as the loaders yield them, in order, on this process alone.

        Args:
            split: ``train``, ``val`` or ``test``.
            limit: How many at most, from the first on; None for all.

        Returns:
            Shape (N, C, H, W), float32, in :attr:`value_range`.

        Raises:
            UserError: There is no such split, ``limit`` is below 1, or the data cannot be loaded.
        """
        num = None if limit is None else check_whole("limit", limit, least=1)
        return self.dataset(split).head(num)

    @property
    def in_pixel_range(self) -> bool:
        """Whether the images are pixel levels, so that :attr:`value_range` is what black and white became."""
        return True

    def evaluation_folds(self) -> list[tuple[Tensor, Tensor]]:
        """What a test is made on: the validation and the test images, of every fold where there are folds.

        Returns:
            One pair of images per fold, each ``(N, C, H, W)`` float32 in :attr:`value_range`.

        Raises:
            UserError: The data cannot be loaded.
        """
        return [(self.images("val"), self.images("test"))]

    def pixel_means(self) -> Tensor:
        """The mean training image, as the loaders yield images.

        Returns:
            Shape (C, H, W), float32; summed in float64.

        Raises:
            UserError: The data cannot be loaded.
        """
        total = torch.zeros(self.image_shape, dtype=torch.float64)
        for images in self._training_chunks():
            total += images.sum(dim=0, dtype=torch.float64)
        return (total / len(self.dataset("train"))).to(torch.float32)

    def _loaded(self) -> Mapping[Split, ImageDataset]:
        if self._datasets is None:
            datasets = self.load()
            for split in SPLITS:
                self._check(split, datasets[split])
            self._datasets = datasets
        return self._datasets

    def _training_chunks(self) -> Iterator[Tensor]:
        dataset = self.dataset("train")
        for start in range(0, len(dataset), _CHUNK):
            yield dataset.convert(dataset.images[start : start + _CHUNK])

    def _evaluation_loader(self, split: Split) -> EvaluationLoader:
        rank, world_size = self._place()
        return EvaluationLoader(self.dataset(split), batch_size=self.eval_batch_size, rank=rank, world_size=world_size)

    def _place(self) -> tuple[int, int]:
        return (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)

    def _check(self, split: Split, dataset: ImageDataset) -> None:
        name = type(self).__name__
        if not len(dataset):
            raise UserError(f"{name}: the {split} split is empty; expected at least one image.")
        shape = tuple(dataset.head(1).shape[1:])
        if shape != self.image_shape:
            raise UserError(f"{name}: images of shape {shape} in the {split} split, expected {self.image_shape}.")
        if (dataset.labels is not None) != (self.num_classes > 0):
            got = "no labels" if dataset.labels is None else "labels"
            raise UserError(f"{name}: {got} in the {split} split with num_classes = {self.num_classes}.")

    def __str__(self) -> str:
        # Lightning's own would walk through every batch in search of torch data sets.
        return f"{type(self).__name__}(image_shape={self.image_shape}, num_classes={self.num_classes})"
