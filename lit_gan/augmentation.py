"""What happens to images before D sees them, examples and samples alike, in both players' turns.

So D cannot learn the training set by heart, and G does not learn the augmentations, for its samples undergo them too.
Gradients flow through them. Evaluation and shown samples are never augmented.

A new augmentation is one subclass of :class:`Augmentation`; YAML names it by its ``class_path`` at once.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from lit_gan.adaptive import Adaptive
from lit_gan.errors import UserError


class Augmentation(Adaptive, ABC):
    """A differentiable, random change of images, row by row.

    Example:
        >>> import torch
        >>> class Mirror(Augmentation):
        ...     def __call__(self, images, rng):
        ...         flip = torch.rand(len(images), 1, 1, 1, generator=rng, device=images.device) < 0.5
        ...         return torch.where(flip, images.flip(-1), images)
        >>> Mirror()(torch.rand(8, 3, 4, 4), torch.Generator().manual_seed(0)).shape
        torch.Size([8, 3, 4, 4])
    """

    def begin_round(self, round_index: int) -> None:
        """A round begins: what changes over the rounds is set here.

        Args:
            round_index: Rounds completed so far.
        """

    @abstractmethod
    def __call__(self, images: Tensor, rng: torch.Generator) -> Tensor:
        """The images as D sees them.

        Args:
            images: ``(N, C, H, W)`` in data space. A row's result must depend on no other row.
            rng: Where all draws come from, on the images' device: a function of (seed, round, turn, rank). Another one
                for examples than for samples.

        Returns:
            A tensor of the same shape and type, through which gradients flow.
        """


class InstanceNoise(Augmentation):
    r"""Normal noise on all that D sees, less and less of it.

    .. math:: x + \sigma_t \epsilon, \qquad \epsilon \sim N(0, 1), \quad \sigma_t = \sigma \max(0, 1 - t / rounds)

    Args:
        sigma: The noise's standard deviation in the first round, in the units of the data.
        rounds: After so many rounds there is none left; ``None`` keeps ``sigma`` for good.

    Raises:
        UserError: If ``sigma`` is negative or not finite, or ``rounds`` below 1.

    Example:
        >>> noise = InstanceNoise(sigma=0.2, rounds=1000)
        >>> noise.begin_round(500)
        >>> noise.sigma_now
        0.1

    Reference:
        Sonderby et al. 2017, *Amortised MAP Inference for Image Super-resolution*, section 3.3; Arjovsky and Bottou
        2017, *Towards Principled Methods for Training Generative Adversarial Networks*, section 3.
    """

    def __init__(self, sigma: float = 0.1, rounds: int | None = None) -> None:
        if not 0 <= sigma < math.inf:
            raise UserError(f"InstanceNoise sigma = {sigma}: expected a standard deviation of 0 or more.")
        if rounds is not None and rounds < 1:
            raise UserError(f"InstanceNoise rounds = {rounds}: expected at least 1, or null for noise that stays.")
        self.sigma = sigma
        self.rounds = rounds
        self.sigma_now = sigma

    def begin_round(self, round_index: int) -> None:
        """Sets the noise of this round."""
        self.sigma_now = self.sigma * max(0.0, 1 - round_index / self.rounds) if self.rounds else self.sigma

    def __call__(self, images: Tensor, rng: torch.Generator) -> Tensor:
        """The images with noise; themselves where none is left."""
        if self.sigma_now == 0:
            return images
        noise = torch.randn(images.shape, generator=rng, device=images.device, dtype=images.dtype)
        return images + self.sigma_now * noise


class DiffAugment(Augmentation):
    """Colour, translation and cutout, each row by draws of its own.

    - ``color``: brightness ``x + U(-0.5, 0.5)``; saturation ``(x - m) U(0, 2) + m`` about the mean ``m`` of a pixel's
      channels; contrast ``(x - m) U(0.5, 1.5) + m`` about the mean of the image; in this order.
    - ``translation``: by whole pixels, up to an eighth of each side either way; what comes in is 0.
    - ``cutout``: a rectangle of half of each side is 0, anywhere, and partly outside.

    Made for images in [-1, 1]. Where they lie in [0, 1], a brightness of 0.5 is half of the range, and 0 is black
    instead of grey: right for digits on black, with the policy ``translation,cutout``.

    Args:
        policy: Which of the three, by comma, in the order in which they act.

    Raises:
        UserError: If the policy names another one, or none.

    Example:
        >>> images = torch.rand(4, 3, 8, 8)
        >>> DiffAugment("translation")(images, torch.Generator().manual_seed(0)).shape
        torch.Size([4, 3, 8, 8])

    Reference:
        Zhao et al. 2020, *Differentiable Augmentation for Data-Efficient GAN Training*; the policies of its section 4:
        ``translation,cutout`` or ``color,cutout`` for CIFAR-10, all three where data are few.
    """

    def __init__(self, policy: str = "color,translation,cutout") -> None:
        names = [name.strip() for name in policy.split(",")]
        unknown = [name for name in names if name not in _POLICIES]
        if unknown:
            raise UserError(
                f"DiffAugment policy = {policy!r}: expected names among {', '.join(_POLICIES)}, separated by commas; "
                f"not {', '.join(map(repr, unknown))}."
            )
        self.policy = policy
        self._changes = [change for name in names for change in _POLICIES[name]]

    def __call__(self, images: Tensor, rng: torch.Generator) -> Tensor:
        """The images changed as the policy says; see :meth:`Augmentation.__call__`."""
        for change in self._changes:
            images = change(images, rng)
        return images


def _per_row(images: Tensor, rng: torch.Generator) -> Tensor:
    """A number in [0, 1) for each row."""
    return torch.rand(len(images), 1, 1, 1, generator=rng, device=images.device, dtype=images.dtype)


def _brightness(images: Tensor, rng: torch.Generator) -> Tensor:
    return images + (_per_row(images, rng) - 0.5)


def _saturation(images: Tensor, rng: torch.Generator) -> Tensor:
    mean = images.mean(dim=1, keepdim=True)
    return (images - mean) * (2 * _per_row(images, rng)) + mean


def _contrast(images: Tensor, rng: torch.Generator) -> Tensor:
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return (images - mean) * (_per_row(images, rng) + 0.5) + mean


def _whole_per_row(low: int, high: int, images: Tensor, rng: torch.Generator) -> Tensor:
    """A whole number from ``low`` to ``high``, both included, for each row, ``(N, 1)``."""
    return torch.randint(low, high + 1, (len(images), 1), generator=rng, device=images.device)


def _translation(images: Tensor, rng: torch.Generator) -> Tensor:
    num, _, height, width = images.shape
    most_y, most_x = height // 8, width // 8
    rows = torch.arange(height, device=images.device) + most_y + _whole_per_row(-most_y, most_y, images, rng)
    columns = torch.arange(width, device=images.device) + most_x + _whole_per_row(-most_x, most_x, images, rng)
    padded = F.pad(images, (most_x, most_x, most_y, most_y)).permute(0, 2, 3, 1)
    each = torch.arange(num, device=images.device)[:, None, None]
    return padded[each, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def _cutout(images: Tensor, rng: torch.Generator) -> Tensor:
    _, _, height, width = images.shape
    rows = _cut(height, images, rng)
    columns = _cut(width, images, rng)
    return images * ~(rows[:, None, :, None] & columns[:, None, None, :])


def _cut(side: int, images: Tensor, rng: torch.Generator) -> Tensor:
    """Which places of a side are cut out, ``(N, side)``: half of it about a centre that is anywhere."""
    length = side // 2
    start = _whole_per_row(0, side - length % 2, images, rng) - length // 2
    places = torch.arange(side, device=images.device)
    return (places >= start) & (places < start + length)


_POLICIES: dict[str, tuple[Callable[[Tensor, torch.Generator], Tensor], ...]] = {
    "color": (_brightness, _saturation, _contrast),
    "translation": (_translation,),
    "cutout": (_cutout,),
}
