"""What stands beside the rows of a grid: the names of the classes in them."""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont, features
from torch import Tensor

from lit_gan.generative import GenerativeModule

_LARGEST_LETTERS, _SMALLEST_LETTERS = 16, 8  # pixels
_WIDEST = 160  # pixels; a longer name is cut
_GAP = 4  # pixels beside a name


def class_labels(module: GenerativeModule, condition: Tensor | None) -> list[str] | None:
    """What each sample is conditioned on, in words."""
    if condition is None or condition.ndim != 1 or condition.is_floating_point():
        return None
    names = dict(enumerate(module.class_names))
    return [names.get(number, str(number)) for number in condition.tolist()]


def row_names(labels: Sequence[str], columns: int) -> list[str]:
    """What the rows of a grid are of.

    Example:
        >>> row_names(["cat", "cat", "cat", "dog", "dog"], columns=2)
        ['cat', 'cat - dog', 'dog']
    """
    rows = [labels[start : start + columns] for start in range(0, len(labels), columns)]
    return [row[0] if len(set(row)) == 1 else f"{row[0]} - {row[-1]}" for row in rows]


def described(num: int, columns: int, labels: Sequence[str] | None, rounds: int | None = None) -> str:
    """What a PNG of samples says of itself.

    Example:
        >>> described(4, 2, ["cat", "cat", "dog", "dog"], rounds=500)
        '4 samples, 2 in a row; the rows are of cat, dog; G after 500 rounds'
    """
    rows = "" if labels is None else f"; the rows are of {', '.join(dict.fromkeys(row_names(labels, columns)))}"
    trained = "" if rounds is None else f"; G after {rounds} rounds"
    return f"{num} samples, {columns} in a row{rows}{trained}"


def with_row_labels(grid: Tensor, labels: Sequence[str], columns: int, pitch: int) -> Tensor:
    """A grid with the names of its rows before them, white on black."""
    letters = min(_LARGEST_LETTERS, pitch - 2)
    if letters < _SMALLEST_LETTERS or not features.check("freetype2"):  # without it Pillow has no letters to scale
        return grid
    font = ImageFont.load_default(letters)
    names = [_cut(name, font) for name in row_names(labels, columns)]
    width = max(int(font.getlength(name)) for name in names) + 2 * _GAP
    margin = Image.new("L", (width, grid.shape[1]))
    draw = ImageDraw.Draw(margin)
    for row, name in enumerate(names):
        draw.text((width - _GAP, row * pitch + pitch // 2), name, fill=255, font=font, anchor="rm")
    beside = torch.from_numpy(np.array(margin)).to(grid).div(255).expand(3, -1, -1)
    return torch.cat([beside, grid], dim=2)


def _cut(name: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    name = " ".join(name.split())[:_WIDEST]  # no letter is narrower than a pixel
    if font.getlength(name) <= _WIDEST:
        return name
    while name and font.getlength(f"{name}...") > _WIDEST:
        name = name[:-1]
    return f"{name}..."
