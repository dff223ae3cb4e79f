"""The Fréchet distance of two sets of points, taken for Gaussian: by sums in float64, made in any parts."""

from typing import NamedTuple, Self

import torch
from torch import Tensor


class Moments(NamedTuple):
    """How many points, their sum ``(F,)`` and the sum of their outer products ``(F, F)``, in float64.

    Example:
        >>> both = Moments.of(torch.tensor([[1.0], [3.0]])) + Moments.of(torch.tensor([[5.0]]))
        >>> both.mean.item(), both.covariance.item()
        (3.0, 4.0)
    """

    num: int
    total: Tensor
    products: Tensor

    @classmethod
    def of(cls, points: Tensor) -> Self:
        """Of points ``(N, F)``."""
        points = points.double()
        return cls(len(points), points.sum(0), points.mT @ points)

    def __add__(self, other: object) -> "Moments":
        """Of both sets together."""
        if not isinstance(other, Moments):
            return NotImplemented
        return Moments(self.num + other.num, self.total + other.total, self.products + other.products)

    @property
    def mean(self) -> Tensor:
        """Of the points, ``(F,)``."""
        return self.total / self.num

    @property
    def covariance(self) -> Tensor:
        """Unbiased, ``(F, F)``; there have to be two points."""
        return (self.products - torch.outer(self.total, self.mean)) / (self.num - 1)


def frechet_distance(one: Moments, other: Moments) -> Tensor:
    r"""The squared 2-Wasserstein distance of two normal distributions.

    .. math:: d^2 = \lVert \mu_1 - \mu_2 \rVert^2
        + \mathrm{tr}\big( \Sigma_1 + \Sigma_2 - 2 (\Sigma_1 \Sigma_2)^{1/2} \big)

    With :math:`\Sigma_i = L_i L_i^T` the last trace is the sum of the singular values of :math:`L_1^T L_2`: no root
    of a number that is 0 but for rounding, as where there are fewer points than dimensions.

    Args:
        one: Of two points at least.
        other: Likewise, of as many dimensions.

    Returns:
        A scalar in float64, 0 or more.

    Example:
        >>> points = torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0], [2.0, 2.0]])
        >>> frechet_distance(Moments.of(points), Moments.of(points + torch.tensor([3.0, 4.0]))).item()
        25.0

    Reference:
        Dowson and Landau 1982, *The Fréchet distance between multivariate normal distributions*; Heusel et al. 2017,
        *GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium* (FID).
    """
    covariances = one.covariance, other.covariance
    shared = torch.linalg.svdvals(_factor(covariances[0]).mT @ _factor(covariances[1])).sum()
    spread = covariances[0].trace() + covariances[1].trace() - 2 * shared
    distance: Tensor = (one.mean - other.mean).square().sum() + spread
    return distance.clamp_min(0)


def _factor(covariance: Tensor) -> Tensor:
    """L of a covariance L L^T, without the directions in which there is nothing but rounding."""
    values, vectors = torch.linalg.eigh(covariance)
    kept = values > torch.finfo(values.dtype).eps * len(values) * values[-1]
    factor: Tensor = vectors[:, kept] * values[kept].sqrt()
    return factor
