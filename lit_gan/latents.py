"""The distributions p_z that the generator's input is drawn from.

A new one is one subclass of :class:`Latent` with a ``draw``; YAML names it by its ``class_path`` at once.
"""

import math
from abc import ABC, abstractmethod
from copy import copy
from typing import Protocol, Self

import torch
from torch import Tensor

from lit_gan.errors import UserError
from lit_gan.functional.arrays import widest_float
from lit_gan.randomness import stream

_BLOCK = 1000  # rows of one stream: few enough to be drawn for the sake of one, enough to be drawn seldom


class Latent(ABC):
    """A distribution over vectors of ``size`` numbers.

    Args:
        size: Length of a latent vector; ``None`` leaves it to the GAN, which takes the generator's ``latent_size``.

    Raises:
        UserError: If ``size`` is below 1.
    """

    def __init__(self, size: int | None = None) -> None:
        if size is not None and size < 1:
            raise UserError(f"latent size = {size}: expected at least 1, the generator's latent_size.")
        self._size = size

    @property
    def size(self) -> int:
        """Length of a latent vector.

        Raises:
            UserError: If nobody has said it yet.
        """
        if self._size is None:
            raise UserError(f"{type(self).__name__}: expected a size, since no GAN has given it its generator's.")
        return self._size

    def sized(self, size: int) -> Self:
        """This distribution over vectors of ``size`` numbers, where it has no size of its own.

        Args:
            size: The generator's ``latent_size``.

        Returns:
            A copy with that size; this one where it has a size already.

        Example:
            >>> Normal().sized(100).size, Normal(50).sized(100).size
            (100, 50)
        """
        if self._size is not None:
            return self
        copied = copy(self)
        Latent.__init__(copied, size)
        return copied

    @abstractmethod
    def draw(self, shape: tuple[int, int], generator: torch.Generator | None, dtype: torch.dtype | None) -> Tensor:
        """Draws ``shape = (num, size)`` numbers on the generator's device.

        Args:
            shape: How many latents, and of how many numbers.
            generator: Whose draws they are made of; torch's global one if ``None``.
            dtype: Of the result; torch's default if ``None``.
        """

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

    def truncated(self, threshold: float) -> "Latent":
        """This distribution without its tails, for samples that are more alike and more typical.

        Args:
            threshold: How much is left: for normal coordinates they stay within so many standard deviations of their
                mean, for uniform ones, at most 1, within so large a part of the range.

        Returns:
            A distribution of its own.

        Raises:
            UserError: If there are no tails to cut, or the threshold is out of range.
        """
        raise UserError(
            f"a {type(self).__name__} latent has no tails to cut off: truncation is for Uniform, Normal, Truncated and "
            "Mixture, or for a latent of your own with a method truncated."
        )

    def log_density(self, z: Tensor) -> Tensor:
        """The logarithm of the density at latents, in nats.

        Args:
            z: ``(N, size)``.

        Returns:
            A tensor ``(N,)``, up to a constant that is the same for all; where :attr:`bounds` end the density, only
            latents within them are asked for.

        Raises:
            UserError: If the distribution has no density that is known.
        """
        raise UserError(
            f"a {type(self).__name__} latent has no log-density: expected Uniform, Normal, Truncated or Mixture, or a "
            "latent of your own with a method log_density."
        )

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The ends of each coordinate, where the density ends; ``None`` where it never does."""
        return None

    def between(self, start: Tensor, end: Tensor, fractions: Tensor) -> Tensor:
        r"""The latents on the way from one to another: here the straight line, as in the paper's figure 3.

        .. math:: z_t = (1 - t) z_0 + t z_1

        Args:
            start: :math:`z_0`, ``(size,)``.
            end: :math:`z_1`, ``(size,)``.
            fractions: :math:`t`, ``(num,)`` in [0, 1].

        Returns:
            A tensor ``(num, size)``.
        """
        return torch.lerp(start, end, fractions[:, None])

    def onto_support(self, values: Tensor) -> Tensor:
        """Any numbers as latents that could be drawn, differentiably: what an encoder ends in.

        Args:
            values: ``(N, size)``, of any size of number.

        Returns:
            A tensor ``(N, size)`` within the distribution's own range.

        Raises:
            UserError: If the distribution has not said how: a subclass overrides this.
        """
        raise UserError(
            f"the latent {type(self).__name__} has no inverse: nothing says which range an encoder's output must have: "
            "expected Uniform, Normal, Truncated, Mixture or Spherical, or a method onto_support(values) of its class."
        )


def _device_of(generator: torch.Generator | None) -> torch.device:
    return torch.device("cpu") if generator is None else generator.device


def _truncated_normal(shape: tuple[int, int], threshold: float, generator: torch.Generator | None) -> Tensor:
    """Standard normal numbers of at most ``threshold``, in float64 (float32 on MPS), by quantiles of uniform ones."""
    device = _device_of(generator)
    edge = math.erf(threshold / math.sqrt(2))
    unit = torch.rand(shape, generator=generator, device=device, dtype=widest_float(device))
    drawn = unit.mul_(2).sub_(1).mul_(edge).erfinv_().mul_(math.sqrt(2))
    return drawn.clamp_(-threshold, threshold)  # of rounding


def _within(values: Tensor, low: float, high: float) -> Tensor:
    return low + (high - low) * values.sigmoid()


def _log_normal(standard: Tensor) -> Tensor:
    """The log-density of rows of independent standard normal coordinates."""
    return -0.5 * standard.square().sum(1) - standard.shape[1] * math.log(2 * math.pi) / 2


class Uniform(Latent):
    r"""Uniform on :math:`[low, high]^{size}`; by default :math:`[-\sqrt 3, \sqrt 3]`, which has unit variance.

    Args:
        size: Length of a latent vector; the generator's ``latent_size`` if ``None``.
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

    def __init__(self, size: int | None = None, low: float = -math.sqrt(3.0), high: float = math.sqrt(3.0)) -> None:
        super().__init__(size)
        if not low < high:
            raise UserError(f"Uniform latent: low = {low} and high = {high}: expected low below high.")
        self.low = low
        self.high = high

    def draw(self, shape: tuple[int, int], generator: torch.Generator | None, dtype: torch.dtype | None) -> Tensor:
        """See :meth:`Latent.draw`."""
        unit = torch.rand(shape, generator=generator, device=_device_of(generator), dtype=dtype)
        return unit.mul_(self.high - self.low).add_(self.low)

    def onto_support(self, values: Tensor) -> Tensor:
        """A sigmoid, stretched onto [low, high]."""
        return _within(values, *self.bounds)

    def truncated(self, threshold: float) -> "Uniform":
        """Uniform on the middle ``threshold`` of the range; see :meth:`Latent.truncated`."""
        if not 0 < threshold <= 1:
            raise UserError(f"truncation = {threshold}: expected a part of the uniform latent's range, in (0, 1].")
        middle, half = (self.low + self.high) / 2, (self.high - self.low) / 2 * threshold
        return Uniform(self._size, middle - half, middle + half)

    def log_density(self, z: Tensor) -> Tensor:
        """The same everywhere within the bounds; see :meth:`Latent.log_density`."""
        return z.new_full((len(z),), -z.shape[1] * math.log(self.high - self.low))

    @property
    def bounds(self) -> tuple[float, float]:
        """``low`` and ``high``."""
        return self.low, self.high


