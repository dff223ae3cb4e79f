"""How wide convolutional networks are at each size of their maps, from the smallest size to that of the image."""

from collections.abc import Sequence
from typing import NamedTuple

from lit_gan.errors import UserError
from lit_gan.networks.arguments import whole_number, whole_numbers

_LARGEST_BASE = 7


class Pyramid(NamedTuple):
    """Sides of ``base``, 2 ``base``, ... up to the image's, and the channels at them.

    Args:
        base: The smallest side.
        widths: Channels, from the smallest side on.
    """

    base: int
    widths: tuple[int, ...]


def side_of(image_shape: tuple[int, int, int]) -> int:
    """The side of square images.

    Example:
        >>> side_of((3, 32, 48))
        Traceback (most recent call last):
        ...
        lit_gan.errors.UserError: image_shape = (3, 32, 48): expected square images, (C, S, S).
    """
    _, height, width = image_shape
    if height != width:
        raise UserError(f"image_shape = {image_shape}: expected square images, (C, S, S).")
    return height


def pyramid(side: int, widths: int | Sequence[int], max_width: int, further: int = 0) -> Pyramid:
    """The sides and widths that the argument ``widths`` means.

    Args:
        side: That of the largest maps.
        widths: The width at the largest side of the list, doubled at each halving up to ``max_width``, down to a
            side of 4 to 7; or one for each side, from the smallest on.
        max_width: Where the doubling ends.
        further: How many widths there are beside one for each halving.

    Raises:
        UserError: If the side cannot be halved so often.

    Example:
        >>> pyramid(64, 128, max_width=1024)
        Pyramid(base=4, widths=(1024, 512, 256, 128))
        >>> pyramid(28, [64, 32], max_width=1024)
        Pyramid(base=7, widths=(64, 32))
    """
    if isinstance(widths, int):
        width, most = whole_number("widths", widths), whole_number("max_width", max_width)
        halvings = _halvings(side)
        doublings = reversed(range(halvings + further))
        return Pyramid(side >> halvings, tuple(min(width << times, max(most, width)) for times in doublings))
    each = whole_numbers("widths", widths)
    halvings = len(each) - further
    if halvings < 1:
        raise UserError(
            f"widths = {list(each)}: expected at least {1 + further}, from the smallest maps to the largest."
        )
    if side % 2**halvings:
        raise UserError(
            f"widths = {list(each)} halve the side {halvings} times, and {2**halvings} does not divide {side}: give "
            "fewer widths, or images of another size."
        )
    return Pyramid(side >> halvings, each)


def _halvings(side: int) -> int:
    """How often a side is halved to become one of 4 to 7."""
    halvings = 0
    while side >> halvings > _LARGEST_BASE:
        halvings += 1
    if not halvings or side % 2**halvings:
        raise UserError(
            f"images with maps of {side} x {side}: expected a side of 4, 5, 6 or 7 times a power of two, such as 16, "
            "28, 32, 48, 64, 96, 128, 192 or 256; or a list of widths, one for each size of the maps."
        )
    return halvings
