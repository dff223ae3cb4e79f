"""Many pictures to rows of bytes, in their order, by every processor that this process may use."""

import os
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.progress import track

from lit_gan.data.levels import DeepLevels
from lit_gan.data.picture import read_picture
from lit_gan.data.picture_source import Opener, PictureSource
from lit_gan.errors import UserError, in_short

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_BLOCK_BYTES, _BLOCK_PICTURES = 2**20, 32  # of a task, whichever is fewer
_MOST_THREADS = 16  # more would wait for Python's lock, and each may hold a picture of 179 megapixels


class Decoder:
    """Decodes pictures of a source.

    Args:
        source: Where they are.
        shape: (C, H, W) of every row.
        levels: What is black and white in pictures of more than eight bits, where it is given.
    """

    def __init__(self, source: PictureSource, shape: tuple[int, int, int], levels: tuple[float, float] | None) -> None:
        self._source = source
        self._shape = shape
        self._levels = levels
        self.seen: list[DeepLevels] = []
        """The levels of the pictures so far that have more than eight bits."""

    def rows(self, names: Sequence[str], *, show_progress: bool) -> Iterator[NDArray[np.uint8]]:
        """The pictures as blocks of rows (n, C, H, W), in their order.

        Raises:
            UserError: One of them is damaged: the first one in the order.
        """
        size = max(1, min(_BLOCK_PICTURES, _BLOCK_BYTES // int(np.prod(self._shape))))
        blocks = [names[start : start + size] for start in range(0, len(names), size)]
        console = Console(stderr=True)
        shown = show_progress and console.is_terminal
        with self._source.opened() as opener, warnings.catch_warnings():
            # Pillow's advice on a picture of 90 to 180 megapixels; of a larger one it raises an error.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            done = in_order(lambda block: self._block(opener, block), blocks, min(num_processors(), _MOST_THREADS))
            for rows, seen in track(done, "Decoding pictures", len(blocks), console=console, disable=not shown):
                self.seen += seen
                yield rows

    def _block(self, opener: Opener, names: Sequence[str]) -> tuple[NDArray[np.uint8], list[DeepLevels]]:
        rows, found = np.empty((len(names), *self._shape), dtype=np.uint8), []
        for row, name in enumerate(names):
            pixels, seen = self._decoded(opener, name)
            rows[row] = pixels.transpose(2, 0, 1)
            found += [] if seen is None else [seen]
        return rows, found

    def _decoded(self, opener: Opener, name: str) -> tuple[NDArray[np.uint8], DeepLevels | None]:
        where, (channels, *size) = self._source.where(name), self._shape
        try:
            return read_picture(opener(name), where, (size[0], size[1]), grey=channels == 1, levels=self._levels)
        except UserError:
            raise
        except PermissionError as error:
            reason = f"cannot be read ({error.strerror}); give yourself leave to, or move it away."
            raise UserError(f"{where}: {reason}") from error
        except Exception as error:  # on a damaged or a forged picture Pillow's readers raise anything at all
            raise _cannot_be_decoded(where, error) from error


def in_order(function: Callable[[_Item], _Result], items: Iterable[_Item], num_threads: int) -> Iterator[_Result]:
    """``map`` by threads, that is never further ahead of its reader than two items for each of them.

    Pillow decodes and resizes outside of Python's lock; what holds it is a third of the work on a JPEG of 200 x 200
    pixels, and a tenth on a photograph: three threads are worth their processors there, ten here. Processes would not
    be held up, but would need Pillow's plugins registered anew, and a script of the user's that may be imported twice.

    Example:
        >>> list(in_order(abs, [-3, 2, -1], num_threads=2))
        [3, 2, 1]
    """
    waiting: deque[Future[_Result]] = deque()
    with ThreadPoolExecutor(num_threads) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > 2 * num_threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for each in waiting:
                each.cancel()


def num_processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cannot_be_decoded(where: Path, error: Exception) -> UserError:
    if isinstance(error, Image.DecompressionBombError):
        return UserError(f"{where}: too large to be decoded ({in_short(error)}); scale it down, or leave it out.")
    reason = in_short(f"{type(error).__name__}: {error}")
    return UserError(f"{where}: cannot be decoded ({reason}); mend or remove the picture.")
