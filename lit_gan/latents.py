"""The distributions p_z that the generator's input is drawn from.

A new one is one subclass of :class:`Latent` with a ``draw``; YAML names it by its ``class_path`` at once.
"""

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor

from lit_gan.errors import UserError


class Latent(ABC):
    """A distribution over vectors of ``size`` numbers.

    Args:
        size: Length of a latent vector; the generator's ``latent_size``.

    Raises:
        UserError: If ``size`` is below 1.
    """

    def __init__(self, size: int) -> None:
        if size < 1:
            raise UserError(f"latent size = {size}: expected at least 1, the generator's latent_size.")
        self.size = size

    @abstractmethod
    def draw(self, shape: tuple[int, int], generator: torch.Generator | None, dtype: torch.dtype | None) -> Tensor:
        """Draws ``shape = (num, size)`` numbers on the generator's device."""

    def sample(
        self,
        num: int,
        *,
        generator: torch.Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> Tensor:
        """Draws latent vectors.

        Args:
            num: How many.
            generator: Where the randomness comes from (torch's global CPU generator if ``None``). The draw is made on
                its device, so that the same generator gives the same latents wherever they are used.
            device: Where the result goes; the generator's own device if ``None``.
            dtype: Type of the result; torch's default if ``None``.

        Returns:
            A tensor of shape ``(num, size)``.
        """
        drawn = self.draw((num, self.size), generator, dtype)
        return drawn if device is None else drawn.to(device)


def _device_of(generator: torch.Generator | None) -> torch.device:
    return torch.device("cpu") if generator is None else generator.device


class Uniform(Latent):
    r"""Uniform on :math:`[low, high]^{size}`; by default :math:`[-\sqrt 3, \sqrt 3]`, which has unit variance.

    Args:
        size: Length of a latent vector.
        low: Lower end.
        high: Upper end.

    Raises:
        UserError: If ``low`` is not below ``high``.

    Example:
        >>> Uniform(100).sample(4).shape
        torch.Size([4, 100])

    Reference:
        The paper's MNIST run draws from this default with ``size=100``.
    """

    def __init__(self, size: int, low: float = -math.sqrt(3.0), high: float = math.sqrt(3.0)) -> None:
        super().__init__(size)
        if not low < high:
            raise UserError(f"Uniform latent: low = {low} and high = {high}: expected low below high.")
        self.low = low
        self.high = high

    def draw(self, shape: tuple[int, int], generator: torch.Generator | None, dtype: torch.dtype | None) -> Tensor:
        """See :meth:`Latent.draw`."""
        unit = torch.rand(shape, generator=generator, device=_device_of(generator), dtype=dtype)
        return unit.mul_(self.high - self.low).add_(self.low)


class Normal(Latent):
    """Independent normal coordinates.

    Args:
        size: Length of a latent vector.
        mean: Mean of each coordinate.
        std: Standard deviation of each coordinate.

    Raises:
        UserError: If ``std`` is not positive.

    Example:
        >>> Normal(100).sample(4).shape
        torch.Size([4, 100])

    Reference:
        The paper's TFD and CIFAR-10 runs draw from this default with ``size=100``.
    """

    def __init__(self, size: int, mean: float = 0.0, std: float = 1.0) -> None:
        super().__init__(size)
        if not std > 0:
            raise UserError(f"Normal latent: std = {std}: expected a positive number.")
        self.mean = mean
        self.std = std

    def draw(self, shape: tuple[int, int], generator: torch.Generator | None, dtype: torch.dtype | None) -> Tensor:
        """See :meth:`Latent.draw`."""
        standard = torch.randn(shape, generator=generator, device=_device_of(generator), dtype=dtype)
        return standard.mul_(self.std).add_(self.mean)


class Spherical(Latent):
    r"""Uniform on the sphere of radius :math:`\sqrt{size}`, where a standard normal concentrates in many dimensions.

    Straight lines between draws of :class:`Normal` pass through a region that training never saw; great circles
    between draws of this one do not.

    Args:
        size: Length of a latent vector.

    Example:
        >>> Spherical(100).sample(2).norm(dim=1).round()
        tensor([10., 10.])
    """

    def draw(self, shape: tuple[int, int], generator: torch.Generator | None, dtype: torch.dtype | None) -> Tensor:
        """See :meth:`Latent.draw`."""
        direction = torch.randn(shape, generator=generator, device=_device_of(generator), dtype=dtype)
        return torch.nn.functional.normalize(direction, dim=1).mul_(math.sqrt(self.size))
