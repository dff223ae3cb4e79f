"""Which GPUs each worker's trials see."""

from collections.abc import Sequence


def shares_of_devices(devices: Sequence[str], workers: int) -> list[str | None]:
    """CUDA_VISIBLE_DEVICES for each worker.

    All get equally many, so that all trials have the same global batch; what is left over stays idle.

    Args:
        devices: The GPUs, as CUDA_VISIBLE_DEVICES names them.
        workers: How many workers there are.

    Returns:
        A value for each; None, which leaves the variable as it is, where one worker has all devices or there are fewer
        than workers.

    Example:
        >>> shares_of_devices(["0", "1", "2", "3", "4"], 2)
        ['0,1', '2,3']
        >>> shares_of_devices([], 2)
        [None, None]
    """
    each = len(devices) // workers
    if workers == 1 or each == 0:
        return [None] * workers
    return [",".join(devices[each * worker : each * (worker + 1)]) for worker in range(workers)]