class Normal(Latent):
    """Independent normal coordinates.

    Args:
        size: Length of a latent vector; the generator's ``latent_size`` if ``None``.
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

    def __init__(self, size: int | None = None, mean: float = 0.0, std: float = 1.0) -> None:
        super().__init__(size)
        if not std > 0:
            raise UserError(f"Normal latent: std = {std}: expected a positive number.")
        self.mean = mean
        self.std = std

    def draw(self, shape: tuple[int, int], generator: torch.Generator | None, dtype: torch.dtype | None) -> Tensor:
        """See :meth:`Latent.draw`."""
        standard = torch.randn(shape, generator=generator, device=_device_of(generator), dtype=dtype)
        return standard.mul_(self.std).add_(self.mean)

    def onto_support(self, values: Tensor) -> Tensor:
        """The numbers themselves: all can be drawn."""
        return values

    def truncated(self, threshold: float) -> "Truncated":
        """A :class:`Truncated` normal of this mean and scale; see :meth:`Latent.truncated`."""
        return Truncated(self._size, threshold, self.mean, self.std)

    def log_density(self, z: Tensor) -> Tensor:
        """See :meth:`Latent.log_density`."""
        return _log_normal((z - self.mean) / self.std) - z.shape[1] * math.log(self.std)


class Truncated(Latent):
    r"""Independent normal coordinates that stay within ``threshold`` standard deviations of their mean.

    .. math:: z_i = \mu + \sigma \Phi^{-1}(u_i), \qquad u_i \sim U(\Phi(-t), \Phi(t))

    Each coordinate is one uniform number, put through the quantile function in 64 bits (on MPS 32): exactly the
    distribution of a normal number that is drawn anew until it is small enough, and as many random numbers whatever the
    threshold. In training it keeps G from tails that it sees too seldom to learn; at sampling time
    (``lit-gan sample --truncation``) it trades variety for quality.

    Args:
        size: Length of a latent vector; the generator's ``latent_size`` if ``None``.
        threshold: :math:`t`, above 0.
        mean: :math:`\mu`, of the normal before the cut, and after.
        std: :math:`\sigma`, of the normal before the cut.

    Raises:
        UserError: If ``threshold`` or ``std`` is not positive.

    Example:
        >>> bool(Truncated(100, threshold=0.5).sample(1000).abs().max() <= 0.5)
        True

    Reference:
        Brock, Donahue and Simonyan 2019, *Large Scale GAN Training for High Fidelity Natural Image Synthesis* (the
        truncation trick).
    """

    def __init__(self, size: int | None = None, threshold: float = 2.0, mean: float = 0.0, std: float = 1.0) -> None:
        super().__init__(size)
        if not threshold > 0:
            raise UserError(f"truncation = {threshold}: expected a positive number of standard deviations.")
        if not std > 0:
            raise UserError(f"Truncated latent: std = {std}: expected a positive number.")
        self.threshold = threshold
        self.mean = mean
        self.std = std

    def draw(self, shape: tuple[int, int], generator: torch.Generator | None, dtype: torch.dtype | None) -> Tensor:
        """See :meth:`Latent.draw`."""
        standard = _truncated_normal(shape, self.threshold, generator)
        return standard.mul_(self.std).add_(self.mean).to(dtype or torch.get_default_dtype())

    def onto_support(self, values: Tensor) -> Tensor:
        """A sigmoid, stretched onto :attr:`bounds`."""
        return _within(values, *self.bounds)

    def truncated(self, threshold: float) -> "Truncated":
        """With the smaller of the two thresholds; see :meth:`Latent.truncated`."""
        return Truncated(self._size, min(threshold, self.threshold), self.mean, self.std)

    def log_density(self, z: Tensor) -> Tensor:
        """The normal's, over the part that is left; see :meth:`Latent.log_density`."""
        left = math.log(self.std * math.erf(self.threshold / math.sqrt(2)))
        return _log_normal((z - self.mean) / self.std) - z.shape[1] * left

    @property
    def bounds(self) -> tuple[float, float]:
        """``threshold`` standard deviations on each side of the mean."""
        return self.mean - self.threshold * self.std, self.mean + self.threshold * self.std


