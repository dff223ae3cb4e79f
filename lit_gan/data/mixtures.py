"""Gaussian mixtures whose density is known in closed form, to hold a generator against."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from lit_gan.data.arguments import check_whole
from lit_gan.errors import UserError

_BOX_STDS = 6  # standard deviations beyond the outermost modes; a draw falls outside once in 5e8 coordinates


class GaussianMixture:
    r"""A mixture of round Gaussians.

    .. math:: p(x) = \sum_k w_k \, \mathcal{N}(x; \mu_k, s_k^2 I)

    Args:
        means: The modes' places, shape (K, d), as nested lists.
        std: The standard deviation s of every mode in every direction, or one per mode.
        weights: How much of the mass each mode has, K positive numbers, brought to a sum of 1; None for equal
            ones.

    Raises:
        UserError: The numbers do not make a mixture.

    Example:
        >>> mixture = GaussianMixture(means=[[-1.0], [1.0]], std=0.5, weights=[3.0, 1.0])
        >>> mixture.weights
        tensor([0.7500, 0.2500], dtype=torch.float64)
        >>> mixture.sample(4, torch.Generator().manual_seed(0)).shape
        torch.Size([4, 1])
    """

    def __init__(
        self,
        means: Sequence[Sequence[float]],
        std: float | Sequence[float],
        weights: Sequence[float] | None = None,
    ) -> None:
        widths = {len(mean) for mean in means}
        if len(widths) != 1 or 0 in widths:
            raise UserError(f"means = {means!r}: expected at least one mode, all with equally many coordinates.")
        self.means = torch.tensor(means, dtype=torch.float64)
        if not self.means.isfinite().all():
            raise UserError(f"means = {means!r}: expected finite numbers.")
        num = len(self.means)
        self.std = _positive("std", [std] * num if isinstance(std, int | float) else std, num)
        relative = _positive("weights", [1.0] * num if weights is None else weights, num)
        self.weights = relative / relative.sum()

    @property
    def num_dims(self) -> int:
        """d, how many coordinates a point has."""
        return self.means.shape[1]

    @property
    def box(self) -> tuple[float, float]:
        """(low, high) of a cube that holds all modes with six standard deviations around each.

        The mass outside is below 2e-9 d.
        """
        low = (self.means - _BOX_STDS * self.std[:, None]).min()
        high = (self.means + _BOX_STDS * self.std[:, None]).max()
        return float(low), float(high)

    def sample(self, num: int, generator: torch.Generator) -> Tensor:
        """Independent draws.

        Args:
            num: How many.
            generator: Where the randomness comes from.

        Returns:
            Shape (num, d), float32.
        """
        mode = torch.multinomial(self.weights, num, replacement=True, generator=generator)
        noise = torch.randn(num, self.num_dims, dtype=torch.float64, generator=generator)
        return (self.means[mode] + self.std[mode, None] * noise).to(torch.float32)

    def log_prob(self, x: Tensor) -> Tensor:
        """The logarithm of the density, exact to float64.

        Args:
            x: Shape (N, d).

        Returns:
            Shape (N,), float64, in nats.
        """
        squared = (x.to(torch.float64)[:, None, :] - self.means).square().sum(dim=-1)
        log_norm = self.num_dims * (self.std.log() + 0.5 * math.log(2 * math.pi))
        return torch.logsumexp(self.weights.log() - log_norm - 0.5 * squared / self.std.square(), dim=1)


class Ring(GaussianMixture):
    """Modes at equal distances on a circle in the plane, the usual test for a generator that drops modes.

    Args:
        num_modes: How many.
        radius: Of the circle.
        std: The standard deviation of every mode.

    Raises:
        UserError: A number is out of its range.

    Example:
        >>> Ring(num_modes=4, radius=1.0).means.round().tolist()
        [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [-0.0, -1.0]]
    """

    def __init__(self, num_modes: int = 8, radius: float = 2.0, std: float = 0.02) -> None:
        num = check_whole("num_modes", num_modes, least=1)
        angles = [2 * math.pi * k / num for k in range(num)]
        super().__init__([[radius * math.cos(angle), radius * math.sin(angle)] for angle in angles], std)


class Grid(GaussianMixture):
    """Modes at the crossings of a square grid about the origin of the plane.

    Args:
        side: Modes along each side; there are ``side`` squared.
        spacing: The distance from one to the next.
        std: The standard deviation of every mode.

    Raises:
        UserError: A number is out of its range.

    Example:
        >>> Grid(side=2, spacing=2.0).means.tolist()
        [[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]]
    """

    def __init__(self, side: int = 5, spacing: float = 2.0, std: float = 0.05) -> None:
        ticks = _ticks(check_whole("side", side, least=1), spacing)
        super().__init__([[x, y] for x in ticks for y in ticks], std)


class Line(GaussianMixture):
    """Modes at equal distances on the line, about zero: data of one dimension, as in figure 1 of the paper.

    Args:
        num_modes: How many.
        spacing: The distance from one to the next.
        std: The standard deviation of every mode.

    Raises:
        UserError: A number is out of its range.

    Example:
        >>> Line(num_modes=3, spacing=2.0).means.flatten().tolist()
        [-2.0, 0.0, 2.0]
    """

    def __init__(self, num_modes: int = 2, spacing: float = 4.0, std: float = 0.5) -> None:
        super().__init__([[x] for x in _ticks(check_whole("num_modes", num_modes, least=1), spacing)], std)


def _ticks(num: int, spacing: float) -> list[float]:
    return [(k - (num - 1) / 2) * spacing for k in range(num)]


def _positive(name: str, values: Sequence[float], num: int) -> Tensor:
    numbers = torch.tensor(values, dtype=torch.float64)
    if numbers.shape != (num,) or not (numbers.isfinite() & (numbers > 0)).all():
        raise UserError(f"{name} = {values!r}: expected {num} finite numbers above 0, one for each mode.")
    return numbers
