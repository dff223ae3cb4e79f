"""Samples that wait on disk: memory holds one shard of them, however many there are."""

import shutil
import tempfile
import weakref
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor

from lit_gan.errors import UserError
from lit_gan.functional.distinct_rows import distinct_rows
from lit_gan.functional.parzen_search import CentreSearch
from lit_gan.functional.parzen_windows import SHARD
from lit_gan.functional.vector_codes import coder_for

_SHARD_BYTES = 2**26  # of samples in float32; what searches them takes three times that


def shard_rows(depth: int, most: int) -> int:
    """How many samples are in memory at a time.

    Example:
        >>> shard_rows(28 * 28, SHARD), shard_rows(3 * 128 * 128, SHARD)
        (16384, 341)
    """
    return max(1, min(most, _SHARD_BYTES // (4 * depth)))


class SampleFile:
    """Float32 rows in an unnamed temporary file, which the system deletes however the process ends.

    It takes 4 D bytes per row: 3 GB for a million MNIST images.

    Example:
        >>> samples = SampleFile(Path("."))
        >>> samples.append(torch.ones(3, 2))
        >>> len(samples), [shard.tolist() for shard in samples.shards(2)]
        (3, [[[1.0, 1.0], [1.0, 1.0]], [[1.0, 1.0]]])
        >>> samples.clear()
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise UserError(
                f"scratch_dir = '{folder}': expected an existing folder on a disk with room for the samples."
            )
        self._folder = folder
        self._file: IO[bytes] | None = None
        self._rows = 0
        self._depth = 0

    def _open(self) -> IO[bytes]:
        file = tempfile.TemporaryFile(dir=self._folder, prefix="lit-gan-")  # noqa: SIM115  it outlives this call
        weakref.finalize(self, file.close)
        return file

    def __len__(self) -> int:
        return self._rows

    def append(self, rows: Tensor) -> None:
        """Writes rows at the end."""
        if self._file is None:
            self._file = self._open()
        self._file.write(rows.cpu().contiguous().numpy().tobytes())
        self._rows += rows.shape[0]
        self._depth = rows.shape[1]

    def shards(self, size: int) -> Iterator[Tensor]:
        """Reads the rows from the beginning."""
        for start in range(0, self._rows, size):
            if self._file is None:
                return
            values = np.empty((min(size, self._rows - start), self._depth), dtype=np.float32)
            self._file.seek(start * self._depth * values.itemsize)
            self._file.readinto(values)  # type: ignore[attr-defined]  # a buffered reader, which IO does not say
            self._file.seek(0, 2)
            yield torch.from_numpy(values)

    def clear(self) -> None:
        """Forgets all rows and gives the disk back."""
        if self._file is not None:
            self._file.close()
        self._file, self._rows = None, 0

    def __deepcopy__(self, memo: dict[int, Any]) -> "SampleFile":
        twin = SampleFile(self._folder)
        if self._file is not None:
            twin._file = twin._open()
            self._file.seek(0)
            shutil.copyfileobj(self._file, twin._file)
            twin._rows, twin._depth = self._rows, self._depth
        return twin

    def __reduce__(self) -> tuple[type["SampleFile"], tuple[Path]]:
        if self._rows:
            raise UserError(f"{self._rows} samples wait in scratch_dir and cannot be pickled: call reset() first.")
        return SampleFile, (self._folder,)


class ShardsOnDisk:
    """The samples of a file as centres that are ready to be searched, read anew for every pass."""

    def __init__(self, samples: SampleFile, rows: Tensor) -> None:
        self._samples, self._device, self._rows = samples, rows.device, shard_rows(rows.shape[1], SHARD)
        self._low, self._high = (float(value) for value in torch.aminmax(rows))

    def __iter__(self) -> Iterator[CentreSearch]:
        for shard in self._samples.shards(self._rows):
            centres = shard.to(self._device)
            low, high = (float(value) for value in torch.aminmax(centres))
            coder = partial(coder_for, centres, min(low, self._low), max(high, self._high))
            yield CentreSearch(centres, *distinct_rows(centres), coder)