class Mixture(Latent):
    r"""Equal parts of normal distributions around centres of their own: data in clusters need not be torn from one.

    .. math:: z = \mu_k + \sigma \epsilon, \qquad k \sim U\{1, \dots, K\}, \quad \epsilon \sim N(0, I)

    The centres :math:`\mu_k` are drawn once, uniformly on :math:`[-1, 1]^{size}`, as a function of ``seed`` alone:
    no checkpoint need hold them. They do not learn: those of :class:`lit_gan.networks.MixtureMLPGenerator` do.

    Args:
        num_components: :math:`K`.
        size: Length of a latent vector; the generator's ``latent_size`` if ``None``.
        std: :math:`\sigma`, of each coordinate around its centre.
        seed: Of the centres.
        threshold: How many standard deviations :math:`\epsilon` goes from its centre; any number if ``None``.

    Raises:
        UserError: If ``num_components`` is below 1, or ``std`` or ``threshold`` is not positive.

    Example:
        >>> Mixture(10, size=100).sample(4).shape
        torch.Size([4, 100])

    Reference:
        Gurumurthy, Kiran Sarvadevabhatla and Venkatesh Babu 2017, *DeLiGAN*: these centres and this scale are where
        theirs begin to learn.
    """

    def __init__(
        self,
        num_components: int = 10,
        size: int | None = None,
        std: float = 0.2,
        seed: int = 0,
        threshold: float | None = None,
    ) -> None:
        super().__init__(size)
        if num_components < 1:
            raise UserError(f"Mixture latent: num_components = {num_components}: expected at least 1.")
        if not std > 0:
            raise UserError(f"Mixture latent: std = {std}: expected a positive number.")
        if threshold is not None and not threshold > 0:
            raise UserError(f"truncation = {threshold}: expected a positive number of standard deviations.")
        self.num_components = num_components
        self.std = std
        self.seed = seed
        self.threshold = threshold

    def centres(self) -> Tensor:
        r"""The centres :math:`\mu_k`.

        Returns:
            A tensor ``(num_components, size)`` in float64 on the CPU.
        """
        draw = stream(self.seed, "centres of a mixture")
        return torch.rand(self.num_components, self.size, generator=draw, dtype=torch.float64).mul_(2).sub_(1)

    def draw(self, shape: tuple[int, int], generator: torch.Generator | None, dtype: torch.dtype | None) -> Tensor:
        """See :meth:`Latent.draw`."""
        dtype, device = dtype or torch.get_default_dtype(), _device_of(generator)
        component = torch.randint(self.num_components, (shape[0],), generator=generator, device=device)
        if self.threshold is None:
            noise = torch.randn(shape, generator=generator, device=device, dtype=dtype)
        else:
            noise = _truncated_normal(shape, self.threshold, generator).to(dtype)
        return noise.mul_(self.std).add_(self.centres().to(device, dtype)[component])

    def onto_support(self, values: Tensor) -> Tensor:
        """The numbers themselves: all can be drawn, but where it is truncated, which has no inverse."""
        return values if self.threshold is None else super().onto_support(values)

    def truncated(self, threshold: float) -> "Mixture":
        """Each part truncated around its own centre; see :meth:`Latent.truncated`."""
        least = threshold if self.threshold is None else min(threshold, self.threshold)
        return Mixture(self.num_components, self._size, self.std, self.seed, least)

    def log_density(self, z: Tensor) -> Tensor:
        """See :meth:`Latent.log_density`.

        Raises:
            UserError: If it is truncated: its parts then end at borders of their own.
        """
        if self.threshold is not None:
            raise UserError(
                "a truncated Mixture latent has no log-density that is smooth: expected one without threshold, and no "
                "truncation."
            )
        parts = torch.stack([_log_normal((z - centre) / self.std) for centre in self.centres().to(z)])
        return parts.logsumexp(0) - math.log(self.num_components) - z.shape[1] * math.log(self.std)


