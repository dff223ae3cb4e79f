"""What happens to images before D sees them, examples and samples alike, in both players' turns.

So D cannot learn the training set by heart, and G does not learn the augmentations, for its samples undergo them too.
Gradients flow through them. Evaluation and shown samples are never augmented.

A new augmentation is one subclass of :class:`Augmentation`; YAML names it by its ``class_path`` at once.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lit_gan.adaptive import Adaptive
from lit_gan.errors import UserError
from lit_gan.functional import affine
from lit_gan.schedules import Scalar, ScalarSchedule, ends_of, scalar_at


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

    def begin_training(self, value_range: tuple[float, float]) -> None:
        """A training begins, or goes on.

        Args:
            value_range: What black and white are in the images.
        """

    def moving(self) -> dict[str, float]:
        """What schedules and the game have made of its numbers by now, by name: logged as ``train/<name>``."""
        return {}

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
        sigma: The noise's standard deviation in the first round, in the units of the data; or a
            :class:`~lit_gan.schedules.ScalarSchedule` of it.
        rounds: After so many rounds there is none left; ``None`` keeps ``sigma`` for good, or to its own schedule.

    Raises:
        UserError: If ``sigma`` is negative or not finite, ``rounds`` below 1, or given beside a schedule.

    Example:
        >>> noise = InstanceNoise(sigma=0.2, rounds=1000)
        >>> noise.begin_round(500)
        >>> noise.sigma_now
        0.1

    Reference:
        Sonderby et al. 2017, *Amortised MAP Inference for Image Super-resolution*, section 3.3; Arjovsky and Bottou
        2017, *Towards Principled Methods for Training Generative Adversarial Networks*, section 3.
    """

    def __init__(self, sigma: Scalar = 0.1, rounds: int | None = None) -> None:
        if not all(0 <= end < math.inf for end in ends_of(sigma)):
            shown = " to ".join(map(str, ends_of(sigma)))
            raise UserError(f"InstanceNoise sigma = {shown}: expected a standard deviation of 0 or more.")
        if rounds is not None and rounds < 1:
            raise UserError(f"InstanceNoise rounds = {rounds}: expected at least 1, or null for noise that stays.")
        if rounds is not None and isinstance(sigma, ScalarSchedule):
            raise UserError(f"InstanceNoise rounds = {rounds} beside a schedule of sigma: expected one of the two.")
        self.sigma = sigma
        self.rounds = rounds
        self.sigma_now = scalar_at(sigma, 0)

    def begin_round(self, round_index: int) -> None:
        """Sets the noise of this round."""
        sigma = scalar_at(self.sigma, round_index)
        self.sigma_now = sigma * max(0.0, 1 - round_index / self.rounds) if self.rounds else sigma

    def moving(self) -> dict[str, float]:
        """The noise, where it has a schedule."""
        return {"augment_sigma": self.sigma_now} if isinstance(self.sigma, ScalarSchedule) else {}

    def __call__(self, images: Tensor, rng: torch.Generator) -> Tensor:
        """The images with noise; themselves where none is left."""
        if self.sigma_now == 0:
            return images
        noise = torch.randn(images.shape, generator=rng, device=images.device, dtype=images.dtype)
        return images + self.sigma_now * noise


class _WithProbability(Augmentation):
    """Changes that act on a row each with a probability, which may be scheduled."""

    def __init__(self, probability: Scalar) -> None:
        if not all(0 <= end <= 1 for end in ends_of(probability)):
            shown = " to ".join(map(str, ends_of(probability)))
            raise UserError(f"{type(self).__name__} probability = {shown}: expected a number in [0, 1].")
        self.probability = probability
        self.probability_now = scalar_at(probability, 0)

    def begin_round(self, round_index: int) -> None:
        """Sets the probability of this round."""
        self.probability_now = scalar_at(self.probability, round_index)

    def moving(self) -> dict[str, float]:
        """The probability, where it moves."""
        moves = isinstance(self.probability, ScalarSchedule) or self.observes()
        return {"augment_probability": self.probability_now} if moves else {}


