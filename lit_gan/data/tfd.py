"""The Toronto Face Database, 48x48 pixels, from its MATLAB file."""

import struct
import warnings
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from lit_gan.data.base import InMemoryDataModule, Split
from lit_gan.data.dataset import ImageDataset
from lit_gan.data.missing_files import missing_files_error
from lit_gan.data.scaling import LinearScaling
from lit_gan.errors import UserError, in_short

TrainOn = Literal["unlabeled", "train", "all"]
_FILE = "TFD_48x48.mat"
_SIDE = 48
_NUM_FOLDS = 5
_NUM_EXPRESSIONS = 7
_UNLABELED, _TRAIN, _VALID, _TEST = 0, 1, 2, 3  # what the file's `folds` say of a row
_PARTS: dict[TrainOn, tuple[int, ...]] = {
    "unlabeled": (_UNLABELED,),
    "train": (_TRAIN,),
    "all": (_UNLABELED, _TRAIN),
}
# All that scipy is known to raise on files that are cut off, damaged, of another kind or of MATLAB 7.3
# (HDF5).
_READ_ERRORS = (
    ValueError, TypeError, KeyError, IndexError, OverflowError, MemoryError, OSError, EOFError, NotImplementedError,
    UserWarning, zlib.error, struct.error,
)  # fmt: skip


