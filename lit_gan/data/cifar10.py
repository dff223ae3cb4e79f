"""CIFAR-10 from its Python pickles, with the paper's global contrast normalisation."""

import hashlib
import io
import pickle
import tarfile
import warnings
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision.datasets
from torch import Tensor

from lit_gan.data.arguments import check_whole
from lit_gan.data.base import InMemoryDataModule, Split
from lit_gan.data.contrast import global_contrast_normalize
from lit_gan.data.dataset import ImageDataset
from lit_gan.data.missing_files import DOWNLOAD_ERRORS, missing_files_error
from lit_gan.data.scaling import LinearScaling
from lit_gan.errors import UserError

_FOLDER = torchvision.datasets.CIFAR10.base_folder
_ARCHIVE = torchvision.datasets.CIFAR10.filename
_TRAIN_FILES = tuple(name for name, _ in torchvision.datasets.CIFAR10.train_list)
_TEST_FILE = "test_batch"
_SHAPE = (3, 32, 32)

CHECKSUMS: dict[str, str] = {
    _ARCHIVE: torchvision.datasets.CIFAR10.tgz_md5,
    **dict(torchvision.datasets.CIFAR10.train_list),
    **dict(torchvision.datasets.CIFAR10.test_list),
}
"""The MD5 of every file. A pickle runs code as it is read: only these very files are unpickled."""


