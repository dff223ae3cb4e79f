"""How latents are found whose samples D takes for examples."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from lit_gan.errors import UserError
from lit_gan.latents import Normal
from lit_gan.randomness import stream
from lit_gan.sampling.judge import BLOCK, Judge

_EPSILON = 1e-12


class SamplingMethod(ABC):
    """Finds latents by asking D.

    Example:
        >>> from lit_gan import GAN
        >>> from lit_gan.networks import MaxoutDiscriminator, MLPGenerator
        >>> from lit_gan.sampling import sample
        >>> class Middle(SamplingMethod):
        ...     def latents(self, judge, num, seed, condition):
        ...         return torch.full((num, judge.latent.size), 0.5)
        >>> gan = GAN(MLPGenerator((1, 8, 8), latent_size=4, hidden=(16,)), MaxoutDiscriminator((1, 8, 8), hidden=(8,)))
        >>> sample(gan, 3, method=Middle()).shape
        torch.Size([3, 1, 8, 8])
    """

    @abstractmethod
    def latents(self, judge: Judge, num: int, seed: int, condition: Tensor | None) -> Tensor:
        """Finds latents.

        Each is a function of the seed, its number and its condition, not of the batch that it passes in.

        Args:
            judge: D, and what latents are drawn from.
            num: How many.
            seed: Of all that is random.
            condition: One for each, ``(num, ...)``, or ``None``.

        Returns:
            A tensor ``(num, size)`` on the CPU.
        """


@dataclass(frozen=True)
class Rejection(SamplingMethod):
    r"""Discriminator rejection sampling: draws until D's ratio lets one pass.

    A draw passes with the probability

    .. math:: \sigma(F - \gamma), \qquad F = f - \log(1 - e^{f}), \quad f = \log r(G(z)) - \max \log r

    where :math:`r` is the density ratio that a calibrated D stands for. With :math:`\gamma = 0` that is
    :math:`r / \max r`: exactly rejection sampling, whose samples have the distribution of the data where D is right. In
    many dimensions hardly anything passes then; a :math:`\gamma` that is a quantile of F lets about as much pass as is
    above it. The largest ratio and the quantile are taken of ``pool`` draws before; what is above the largest passes.

    Args:
        quantile: Of F, that is :math:`\gamma`, in [0, 1); ``None`` is :math:`\gamma = 0`, the exact method.
        pool: How many draws they are taken of.
        tries: How many draws a sample may take.

    Raises:
        UserError: If a number is out of range; when sampling, if a sample took too many draws.

    Example:
        >>> from lit_gan import GAN
        >>> from lit_gan.networks import MaxoutDiscriminator, MLPGenerator
        >>> from lit_gan.sampling import sample
        >>> gan = GAN(MLPGenerator((1, 8, 8), latent_size=4, hidden=(16,)), MaxoutDiscriminator((1, 8, 8), hidden=(8,)))
        >>> sample(gan, 3, method=Rejection(quantile=0.5, pool=100), rng=0).shape
        torch.Size([3, 1, 8, 8])

    Reference:
        Azadi, Olsson, Darrell, Goodfellow and Odena 2019, *Discriminator Rejection Sampling*.
    """

    quantile: float | None = 0.8
    pool: int = 10_000
    tries: int = 1000

    def __post_init__(self) -> None:
        if self.quantile is not None and not 0 <= self.quantile < 1:
            raise UserError(f"Rejection quantile = {self.quantile}: expected a number in [0, 1), or None.")
        for name, value in (("pool", self.pool), ("tries", self.tries)):
            if value < 1:
                raise UserError(f"Rejection {name} = {value}: expected at least 1.")

    @torch.no_grad()
    def latents(self, judge: Judge, num: int, seed: int, condition: Tensor | None) -> Tensor:
        """See :meth:`SamplingMethod.latents`."""
        top, shift = self._bar(judge, seed, condition)
        found = []
        with judge.judging() as log_ratio:
            for start in range(0, num, BLOCK):
                rows = range(start, min(start + BLOCK, num))
                found.append(torch.empty(len(rows), judge.latent.size))
                waiting = torch.arange(len(rows))
                for attempt in range(self.tries):
                    z = judge.table(seed, "rejection", attempt).rows(rows)[waiting]
                    found[-1] = found[-1].to(z)
                    conditions = None if condition is None else condition[start + waiting]
                    chance = (_log_odds(log_ratio(z, conditions) - top) - shift).sigmoid()
                    draw = stream(seed, "rejection passes", attempt, start)
                    passes = torch.rand(BLOCK, generator=draw, dtype=torch.float64)[waiting] < chance
                    found[-1][waiting[passes]] = z[passes]
                    waiting = waiting[~passes]
                    if not len(waiting):
                        break
                else:
                    raise UserError(
                        f"rejection: {len(waiting)} of {num} samples were refused {self.tries} times: D tells almost "
                        "all samples from examples: expected a lower Rejection(quantile=...), or method latent."
                    )
        return torch.cat(found)

    def _bar(self, judge: Judge, seed: int, condition: Tensor | None) -> tuple[Tensor, Tensor]:
        """The largest log-ratio of the pool, and the quantile of its log-odds to pass."""
        table, scores = judge.table(seed, "rejection pool"), []
        with judge.judging() as log_ratio:
            for start in range(0, self.pool, BLOCK):
                rows = range(start, min(start + BLOCK, self.pool))
                conditions = None if condition is None else condition[torch.tensor(rows) % len(condition)]
                scores.append(log_ratio(table.rows(rows), conditions))
        ratios = torch.cat(scores)
        top = ratios.max()
        odds = _log_odds(ratios - top)
        return top, torch.zeros(()) if self.quantile is None else odds.quantile(self.quantile)


def _log_odds(log_share: Tensor) -> Tensor:
    """The log-odds of a probability that is given by its logarithm, at most 1."""
    share = log_share.clamp_max(0)
    return share - (-torch.expm1(share - _EPSILON)).log()


@dataclass(frozen=True)
class Langevin(SamplingMethod):
    r"""Discriminator-driven Langevin sampling: a latent climbs where both its prior and D would have it, with noise.

    .. math:: z \leftarrow z - \frac{\epsilon}{2} \nabla E(z) + \sqrt\epsilon \sigma n,
        \qquad E(z) = -\log p_z(z) - \log r(G(z)), \quad n \sim N(0, I)

    where :math:`r` is the density ratio that a calibrated D stands for. Where D is right, the latents of density
    :math:`e^{-E}` have samples with the distribution of the data; many small steps come close to it. A coordinate that
    leaves the bounds of a prior (``Uniform``, ``Truncated``) is reflected there.

    Args:
        steps: How many steps.
        step_size: :math:`\epsilon`.
        noise: :math:`\sigma`; 1 samples, 0 climbs.

    Raises:
        UserError: If a number is out of range; when sampling, if the latent has no density that is known.

    Example:
        >>> from lit_gan import GAN
        >>> from lit_gan.networks import MaxoutDiscriminator, MLPGenerator
        >>> from lit_gan.sampling import sample
        >>> gan = GAN(MLPGenerator((1, 8, 8), latent_size=4, hidden=(16,)), MaxoutDiscriminator((1, 8, 8), hidden=(8,)))
        >>> sample(gan, 3, method=Langevin(steps=10, step_size=0.01), rng=0).shape
        torch.Size([3, 1, 8, 8])

    Reference:
        Che et al. 2020, *Your GAN is Secretly an Energy-based Model and You Should Use Discriminator Driven Latent
        Sampling*.
    """

    steps: int = 100
    step_size: float = 0.01
    noise: float = 1.0

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise UserError(f"Langevin steps = {self.steps}: expected at least 1.")
        if not 0 < self.step_size < float("inf"):
            raise UserError(f"Langevin step_size = {self.step_size}: expected a positive number.")
        if not 0 <= self.noise < float("inf"):
            raise UserError(f"Langevin noise = {self.noise}: expected a number of at least 0.")

    def latents(self, judge: Judge, num: int, seed: int, condition: Tensor | None) -> Tensor:
        """See :meth:`SamplingMethod.latents`."""
        start_table, found = judge.table(seed, "langevin"), []
        judge.latent.log_density(torch.zeros(1, judge.latent.size))  # a latent without one is told before all
        with judge.judging() as log_ratio:
            for start in range(0, num, BLOCK):
                rows = range(start, min(start + BLOCK, num))
                conditions = None if condition is None else condition[start : rows.stop]
                z = start_table.rows(rows)
                for step in range(self.steps):
                    with torch.enable_grad():
                        z.requires_grad_(True)
                        energy = -(judge.latent.log_density(z).double() + log_ratio(z, conditions)).sum()
                        (slope,) = torch.autograd.grad(energy, z)
                    normal = judge.table(seed, "langevin noise", step, latent=Normal(judge.latent.size)).rows(rows)
                    z = z.detach() - self.step_size / 2 * slope + self.step_size**0.5 * self.noise * normal
                    z = _reflected(z, judge.latent.bounds)
                found.append(z)
        return torch.cat(found)


def _reflected(z: Tensor, bounds: tuple[float, float] | None) -> Tensor:
    if bounds is None:
        return z
    low, width = bounds[0], bounds[1] - bounds[0]
    return low + (width - ((z - low).remainder(2 * width) - width).abs())