class TFDDataModule(InMemoryDataModule):
    """Faces of 48x48 pixels, with five official folds into unlabeled, training, validation and test images.

    There is no download: the data set is given out on request by its authors at the University of Toronto.
    The file belongs at ``root/TFD_48x48.mat``.

    Args:
        root: The folder of the data.
        fold: Which fold, 0 to 4: its validation and test images are validated and tested on.
        train_on: ``unlabeled`` trains on the images without labels (the paper), ``train`` on the fold's
            labelled training images, ``all`` on both. Only ``train`` has labels, seven expressions, in all
            its splits.
        value_range: What black and white become.
        batch_size: m, rows per rank and minibatch.
        eval_batch_size: Rows per rank and batch in validation and test.
        seed: The seed of the run, for the order of the training rows.

    Raises:
        UserError: An argument is out of its range.

    Example:
        >>> data = TFDDataModule("data", fold=3)
        >>> data.image_shape, data.num_classes, TFDDataModule(train_on="train").num_classes
        ((1, 48, 48), 0, 7)

    Source: section 5 of the paper; J. Susskind, A. Anderson and G. Hinton, The Toronto Face Dataset, UTML TR
        2010-001.
    """

    image_shape = (1, _SIDE, _SIDE)
    num_sigma_images = None  # the whole of each fold's validation set

    def __init__(
        self,
        root: str | Path = "data",
        *,
        fold: int = 0,
        train_on: TrainOn = "unlabeled",
        value_range: tuple[float, float] = (0.0, 1.0),
        batch_size: int = 100,
        eval_batch_size: int = 1000,
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size=batch_size, eval_batch_size=eval_batch_size, seed=seed)
        if fold not in range(_NUM_FOLDS) or isinstance(fold, bool):
            raise UserError(f"fold = {fold!r}: expected a whole number from 0 to {_NUM_FOLDS - 1}.")
        if train_on not in _PARTS:
            raise UserError(f"train_on = {train_on!r}: expected one of {', '.join(get_args(TrainOn))}.")
        self.path = Path(root) / _FILE
        self.fold = fold
        self.train_on = train_on
        self._scaling = LinearScaling(255, value_range)

    @property
    def num_classes(self) -> int:
        """Seven expressions where the training images are labelled, else 0."""
        return _NUM_EXPRESSIONS if self.train_on == "train" else 0

    @property
    def value_range(self) -> tuple[float, float]:
        """What black and white become."""
        return self._scaling.value_range

    def load(self) -> Mapping[Split, ImageDataset]:
        """Reads the file and picks the fold's rows.

        Returns:
            The three splits.

        Raises:
            UserError: The file is missing, damaged, or not of the documented content.
        """
        content = self._read()
        images, folds = self._images(content), self._folds(content)
        part_of_row = folds[:, self.fold]
        rows: dict[Split, np.ndarray[Any, Any]] = {
            "train": np.flatnonzero(np.isin(part_of_row, _PARTS[self.train_on])),
            "val": np.flatnonzero(part_of_row == _VALID),
            "test": np.flatnonzero(part_of_row == _TEST),
        }
        for split, chosen in rows.items():
            if not len(chosen):
                raise UserError(f"{self.path}: 'folds' has no row for the {split} split of fold {self.fold}.")
        labels = self._labels(content) if self.num_classes else None
        return {split: self._split(images, labels, chosen) for split, chosen in rows.items()}

    def evaluation_folds(self) -> list[tuple[Tensor, Tensor]]:
        """The validation and the test images of each of the five folds: the paper's error is taken across them.

        Returns:
            Five pairs of images, each ``(N, 1, 48, 48)`` float32 in :attr:`value_range`.

        Raises:
            UserError: The file is missing, damaged, or not of the documented content.
        """
        content = self._read()
        images, folds = self._images(content), self._folds(content)
        pairs = []
        for part_of_row in folds.T:
            val, test = (self._split(images, None, np.flatnonzero(part_of_row == part)) for part in (_VALID, _TEST))
            pairs.append((val.head(), test.head()))
        return pairs

    def _split(self, images: Any, labels: Any, rows: Any) -> ImageDataset:
        # MATLAB's arrays lie column by column; the gathered copy lies image by image.
        chosen = torch.from_numpy(np.ascontiguousarray(images[rows])).unsqueeze(1)
        return ImageDataset(chosen, None if labels is None else self._classes(labels[rows]), self._scaling)

    def _read(self) -> dict[str, Any]:
        if not self.path.is_file():
            owner = "the authors of the Toronto Face Database (University of Toronto)"
            advice = f"ask {owner} for the file and put it there, as there is no download"
            raise missing_files_error("TFD", [self.path], advice)
        from scipy.io.matlab import MatReadError, loadmat  # noqa: PLC0415 -- half a second, for those who have the file

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", UserWarning)  # "returned data may be corrupt"
                content: dict[str, Any] = loadmat(self.path, variable_names=["images", "labs_ex", "folds"])
        except (MatReadError, *_READ_ERRORS) as error:
            reason = in_short(f"{type(error).__name__}: {error}")
            raise UserError(
                f"{self.path}: cannot be read as a MATLAB file of version 7 or older ({reason}); expected "
                "the database's own file, whole."
            ) from error
        return content

    def _variable(self, content: dict[str, Any], key: str) -> Any:
        if key not in content:
            raise UserError(f"{self.path}: has no variable {key!r}; expected 'images', 'folds' and 'labs_ex'.")
        return content[key]

    def _images(self, content: dict[str, Any]) -> Any:
        images = self._variable(content, "images")
        if images.ndim != 3 or images.shape[1:] != (_SIDE, _SIDE) or images.dtype != np.uint8:
            raise UserError(
                f"{self.path}: 'images' is {images.dtype} of shape {images.shape}, expected uint8 of shape "
                f"(N, {_SIDE}, {_SIDE})."
            )
        return images

    def _folds(self, content: dict[str, Any]) -> Any:
        folds, num_rows = self._variable(content, "folds"), len(content["images"])
        if folds.shape != (num_rows, _NUM_FOLDS):
            raise UserError(f"{self.path}: 'folds' has shape {folds.shape}, expected ({num_rows}, {_NUM_FOLDS}).")
        if not np.isin(folds, (_UNLABELED, _TRAIN, _VALID, _TEST)).all():
            raise UserError(
                f"{self.path}: 'folds' has other values than 0 (unlabeled), 1 (train), 2 (valid) and 3 (test)."
            )
        return folds

    def _labels(self, content: dict[str, Any]) -> Any:
        labels, num_rows = self._variable(content, "labs_ex"), len(content["images"])
        if labels.size != num_rows or labels.dtype.kind not in "iuf":
            raise UserError(
                f"{self.path}: 'labs_ex' is {labels.dtype} of shape {labels.shape}, expected {num_rows} numbers."
            )
        return labels.reshape(-1)

    def _classes(self, labels: Any) -> Tensor:
        """The file counts expressions from 1; unlabeled rows, which have -1, are not among these."""
        if not np.isin(labels, np.arange(1, _NUM_EXPRESSIONS + 1)).all():
            raise UserError(
                f"{self.path}: 'labs_ex' has other values than 1 to {_NUM_EXPRESSIONS} in a labelled row of "
                f"fold {self.fold}."
            )
        return torch.from_numpy(labels.astype(np.int64)) - 1