class DiffAugment(_WithProbability):
    """Colour, translation and cutout, each row by draws of its own.

    - ``color``: brightness ``x + U(-0.5, 0.5)``; saturation ``(x - m) U(0, 2) + m`` about the mean ``m`` of a pixel's
      channels; contrast ``(x - m) U(0.5, 1.5) + m`` about the mean of the image; in this order.
    - ``translation``: by whole pixels, up to an eighth of each side either way; what comes in is 0.
    - ``cutout``: a rectangle of half of each side is 0, anywhere, and partly outside.

    Made for images in [-1, 1]. Where they lie in [0, 1], a brightness of 0.5 is half of the range, and 0 is black
    instead of grey: right for digits on black, with the policy ``translation,cutout``.

    Args:
        policy: Which of the three, by comma, in the order in which they act.
        probability: With which each change acts on an image, or a :class:`~lit_gan.schedules.ScalarSchedule` of it.

    Raises:
        UserError: If the policy names another one, or none, or the probability is none.

    Example:
        >>> images = torch.rand(4, 3, 8, 8)
        >>> DiffAugment("translation")(images, torch.Generator().manual_seed(0)).shape
        torch.Size([4, 3, 8, 8])

    Reference:
        Zhao et al. 2020, *Differentiable Augmentation for Data-Efficient GAN Training*; the policies of its section 4:
        ``translation,cutout`` or ``color,cutout`` for CIFAR-10, all three where data are few.
    """

    def __init__(self, policy: str = "color,translation,cutout", probability: Scalar = 1.0) -> None:
        super().__init__(probability)
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
            changed = change(images, rng)
            if self.probability_now < 1:
                changed = torch.where(_per_row(images, rng) < self.probability_now, changed, images)
            images = changed
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


class AffineColorAugment(_WithProbability):
    r"""The pixel moves, affine maps and colours of StyleGAN2-ADA, each row by draws of its own.

    In this order, each on an image with the ``probability`` p:

    - ``flip`` left and right, ``rotate90`` by a multiple of a right angle, ``translation`` by whole pixels, up to an
      eighth of each side either way;
    - ``scale`` by :math:`2^{0.2 \epsilon}`; ``rotation`` by any angle; ``stretch`` one side by :math:`2^{0.2 \epsilon}`
      and the other by its inverse; ``shift`` by :math:`\epsilon / 8` of each side;
    - ``brightness`` plus :math:`0.2 \epsilon`; ``contrast`` by :math:`2^{0.5 \epsilon}`; ``luma``: bright becomes dark,
      hues stay; ``hue`` turned by any angle; ``saturation`` by :math:`2^{\epsilon}`,

    where :math:`\epsilon \sim N(0, 1)`. ``rotation`` comes before ``stretch`` and after it, each with probability
    :math:`1 - \sqrt{1 - p}`. Each line is a group: ``blit``, ``geometric``, ``color``. Colours are meant in [-1, 1],
    and images in another range are taken there and back. The maps of the plane become one: an image is read once,
    bilinearly, mirrored beyond its edges. There is no low-pass filter: made for images of up to 128 pixels or so.

    Args:
        policy: Which changes or groups, by comma, in any order.
        probability: p, or a :class:`~lit_gan.schedules.ScalarSchedule` of it.

    Raises:
        UserError: If the policy names another one, or none, or the probability is none; where images have neither one
            channel nor three, and colours are to be changed.

    Example:
        >>> images = torch.rand(4, 3, 8, 8)
        >>> AffineColorAugment("flip,color")(images, torch.Generator().manual_seed(0)).shape
        torch.Size([4, 3, 8, 8])

    Reference:
        Karras et al. 2020, *Training Generative Adversarial Networks with Limited Data*, appendix B. As a schedule of
        p: Huang et al. 2024, *The GAN is dead; long live the GAN!* (R3GAN), 0 to 0.3 on faces of 64 pixels.
    """

    def __init__(self, policy: str = "blit,geometric,color", probability: Scalar = 1.0) -> None:
        super().__init__(probability)
        names = [name.strip() for name in policy.split(",")]
        known = [change for group in _GROUPS.values() for change in group]
        unknown = [name for name in names if name not in known and name not in _GROUPS]
        if unknown:
            raise UserError(
                f"{type(self).__name__} policy = {policy!r}: expected names among {', '.join([*_GROUPS, *known])}, "
                f"separated by commas; not {', '.join(map(repr, unknown))}."
            )
        self.policy = policy
        self._named = {change for name in names for change in _GROUPS.get(name, (name,))}
        self._middle, self._half = 0.0, 1.0  # of the range of the images

    def begin_training(self, value_range: tuple[float, float]) -> None:
        """Takes note of what black and white are."""
        low, high = value_range
        self._middle, self._half = (low + high) / 2, (high - low) / 2

    def __call__(self, images: Tensor, rng: torch.Generator) -> Tensor:
        """The images changed as the policy says; see :meth:`Augmentation.__call__`."""
        colours = not self._named.isdisjoint(_COLOURS)
        if colours and images.shape[1] not in (1, 3):
            raise UserError(
                f"{type(self).__name__} policy = {self.policy!r}: images of {images.shape[1]} channels: expected 1 "
                "or 3 where colours are changed, or a policy without color."
            )
        if self.probability_now == 0:
            return images
        draws = _Draws(images, rng, self.probability_now)
        if not self._named.isdisjoint(_PLANE):
            images = affine.warped(images, self._plane(draws))
        if colours:
            centred = (images - self._middle) / self._half
            images = affine.recoloured(centred, self._colours(draws)) * self._half + self._middle
        return images

    def _plane(self, draws: "_Draws") -> Tensor:
        """The inverse of each image's map of the plane."""
        inverse = affine.identities(draws.images, 3)
        for name in (*_PLANE, "rotation"):
            if name in self._named:
                inverse = inverse @ _PLANE[name](draws)
        return inverse

    def _colours(self, draws: "_Draws") -> Tensor:
        """Each image's map of colours."""
        colours = affine.identities(draws.images, 4)
        for name in _COLOURS:
            if name in self._named:
                colours = _COLOURS[name](draws) @ colours
        return colours


