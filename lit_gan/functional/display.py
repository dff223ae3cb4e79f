"""From data space to pictures."""

import torch
from torch import Tensor


def to_display_range(images: Tensor, value_range: tuple[float, float] | None) -> Tensor:
    """Maps images linearly from their own range onto [0, 1], the range for showing.

    Args:
        images: ``(N, C, H, W)`` in data space.
        value_range: The values that become 0 and 1; values outside are clipped. ``None`` where nothing is known:
            then the largest absolute value among ``images`` becomes 1 and its negative 0, as in the paper's
            CIFAR-10 figures.

    Returns:
        A tensor of the same shape, in [0, 1].

    Example:
        >>> to_display_range(torch.tensor([-1.0, 0.0, 1.0]), (-1.0, 1.0))
        tensor([0.0000, 0.5000, 1.0000])
    """
    if value_range is None:
        largest = images.abs().max()
        largest = torch.where(largest == 0, 1.0, largest)  # all zeros are shown as grey
        return images.add(largest).div_(2 * largest)
    low, high = value_range
    if (low, high) == (0.0, 1.0):
        return images.clamp(0.0, 1.0)
    return images.sub(low).div_(high - low).clamp_(0.0, 1.0)