class Spherical(Latent):
    r"""Uniform on the sphere of radius :math:`\sqrt{size}`, where a standard normal concentrates in many dimensions.

    Straight lines between draws of :class:`Normal` pass through a region that training never saw; great circles
    between draws of this one do not.

    Args:
        size: Length of a latent vector; the generator's ``latent_size`` if ``None``.

    Example:
        >>> Spherical(100).sample(2).norm(dim=1).round()
        tensor([10., 10.])
    """

    def draw(self, shape: tuple[int, int], generator: torch.Generator | None, dtype: torch.dtype | None) -> Tensor:
        """See :meth:`Latent.draw`."""
        direction = torch.randn(shape, generator=generator, device=_device_of(generator), dtype=dtype)
        return torch.nn.functional.normalize(direction, dim=1).mul_(math.sqrt(self.size))

    def onto_support(self, values: Tensor) -> Tensor:
        """The nearest points of the sphere."""
        return torch.nn.functional.normalize(values, dim=1) * math.sqrt(self.size)

    def between(self, start: Tensor, end: Tensor, fractions: Tensor) -> Tensor:
        r"""The latents on the great circle, at an even pace: the straight line would leave the sphere.

        .. math:: z_t = \frac{\sin((1 - t) \omega) z_0 + \sin(t \omega) z_1}{\sin \omega},
            \quad \omega = \angle(z_0, z_1)

        Args:
            start: :math:`z_0`, ``(size,)``, on the sphere.
            end: :math:`z_1`, ``(size,)``, on the sphere.
            fractions: :math:`t`, ``(num,)`` in [0, 1].

        Returns:
            A tensor ``(num, size)`` on the sphere; the straight line where the two are the same or opposite.
        """
        cosine = torch.nn.functional.cosine_similarity(start, end, dim=0).clamp(-1, 1)
        angle = torch.arccos(cosine)
        if float(angle.sin()) < 1e-6:  # no circle, or any
            return super().between(start, end, fractions)
        t = fractions[:, None]
        return (((1 - t) * angle).sin() * start + (t * angle).sin() * end) / angle.sin()


