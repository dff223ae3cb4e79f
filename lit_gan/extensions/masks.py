"""Masks: which pixels of an image are visible (1), and which are to be filled in (0)."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from lit_gan.errors import UserError
from lit_gan.functional.arrays import widest_float
from lit_gan.randomness import stream

_KEPT = 0.1, 0.9  # of the pixels, between
_rand = partial(torch.rand, dtype=torch.float32)  # the same masks whatever the precision of a training


class MaskMixture:
    """A mixture of families of masks, one mask for each image: p(S) in the conditionals p(x_S | x_not-S).

    Arguments are the weights of the families, of which each is drawn in proportion to its weight.

    Args:
        pixels: Each pixel is visible with the same probability, which is uniform in [0.1, 0.9] for each mask.
        boxes: All but a box is visible, whose sides are uniform from a quarter to all of the image's.
        halves: The left, right, upper or lower half is visible.
        stripes: Rows or columns are visible by turns, from one to a quarter of the image wide.
        nothing: Nothing is visible: the whole image is drawn.

    Raises:
        UserError: If a weight is negative or not finite, or all are 0.

    Example:
        >>> MaskMixture(pixels=0, boxes=0, halves=0, stripes=0).draw(1, 1, 2).tolist()
        [[[[0.0, 0.0]]]]
    """

    def __init__(
        self, pixels: float = 1.0, boxes: float = 1.0, halves: float = 1.0, stripes: float = 1.0, nothing: float = 1.0
    ) -> None:
        self.weights = {"pixels": pixels, "boxes": boxes, "halves": halves, "stripes": stripes, "nothing": nothing}
        if not all(0 <= weight < float("inf") for weight in self.weights.values()) or not any(self.weights.values()):
            told = ", ".join(f"{name} = {weight}" for name, weight in self.weights.items())
            raise UserError(f"MaskMixture {told}: expected weights of 0 or more, one of them above 0.")

    def draw(self, num: int, height: int, width: int, generator: torch.Generator | None = None) -> Tensor:
        """Draws masks.

        Args:
            num: How many.
            height: Rows of the images.
            width: Columns of them.
            generator: Where the randomness comes from.

        Returns:
            A tensor ``(num, 1, height, width)`` of 0 and 1, on the generator's device.
        """
        device = torch.device("cpu") if generator is None else generator.device
        weights = torch.tensor(list(self.weights.values()), dtype=widest_float(device), device=device)
        families = torch.multinomial(weights, num, replacement=True, generator=generator)
        # Of all families for each: what one draws does not depend on the weights of the others.
        masks = torch.stack([_FAMILIES[name](num, height, width, generator) for name in self.weights])
        return masks[families, torch.arange(num, device=device)].unsqueeze(1).to(torch.get_default_dtype())


class MaskRows(NamedTuple):
    """Masks as rows of a table: see :class:`lit_gan.latents.LatentTable`.

    Args:
        masks: What they are drawn from.
        height: Rows of the images.
        width: Columns of them.
    """

    masks: MaskMixture
    height: int
    width: int

    @property
    def size(self) -> int:
        """Pixels."""
        return self.height * self.width

    def sample(self, num: int, *, generator: torch.Generator | None, dtype: torch.dtype | None) -> Tensor:
        """Masks ``(num, size)``."""
        return self.masks.draw(num, self.height, self.width, generator).flatten(1).to(dtype)


def _uniform(num: int, generator: torch.Generator | None) -> Tensor:
    device = torch.device("cpu") if generator is None else generator.device
    return _rand(num, 1, 1, generator=generator, device=device)


def _grid(height: int, width: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """The number of each row, and of each column."""
    return torch.arange(height, device=like.device)[:, None], torch.arange(width, device=like.device)[None, :]


def _pixels(num: int, height: int, width: int, generator: torch.Generator | None) -> Tensor:
    low, high = _KEPT
    kept = low + (high - low) * _uniform(num, generator)
    return _rand(num, height, width, generator=generator, device=kept.device) < kept


def _boxes(num: int, height: int, width: int, generator: torch.Generator | None) -> Tensor:
    inside = torch.ones(num, height, width, dtype=torch.bool)
    for side, place in zip((height, width), _grid(height, width, _uniform(0, generator)), strict=True):
        length = (side * (0.25 + 0.75 * _uniform(num, generator))).ceil().clamp(max=side)
        start = ((side - length + 1) * _uniform(num, generator)).floor()
        inside = inside.to(start.device) & (place >= start) & (place < start + length)
    return ~inside


def _halves(num: int, height: int, width: int, generator: torch.Generator | None) -> Tensor:
    which = (4 * _uniform(num, generator)).long().clamp(max=3)
    row, column = _grid(height, width, which)
    left, upper = (2 * column < width).expand(height, width), (2 * row < height).expand(height, width)
    return torch.stack([left, ~left, upper, ~upper])[which.flatten()]


def _stripes(num: int, height: int, width: int, generator: torch.Generator | None) -> Tensor:
    widest = max(min(height, width) // 4, 1)
    across, broad, offset = (_uniform(num, generator) for _ in range(3))
    broad = (1 + widest * broad).floor().clamp(max=widest)
    row, column = _grid(height, width, across)
    place = torch.where(across < 0.5, row.expand(height, width), column.expand(height, width))
    return ((place + (2 * broad * offset).floor()) // broad) % 2 == 0


def _nothing(num: int, height: int, width: int, generator: torch.Generator | None) -> Tensor:
    return torch.zeros(num, height, width, dtype=torch.bool, device=_uniform(0, generator).device)


_Family = Callable[[int, int, int, torch.Generator | None], Tensor]
_FAMILIES: Mapping[str, _Family] = {
    "pixels": _pixels,
    "boxes": _boxes,
    "halves": _halves,
    "stripes": _stripes,
    "nothing": _nothing,
}

#: Masks that are known by name, which says what stays visible.
NAMED_MASKS = ("left-half", "right-half", "top-half", "bottom-half", "border", "stripes", "pixels", "nothing")


def named_mask(name: str, height: int, width: int) -> Tensor:
    """A mask by its name.

    Args:
        name: One of :data:`NAMED_MASKS`: what stays visible. ``border`` is all but the middle half of both sides,
            ``stripes`` every second row, ``pixels`` half of them at random, always the same.
        height: Rows of the images.
        width: Columns of them.

    Returns:
        A tensor ``(height, width)`` of 0 and 1.

    Raises:
        UserError: If there is no such name.

    Example:
        >>> named_mask("left-half", 1, 4)
        tensor([[1., 1., 0., 0.]])
    """
    row, column = (each.expand(height, width) for each in _grid(height, width, torch.empty(0)))
    masks = {
        "left-half": 2 * column < width,
        "right-half": 2 * column >= width,
        "top-half": 2 * row < height,
        "bottom-half": 2 * row >= height,
        "border": ((4 * row < height) | (4 * row >= 3 * height)) | ((4 * column < width) | (4 * column >= 3 * width)),
        "stripes": row % 2 == 0,
        "pixels": _rand(height, width, generator=stream(0, "mask", height, width)) < 0.5,
        "nothing": torch.zeros(height, width, dtype=torch.bool),
    }
    if name not in masks:
        raise UserError(f"mask {name!r}: expected one of {', '.join(NAMED_MASKS)}.")
    return masks[name].to(torch.get_default_dtype())
