"""Tiles of rows over threads: a thread to a tile, and no thread ever waits for another within one."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

T = TypeVar("T")

# Every worker has buffers of its own, of tens of MiB; further threads go into the single operations.
_MAX_WORKERS = 16
_MIN_ROWS = 128


def map_tiles(function: Callable[[slice], T], num_rows: int, max_rows: int, device: torch.device) -> list[T]:
    """Calls ``function`` for each tile of rows, on as many threads as torch has.

    Torch's own way is all threads within each operation. A chain of short operations then waits at the end of
    each of them, for milliseconds where other processes are busy; and sums depend on the number of threads. The
    function runs in other threads, where grad and inference mode are not set; with many, tiles are smaller, down to
    128 rows.

    Example:
        >>> map_tiles(lambda rows: rows.stop - rows.start, 300, 200, torch.device("cpu"))[0] <= 200
        True
    """
    threads = torch.get_num_threads() if device.type == "cpu" else 1
    size = min(max_rows, max(-(-num_rows // threads), _MIN_ROWS))
    tiles = [slice(start, min(start + size, num_rows)) for start in range(0, num_rows, size)]
    workers = min(threads, len(tiles), _MAX_WORKERS)
    if workers <= 1:
        return [function(tile) for tile in tiles]
    share = (threads // workers,)
    try:
        with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=share) as pool:
            return list(pool.map(function, tiles))
    finally:
        torch.set_num_threads(threads)