class _Draws:
    """What happens to each of some images: numbers ``(N,)`` that are 0 where a change does not act."""

    def __init__(self, images: Tensor, rng: torch.Generator, probability: float) -> None:
        self.images = images
        self.sides = images.shape[3], images.shape[2]
        self.probability = probability
        self._rng = rng

    def whole(self, below: int) -> Tensor:
        """A whole number from 0 on."""
        return self._acting((self._uniform() * below).floor(), self.probability)

    def symmetric(self, probability: float | None = None) -> Tensor:
        """A number in [-1, 1)."""
        return self._acting(2 * self._uniform() - 1, self.probability if probability is None else probability)

    def normal(self) -> Tensor:
        """A normal number."""
        like = self.images
        drawn = torch.randn(len(like), generator=self._rng, device=like.device, dtype=like.dtype)
        return self._acting(drawn, self.probability)

    def _acting(self, values: Tensor, probability: float) -> Tensor:
        return torch.where(self._uniform() < probability, values, torch.zeros_like(values))

    def _uniform(self) -> Tensor:
        return torch.rand(len(self.images), generator=self._rng, device=self.images.device, dtype=self.images.dtype)


def _flip(draws: _Draws) -> Tensor:
    sign = 1 - 2 * draws.whole(2)
    return affine.scalings(sign, torch.ones_like(sign))


def _rotate90(draws: _Draws) -> Tensor:
    return affine.rotations(-math.pi / 2 * draws.whole(4))


def _whole_pixels(draws: _Draws) -> Tensor:
    return affine.translations(*((0.125 * side * draws.symmetric()).round() for side in draws.sides))


def _scale(draws: _Draws) -> Tensor:
    by = (0.2 * draws.normal()).exp2()
    return affine.scalings(by, by)


def _rotation(draws: _Draws) -> Tensor:
    return affine.rotations(math.pi * draws.symmetric(1 - math.sqrt(1 - draws.probability)))


def _stretch(draws: _Draws) -> Tensor:
    by = (0.2 * draws.normal()).exp2()
    return affine.scalings(by, 1 / by)


def _shift(draws: _Draws) -> Tensor:
    return affine.translations(*(0.125 * side * draws.normal() for side in draws.sides))


