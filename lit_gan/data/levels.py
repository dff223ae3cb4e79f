"""Levels of more than eight bits: which of them is black and which is white, where the files do not say."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lit_gan.errors import UserError

Kind = Literal["16-bit", "16-bit colour", "32-bit", "floating-point"]

_FULL_RANGE = (0.0, 65535.0)  # of 16 bits
_KINDS: dict[Kind, str] = {
    "16-bit": "levels of 16 bits",
    "16-bit colour": "colours of 16 bits",
    "32-bit": "signed or 32-bit levels",
    "floating-point": "floating-point levels",
}


class DeepLevels(NamedTuple):
    """The levels of one picture that has more than eight bits.

    Args:
        path: Its file.
        kind: What they are.
        low: The lowest one in it.
        high: The highest one in it.
    """

    path: Path
    kind: Kind
    low: float
    high: float


def scaled_to_bytes(values: NDArray[np.generic], levels: tuple[float, float]) -> NDArray[np.uint8]:
    """Levels as bytes, rounded.

    Example:
        >>> scaled_to_bytes(np.array([0, 2048, 4095]), (0, 4095))
        array([  0, 128, 255], dtype=uint8)
    """
    black, white = levels
    scaled = (values.astype(np.float64) - black) * 255 / (white - black)
    return np.rint(scaled).clip(0, 255).astype(np.uint8)


def levels_of(seen: DeepLevels, levels: tuple[float, float] | None) -> tuple[float, float]:
    """The levels that are black and white in a picture: as given, else all of 16 bits, else what is in it."""
    if levels is not None:
        return levels
    if seen.kind == "16-bit":
        return _FULL_RANGE
    return seen.low, max(seen.high, seen.low + 1)  # check_levels refuses the picture


def check_levels(seen: Sequence[DeepLevels], levels: tuple[float, float] | None) -> None:
    """Checks that all pictures together leave no doubt about black and white.

    Sixteen bits are taken for the full range where some picture uses the highest of them.
    """
    for kind in _KINDS:
        group = sorted(picture for picture in seen if picture.kind == kind)
        if group and levels is None:
            _check_range_is_known(kind, group)
        elif group and levels is not None:
            _check_given_levels(kind, group, levels)
    kinds = {picture.kind == "floating-point": picture for picture in sorted(seen, reverse=True)}
    if len(kinds) > 1:  # levels were given, or the floating-point ones were refused
        raise UserError(
            f"{kinds[True].path} has floating-point levels and {kinds[False].path} whole ones: one pair of levels "
            "cannot serve both; convert them to one kind."
        )


def _check_range_is_known(kind: Kind, group: list[DeepLevels]) -> None:
    low, high = min(picture.low for picture in group), max(picture.high for picture in group)
    if kind.startswith("16-bit") and high > _FULL_RANGE[1] / 2:
        return
    brightest = max(group, key=lambda picture: picture.high)
    where = "in this picture" if len(group) == 1 else f"in {len(group)} such pictures"
    about = "about " if kind == "16-bit colour" else ""  # Pillow has kept their upper bytes alone
    seen = f"{brightest.path}: {_KINDS[kind]}, from {about}{low:.6g} to {high:.6g} {where}: which is white is unknown;"
    if kind == "16-bit colour":
        raise UserError(f"{seen} convert them to 8 bits.")
    likely = _likely_levels(kind, low, high)
    raise UserError(f"{seen} say which levels are black and white, as in --data.init_args.levels '{likely}'.")


def _likely_levels(kind: Kind, low: float, high: float) -> str:
    """What the files' maker may have meant: a whole number of bits, or the usual ranges of floats."""
    if kind != "floating-point" and low >= 0:
        return f"[0, {max(2 ** int(high).bit_length(), 256) - 1}]"
    if kind == "floating-point" and low >= -1 and high <= 1:
        return "[0, 1]" if low >= 0 else "[-1, 1]"
    return f"[{low:.6g}, {high:.6g}]"


def _check_given_levels(kind: Kind, group: list[DeepLevels], levels: tuple[float, float]) -> None:
    black, white = levels
    typed = f"levels = [{black:g}, {white:g}]"
    if kind == "16-bit colour":
        if levels != _FULL_RANGE:
            raise UserError(f"{group[0].path}: {typed} serve grey pictures, and these are colours: convert to 8 bits.")
        return
    low, high = min(picture.low for picture in group), max(picture.high for picture in group)
    if 0 < (high - low) * 255 < white - black:
        raise UserError(
            f"{group[0].path}: {_KINDS[kind]}, from {low:.6g} to {high:.6g} in all of the folder, which {typed} make "
            "one shade: give the levels that are black and white in these files."
        )
    for picture in group:
        if picture.low < black or picture.high > white:
            raise UserError(
                f"{picture.path}: {_KINDS[kind]}, from {picture.low:.6g} to {picture.high:.6g}, expected none outside "
                f"{typed}: give levels that hold all pictures, or mend this one."
            )
