"""From the whole numbers of a picture's file to the numbers that the networks see."""

import torch
from torch import Tensor

from lit_gan.data.arguments import check_value_range


class LinearScaling:
    r"""Maps the grey levels 0..``max_level`` linearly onto a range.

    .. math:: x = low + (high - low) \cdot k / max\_level

    Args:
        max_level: The level that becomes ``high`` (255 for bytes, 16 for scikit-learn's digits).
        value_range: ``(low, high)``, the images of level 0 and of ``max_level``.

    Raises:
        UserError: ``value_range`` is not two finite numbers, the lower one first.

    Example:
        >>> LinearScaling(255, (-1.0, 1.0))(torch.tensor([0, 255], dtype=torch.uint8))
        tensor([-1.,  1.])
    """

    def __init__(self, max_level: int, value_range: tuple[float, float] = (0.0, 1.0)) -> None:
        self.max_level = max_level
        self.value_range = check_value_range(value_range)

    def __call__(self, levels: Tensor) -> Tensor:
        """The levels as numbers in the range.

        Args:
            levels: Any shape, uint8.

        Returns:
            Same shape, float32.
        """
        low, high = self.value_range
        images = levels.to(torch.float32).div_(self.max_level)
        return images if (low, high) == (0.0, 1.0) else images.mul_(high - low).add_(low)