class Drawn(Protocol):
    """What rows can be drawn from: a latent, say."""

    @property
    def size(self) -> int:
        """Numbers in a row."""

    def sample(self, num: int, *, generator: torch.Generator | None, dtype: torch.dtype | None) -> Tensor:
        """Rows ``(num, size)``."""


class LatentTable:
    """An endless table of latents whose row ``i`` is a function of the seed, the position and ``i``.

    Rows are drawn by the block, on the CPU, so that all devices agree. The last block is kept: whoever goes through
    the table in order draws each block once.

    Args:
        latent: :math:`p_z`, or what else rows are drawn from.
        dtype: Type of the numbers.
        seed: The seed of the run.
        *position: What the latents are for.

    Example:
        >>> table = LatentTable(Uniform(4), torch.float32, 0, "val", 0)
        >>> torch.equal(table.rows(range(990, 1010))[5::2], table.rows(range(995, 1010, 2)))
        True
    """

    def __init__(self, latent: Drawn, dtype: torch.dtype, seed: int, *position: int | str) -> None:
        self._latent = latent
        self._dtype = dtype
        self._seed = seed
        self._position = position
        self._last: tuple[int, Tensor] | None = None

    def rows(self, places: range) -> Tensor:
        """Rows of the table.

        Args:
            places: Their numbers, ascending.

        Returns:
            A tensor ``(len(places), latent_size)`` on the CPU.
        """
        pieces = [torch.empty(0, self._latent.size, dtype=self._dtype)]
        while places:
            number = places[0] // _BLOCK
            start, step = number * _BLOCK, places.step
            inside = -(-(start + _BLOCK - places[0]) // step)  # how many of the places lie in this block
            pieces.append(self._block(number)[[place - start for place in places[:inside]]])
            places = places[inside:]
        return torch.cat(pieces)

    def _block(self, number: int) -> Tensor:
        if self._last is None or self._last[0] != number:
            generator = stream(self._seed, "latents", *self._position, number)
            self._last = number, self._latent.sample(_BLOCK, generator=generator, dtype=self._dtype)
        return self._last[1]
