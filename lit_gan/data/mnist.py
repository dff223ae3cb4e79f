"""MNIST, Fashion-MNIST and Kuzushiji-MNIST from their IDX files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, get_args

import torch
import torchvision.datasets
from torch import Tensor

from lit_gan.data.arguments import check_whole
from lit_gan.data.base import InMemoryDataModule, Split
from lit_gan.data.dataset import ImageDataset
from lit_gan.data.idx import read_idx
from lit_gan.data.missing_files import DOWNLOAD_ERRORS, missing_files_error
from lit_gan.data.scaling import LinearScaling
from lit_gan.errors import UserError

Name = Literal["mnist", "fashion_mnist", "kmnist"]
# The folder is named as torchvision's class is, which does the download.
_FOLDERS: dict[Name, str] = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST", "kmnist": "KMNIST"}
_FILES = _TRAIN_IMAGES, _TRAIN_LABELS, _TEST_IMAGES, _TEST_LABELS = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
_CLASS_NAMES: dict[Name, tuple[str, ...]] = {
    "mnist": tuple("0123456789"),
    "fashion_mnist": (
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
    "kmnist": ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
}
_SIDE = 28
_NUM_CLASSES = 10


class MNISTDataModule(InMemoryDataModule):
    """Handwritten digits of 28x28 pixels: 50,000 for training, 10,000 for validation, 10,000 for the test.

    The validation images are the last of the training file, as in the paper. The files lie in
    ``root/MNIST/raw`` (as torchvision puts them; ``FashionMNIST``, ``KMNIST``) or in ``root`` itself, plain
    or gzipped; where both are, the plain one is read.

    Args:
        root: The folder of the data.
        dataset: ``mnist``, or one of its relatives in the same format, ``fashion_mnist`` or ``kmnist``.
        num_validation: How many of the last training images are for validation.
        value_range: What black and white become.
        download: Whether :meth:`prepare_data` may download files that are missing.
        batch_size: m, rows per rank and minibatch.
        eval_batch_size: Rows per rank and batch in validation and test.
        seed: The seed of the run, for the order of the training rows.

    Raises:
        UserError: An argument is out of its range.

    Example:
        >>> data = MNISTDataModule("data", dataset="fashion_mnist", value_range=(-1.0, 1.0))
        >>> data.image_shape, data.num_classes, data.value_range
        ((1, 28, 28), 10, (-1.0, 1.0))

    Source: section 5 of the paper (MNIST); LeCun et al., 1998; Xiao et al., 2017; Clanuwat et al., 2018.
    """

    image_shape = (1, _SIDE, _SIDE)
    num_classes = _NUM_CLASSES

    def __init__(
        self,
        root: str | Path = "data",
        *,
        dataset: Name = "mnist",
        num_validation: int = 10_000,
        value_range: tuple[float, float] = (0.0, 1.0),
        download: bool = True,
        batch_size: int = 100,
        eval_batch_size: int = 1000,
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size=batch_size, eval_batch_size=eval_batch_size, seed=seed)
        if dataset not in _FOLDERS:
            raise UserError(f"dataset = {dataset!r}: expected one of {', '.join(get_args(Name))}.")
        self.root = Path(root)
        self.download = download
        self._folder = _FOLDERS[dataset]
        self._class_names = _CLASS_NAMES[dataset]
        self._num_validation = check_whole("num_validation", num_validation, least=1)
        self._scaling = LinearScaling(255, value_range)

    @property
    def value_range(self) -> tuple[float, float]:
        """What black and white become."""
        return self._scaling.value_range

    @property
    def class_names(self) -> tuple[str, ...]:
        """What the images show, as the data set's authors call it."""
        return self._class_names

    def prepare_data(self) -> None:
        """Downloads the files that are missing, where ``download`` allows it; writes nothing where none is.

        Raises:
            UserError: The download failed.
        """
        if not self.download or not self._missing():
            return
        try:
            getattr(torchvision.datasets, self._folder)(str(self.root), train=False, download=True)
        except DOWNLOAD_ERRORS as error:
            advice = "put them there yourself, gzipped (.gz) or plain"
            raise missing_files_error(self._folder, self._missing(), advice, error) from error

    def load(self) -> Mapping[Split, ImageDataset]:
        """Reads the four files.

        Returns:
            The three splits.

        Raises:
            UserError: A file is missing, damaged, or does not fit the others.
        """
        if missing := self._missing():
            advice = "put them there, gzipped (.gz) or plain, or set download=True where there is a network"
            raise missing_files_error(self._folder, missing, advice)
        paths = self._paths()
        images, labels = _read_pair(paths[_TRAIN_IMAGES], paths[_TRAIN_LABELS])
        test_images, test_labels = _read_pair(paths[_TEST_IMAGES], paths[_TEST_LABELS])
        num_train = len(images) - self._num_validation
        if num_train < 1:
            raise UserError(
                f"num_validation = {self._num_validation} leaves no training image of the {len(images)} in "
                f"{paths[_TRAIN_IMAGES]}: lower it."
            )
        return {
            "train": ImageDataset(images[:num_train], labels[:num_train], self._scaling),
            "val": ImageDataset(images[num_train:], labels[num_train:], self._scaling),
            "test": ImageDataset(test_images, test_labels, self._scaling),
        }

    def _paths(self) -> dict[str, Path]:
        """Where each file is, of those that are there; the last of several places counts."""
        places = [
            (name, folder / f"{name}{suffix}")
            for folder in (self.root, self.root / self._folder / "raw")
            for suffix in (".gz", "")
            for name in _FILES
        ]
        return {name: path for name, path in places if path.is_file()}

    def _missing(self) -> list[Path]:
        found = self._paths()
        return [self.root / self._folder / "raw" / f"{name}.gz" for name in _FILES if name not in found]


def _read_pair(images_path: Path, labels_path: Path) -> tuple[Tensor, Tensor]:
    images, labels = read_idx(images_path, num_dims=3), read_idx(labels_path, num_dims=1)
    if tuple(images.shape[1:]) != (_SIDE, _SIDE) or not len(images):
        raise UserError(f"{images_path}: shape {tuple(images.shape)}, expected (N, {_SIDE}, {_SIDE}), N > 0.")
    if len(labels) != len(images):
        raise UserError(f"{labels_path}: {len(labels)} labels for the {len(images)} images in {images_path}.")
    if int(labels.max()) >= _NUM_CLASSES:
        raise UserError(f"{labels_path}: a label {int(labels.max())}, expected 0..{_NUM_CLASSES - 1}.")
    return images.unsqueeze(1), labels.to(torch.int64)