class CIFAR10DataModule(InMemoryDataModule):
    """Photographs of 32x32 pixels in colour: 40,000 for training, 10,000 for validation, 10,000 for the test.

    The validation images are the last of the five training files, as in the paper. The files lie in
    ``root/cifar-10-batches-py``; where they do not, ``root/cifar-10-python.tar.gz`` is read as it is.

    With ``contrast_scale`` every image is put on a sphere of that radius (see
    :func:`~lit_gan.data.contrast.global_contrast_normalize`); this happens to each batch as it is gathered,
    so that the data stay bytes. :attr:`value_range` is then (-M, M), with M the largest absolute value over
    the training images: asking for it loads the data.

    Args:
        root: The folder of the data.
        contrast_scale: The L2 norm of every image (the paper's experiments: 55), or None for images in
            ``value_range``.
        num_validation: How many of the last training images are for validation.
        value_range: What black and white become where ``contrast_scale`` is None; None is (0, 1).
        download: Whether :meth:`prepare_data` may download files that are missing.
        batch_size: m, rows per rank and minibatch.
        eval_batch_size: Rows per rank and batch in validation and test.
        seed: The seed of the run, for the order of the training rows.

    Raises:
        UserError: An argument is out of its range, or ``value_range`` is given beside ``contrast_scale``.

    Example:
        >>> data = CIFAR10DataModule("data", contrast_scale=None, value_range=(-1.0, 1.0))
        >>> data.image_shape, data.num_classes, data.value_range
        ((3, 32, 32), 10, (-1.0, 1.0))

    Source: section 5 of the paper and its published configurations; A. Krizhevsky, 2009.
    """

    image_shape = _SHAPE
    num_classes = 10
    class_names = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

    def __init__(
        self,
        root: str | Path = "data",
        *,
        contrast_scale: float | None = 55.0,
        num_validation: int = 10_000,
        value_range: tuple[float, float] | None = None,
        download: bool = True,
        batch_size: int = 100,
        eval_batch_size: int = 1000,
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size=batch_size, eval_batch_size=eval_batch_size, seed=seed)
        if contrast_scale is not None and not 0 < contrast_scale < float("inf"):
            raise UserError(f"contrast_scale = {contrast_scale!r}: expected a number above 0, or None.")
        if contrast_scale is not None and value_range is not None:
            raise UserError(
                f"value_range = {value_range!r} with contrast_scale = {contrast_scale!r}: the contrast "
                "normalisation sets the range itself; give value_range with contrast_scale None (null in YAML)."
            )
        self.root = Path(root)
        self.download = download
        self.contrast_scale = contrast_scale
        self._num_validation = check_whole("num_validation", num_validation, least=1)
        self._scaling = LinearScaling(255, (0.0, 1.0) if value_range is None else value_range)
        self._largest: float | None = None

    @property
    def value_range(self) -> tuple[float, float]:
        """(-M, M) under contrast normalisation, which loads the data; else what black and white become."""
        if self.contrast_scale is None:
            return self._scaling.value_range
        if self._largest is None:
            self._largest = max(float(images.abs().max()) for images in self._training_chunks())
        return -self._largest, self._largest

    @property
    def in_pixel_range(self) -> bool:
        """No, under contrast normalisation: every image lies on a sphere."""
        return self.contrast_scale is None

    def prepare_data(self) -> None:
        """Downloads the data set where it is missing, if ``download`` allows it; else writes nothing.

        Raises:
            UserError: The download failed.
        """
        if not self.download or not self._missing():
            return
        try:
            torchvision.datasets.CIFAR10(str(self.root), train=False, download=True)
        except DOWNLOAD_ERRORS as error:
            advice = f"put them there yourself, or {_ARCHIVE} into {self.root.absolute()}"
            raise missing_files_error("CIFAR-10", self._missing(), advice, error) from error

    def load(self) -> Mapping[Split, ImageDataset]:
        """Reads the six files.

        Returns:
            The three splits.

        Raises:
            UserError: A file is missing, or is not the published one.
        """
        if missing := self._missing():
            place = f"put them there, or {_ARCHIVE} into {self.root.absolute()}"
            advice = f"{place}, or set download=True where there is a network"
            raise missing_files_error("CIFAR-10", missing, advice)
        batches = {name: _unpickle(content, where) for name, where, content in self._contents()}
        images = torch.cat([batches[name][0] for name in _TRAIN_FILES])
        labels = torch.cat([batches[name][1] for name in _TRAIN_FILES])
        num_train = len(images) - self._num_validation
        if num_train < 1:
            raise UserError(
                f"num_validation = {self._num_validation} leaves no training image of the {len(images)} in "
                f"{self.root}: lower it."
            )
        scale = self.contrast_scale
        convert = self._scaling if scale is None else partial(global_contrast_normalize, scale=scale)
        return {
            "train": ImageDataset(images[:num_train], labels[:num_train], convert),
            "val": ImageDataset(images[num_train:], labels[num_train:], convert),
            "test": ImageDataset(*batches[_TEST_FILE], convert),
        }

    def _missing(self) -> list[Path]:
        if (self.root / _ARCHIVE).is_file():
            return []
        paths = [self.root / _FOLDER / name for name in (*_TRAIN_FILES, _TEST_FILE)]
        return [path for path in paths if not path.is_file()]

    def _contents(self) -> Iterator[tuple[str, str, bytes]]:
        """Name, place and bytes of the six files; only of those whose checksum is right."""
        names = (*_TRAIN_FILES, _TEST_FILE)
        if all((self.root / _FOLDER / name).is_file() for name in names):
            for name in names:
                path = self.root / _FOLDER / name
                yield name, str(path), _verified(name, str(path), path.read_bytes())
            return
        path = self.root / _ARCHIVE
        archive = io.BytesIO(_verified(_ARCHIVE, str(path), path.read_bytes()))
        # One pass over the archive, into memory: nothing is written, no member chooses where it goes.
        with tarfile.open(fileobj=archive, mode="r|gz") as members:
            for member in members:
                folder, _, name = member.name.rpartition("/")
                stream = members.extractfile(member) if folder == _FOLDER and name in names else None
                if stream is not None:
                    where = f"{path}: {member.name}"
                    yield name, where, _verified(name, where, stream.read())


def _verified(name: str, where: str, content: bytes) -> bytes:
    # MD5 is what the publisher gives; it keeps out damage, and files made without knowledge of the
    # original's.
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != CHECKSUMS[name]:
        raise UserError(
            f"{where}: MD5 {found}, expected {CHECKSUMS[name]}: it is damaged or another file, and was not "
            "read; delete it and fetch it again."
        )
    return content


def _unpickle(content: bytes, where: str) -> tuple[Tensor, Tensor]:
    with warnings.catch_warnings():
        # The files were written by a NumPy of 2009, whose dtypes NumPy 2.4 deprecates.
        warnings.simplefilter("ignore", category=np.exceptions.VisibleDeprecationWarning)
        batch: dict[bytes, Any] = pickle.loads(content, encoding="bytes")  # noqa: S301 (checksum verified)
    data, labels = batch[b"data"], batch[b"labels"]
    if data.shape != (len(labels), np.prod(_SHAPE)):
        raise UserError(f"{where}: data of shape {data.shape} with {len(labels)} labels, expected (N, 3072) with N.")
    return torch.from_numpy(data).reshape(-1, *_SHAPE), torch.tensor(labels, dtype=torch.int64)