_Maps = dict[str, Callable[[_Draws], Tensor]]
_BLIT: _Maps = {"flip": _flip, "rotate90": _rotate90, "translation": _whole_pixels}
_GEOMETRIC: _Maps = {"scale": _scale, "rotation": _rotation, "stretch": _stretch, "shift": _shift}
_PLANE = _BLIT | _GEOMETRIC
_COLOURS: _Maps = {
    "brightness": lambda draws: affine.translations(*[0.2 * draws.normal()] * 3),
    "contrast": lambda draws: affine.scalings(*[(0.5 * draws.normal()).exp2()] * 3),
    "luma": lambda draws: affine.reflections_of_brightness(draws.whole(2)),
    "hue": lambda draws: affine.turns_of_colour(math.pi * draws.symmetric()),
    "saturation": lambda draws: affine.saturations(draws.normal().exp2()),
}
_GROUPS: dict[str, _Maps] = {"blit": _BLIT, "geometric": _GEOMETRIC, "color": _COLOURS}


class AdaptiveAugment(AffineColorAugment):
    r"""As much augmentation as D needs: its probability p rises while D knows the examples by heart, and falls else.

    Every few rounds, over all ranks,

    .. math::
        r = E[\mathrm{sign}\, D(x)], \qquad
        p \leftarrow \mathrm{clip}(p + \mathrm{sign}(r - target) \, n / images, 0, 1)

    where :math:`n` are the images that G has learnt from meanwhile. p begins at 0 and is part of the checkpoint;
    ``train/augment_probability`` shows it. Where only differences of logits mean anything (``RelativisticPairing``),
    the sign is that of an example's logit less the one of the sample in its row.

    Args:
        policy: See :class:`AffineColorAugment`.
        target: What r is kept at, in (-1, 1): 1 is a D that takes all examples, as it sees them, for examples.
        images: In how many images p may rise from 0 to 1.
        every: Rounds in which D moves between two steps of p; the device is waited for once in so many.

    Raises:
        UserError: If an argument is outside its range.

    Example:
        >>> augment = AdaptiveAugment(images=1000, every=1)
        >>> augment.images_per_round = 100  # as a GAN sets it that trains
        >>> augment.observe({"accuracy_real": torch.tensor(0.95)})  # r = 0.9
        >>> augment.probability_now
        0.1

    Reference:
        Karras et al. 2020, *Training Generative Adversarial Networks with Limited Data*, section 3.
    """

    images_per_round: int | None = None
    """How many images a round has; set by the GAN that trains."""

    def __init__(
        self, policy: str = "blit,geometric,color", target: float = 0.6, images: int = 500_000, every: int = 4
    ) -> None:
        super().__init__(policy, probability=0.0)
        if not -1 < target < 1:
            raise UserError(f"AdaptiveAugment target = {target}: expected a number between -1 and 1.")
        for name, value in (("images", images), ("every", every)):
            if value < 1:
                raise UserError(f"AdaptiveAugment {name} = {value}: expected at least 1.")
        self.target = target
        self.images = images
        self.every = every
        self._seen = 0
        self._sum: Tensor | float = 0.0

    def begin_round(self, round_index: int) -> None:
        """Nothing: the probability is what the game has made of it."""

    def observe(self, quantities: Mapping[str, Tensor]) -> None:
        """Counts D's signs on the examples, and moves the probability when enough rounds have passed."""
        if "accuracy_real" not in quantities:  # D rested
            return
        self._sum = self._sum + 2 * quantities["accuracy_real"].detach() - 1
        self._seen += 1
        if self._seen >= self.every:
            sign = float(self._sum) / self._seen - self.target
            step = math.copysign(self._seen * (self.images_per_round or 0) / self.images, sign) if sign else 0.0
            self.probability_now = min(max(self.probability_now + step, 0.0), 1.0)
            self._seen, self._sum = 0, 0.0

    def state_dict(self) -> dict[str, Any]:
        """The probability, and how far it is to the next step."""
        return {"probability": self.probability_now, "seen": self._seen, "sum": float(self._sum)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on where that one stopped."""
        self.probability_now = float(state["probability"])
        self._seen, self._sum = int(state["seen"]), float(state["sum"])
