"""Images beside each other as figures: the paper's figure 2, samples and what they are nearest to, and its figure 3."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from matplotlib.transforms import Affine2D
from numpy.typing import NDArray
from torch import Tensor

from lit_gan.errors import UserError
from lit_gan.figures.row_labels import row_names
from lit_gan.figures.writing import DPI

CHANNELS = (1, 3)  # grey, or red, green and blue
_TILE, _GAP, _APART = 132, 10, 40  # pixels: an image's side at least, between images, before the framed column
_TITLE = 60  # pixels above the pairs of a row, for what is written there
_FRAME = "#d97706"  # seen on white, on black and in grey print
_LONGEST = 13  # letters beside a row
_OUTSIDE = 3  # pixels between an image and its frame's line
_SIDE, _LABELS, _TOP, _BOTTOM = 0.14, 0.9, 0.34, 0.24  # inches around the images
_LINE = 0.14  # inches of each further line below them


def nearest_figure(
    samples: Tensor, nearest: Tensor, columns: int, said: str, labels: Sequence[str] | None = None
) -> Figure:
    """The paper's figure 2: samples, and beside the last one of each row the training example that is nearest to it.

    Args:
        samples: ``(rows * columns, C, H, W)`` in [0, 1], row after row.
        nearest: ``(rows, C, H, W)``, of the last sample of each row.
        columns: Samples in a row.
        said: What stands below: how the samples were drawn.
        labels: What each sample is conditioned on, in words.

    Returns:
        The figure, 300 dots to an inch; an image's side is 0.44 inch or more.

    Example:
        >>> import torch
        >>> figure = nearest_figure(torch.rand(6, 1, 8, 8), torch.rand(2, 1, 8, 8), columns=3, said="noise")
        >>> len(figure.get_axes())
        1
    """
    rows = len(samples) // columns
    shown = np.stack([_pixels(each) for each in samples]).reshape(rows, columns, *_shape(samples))
    framed = np.stack([_pixels(each) for each in nearest])
    height, width = shown.shape[2:4]
    across = columns * (width + _GAP) - _GAP + _APART + width
    canvas = _white(rows * (height + _GAP) - _GAP, across)
    for row in range(rows):
        top = row * (height + _GAP)
        for column in range(columns):
            left = column * (width + _GAP)
            canvas[top : top + height, left : left + width] = shown[row, column]
        canvas[top : top + height, -width:] = framed[row]
    figure, axes = _figure(canvas, labelled=labels is not None, said=said)
    for row in range(rows):
        _frame(axes, across - width, row * (height + _GAP), width, height)
    middle = (columns * (width + _GAP) - _GAP) / 2
    _write_above(axes, middle, "samples")
    _write_above(axes, across - width / 2, "nearest in\ntraining set", colour=_FRAME)
    _name_rows(axes, labels, columns, height)
    return figure


def pairs_figure(samples: Tensor, nearest: Tensor, titles: Sequence[str], pairs: int, said: str) -> Figure:
    """Samples, each with the training example that is nearest to it beside it, framed.

    Args:
        samples: ``(N, C, H, W)`` in [0, 1].
        nearest: Of the same shape, the example of each.
        titles: What stands above each pair.
        pairs: How many in a row.
        said: What stands below: how they were found.

    Returns:
        The figure.
    """
    (height, width, _), rows = _shape(samples), -(-len(samples) // pairs)
    pairs = min(pairs, len(samples))
    down, across = height + _TITLE, 2 * width + _GAP + _APART
    canvas = _white(rows * down - _TITLE, pairs * across - _APART)
    places = [(place // pairs * down, place % pairs * across) for place in range(len(samples))]
    for (top, left), sample, example in zip(places, samples, nearest, strict=True):
        canvas[top : top + height, left : left + width] = _pixels(sample)
        canvas[top : top + height, left + width + _GAP : left + across - _APART] = _pixels(example)
    figure, axes = _figure(canvas, labelled=False, said=said)
    for (top, left), title in zip(places, titles, strict=True):
        _frame(axes, left + width + _GAP, top, width, height)
        _write_above(axes, left + width + _GAP / 2, title, y=top)
    return figure


def walks_figure(images: Tensor, steps: int, said: str, labels: Sequence[str] | None = None) -> Figure:
    """The paper's figure 3: in each row the images on the way from one latent to another.

    Args:
        images: ``(rows * steps, C, H, W)`` in [0, 1], row after row.
        steps: Images in a row.
        said: What stands below: how the ends were drawn.
        labels: What each image is conditioned on, in words.

    Returns:
        The figure.

    Example:
        >>> import torch
        >>> figure = walks_figure(torch.rand(8, 1, 8, 8), steps=4, said="noise, in two rows")
        >>> len(figure.get_axes())
        1
    """
    rows = len(images) // steps
    shown = np.stack([_pixels(each) for each in images]).reshape(rows, steps, *_shape(images))
    height, width = shown.shape[2:4]
    canvas = _white(rows * (height + _GAP) - _GAP, steps * width)
    for row in range(rows):
        top = row * (height + _GAP)
        canvas[top : top + height] = np.concatenate(list(shown[row]), axis=1)
    figure, axes = _figure(canvas, labelled=labels is not None, said=said)
    _write_above(axes, width / 2, "$z_0$")
    _write_above(axes, canvas.shape[1] - width / 2, "$z_1$")
    above = -0.11 * DPI
    arrow = {"arrowstyle": "->", "linewidth": 0.8, "color": "black"}
    axes.annotate("", (canvas.shape[1] - width, above), (width, above), arrowprops=arrow, annotation_clip=False)
    _name_rows(axes, labels, steps, height)
    return figure


def augmentation_figure(images: Tensor, columns: int, said: str) -> Figure:
    """In each row an image as it is, and beside it what D sees of it.

    Args:
        images: ``(rows * columns, C, H, W)`` in [0, 1], row after row.
        columns: Images in a row.
        said: What stands below: how they were drawn.

    Returns:
        The figure.
    """
    rows = len(images) // columns
    shown = np.stack([_pixels(each) for each in images]).reshape(rows, columns, *_shape(images))
    height, width = shown.shape[2:4]
    canvas = _white(rows * (height + _GAP) - _GAP, width + _APART + (columns - 1) * (width + _GAP) - _GAP)
    for row in range(rows):
        top = row * (height + _GAP)
        canvas[top : top + height, :width] = shown[row, 0]
        for column in range(1, columns):
            left = width + _APART + (column - 1) * (width + _GAP)
            canvas[top : top + height, left : left + width] = shown[row, column]
    figure, axes = _figure(canvas, labelled=False, said=said)
    _write_above(axes, width / 2, "as it is")
    if columns > 1:
        _write_above(axes, (width + _APART + canvas.shape[1]) / 2, "as D sees it")
    return figure


def check_channels(images: Tensor) -> None:
    """Refuses what is no picture."""
    if images.shape[1] not in CHANNELS:
        raise UserError(f"images with {images.shape[1]} channels cannot be shown: expected 1 (grey) or 3 (colour).")


def _factor(images: Tensor) -> int:
    return max(1, -(-_TILE // int(max(images.shape[-2:]))))


def _shape(images: Tensor) -> tuple[int, int, int]:
    factor = _factor(images)
    return images.shape[-2] * factor, images.shape[-1] * factor, 3


def _pixels(image: Tensor) -> NDArray[np.uint8]:
    """``(H, W, 3)``, each pixel enlarged by a whole number: no viewer blurs it."""
    factor = _factor(image[None])
    levels = np.asarray(image.detach().cpu().double().mul(255).round().clamp(0, 255).byte().permute(1, 2, 0).numpy())
    levels = np.repeat(np.repeat(levels, factor, axis=0), factor, axis=1)
    return np.broadcast_to(levels, (*levels.shape[:2], 3))


def _white(height: int, width: int) -> NDArray[np.uint8]:
    return np.full((height, width, 3), 255, dtype=np.uint8)


class _Raster(AxesImage):
    """A canvas of which each pixel is a dot. To resample it takes matplotlib 50 bytes a pixel, and changes nothing."""

    def make_image(
        self, renderer: RendererBase, magnification: float = 1.0, unsampled: bool = False
    ) -> tuple[NDArray[np.uint8], float, float, Affine2D]:
        """The canvas as it is, from its lowest row on; resampled where somebody draws it with other dots."""
        canvas, place = self.get_array(), self.axes.bbox
        dots = round(place.height * magnification), round(place.width * magnification)
        if canvas is None or canvas.shape[:2] != dots:
            return super().make_image(renderer, magnification, unsampled)
        opaque = np.full((*dots, 4), 255, dtype=np.uint8)
        opaque[..., :3] = canvas[::-1]
        return opaque, place.x0, place.y0, Affine2D()


def _figure(canvas: NDArray[np.uint8], *, labelled: bool, said: str) -> tuple[Figure, Axes]:
    """A figure in which each pixel of the canvas is a dot of the raster."""
    height, width = (side / DPI for side in canvas.shape[:2])
    left, lines = _LABELS if labelled else _SIDE, said.split("\n")
    bottom = _BOTTOM + _LINE * (len(lines) - 1)
    whole = left + width + _SIDE, bottom + height + _TOP
    figure = Figure(figsize=whole)
    axes = figure.add_axes((left / whole[0], bottom / whole[1], width / whole[0], height / whole[1]))
    across, down = canvas.shape[1] - 0.5, canvas.shape[0] - 0.5
    raster = _Raster(axes, interpolation="nearest", extent=(-0.5, across, down, -0.5))
    raster.set_data(canvas)
    axes.add_image(raster)
    axes.set(xlim=(-0.5, across), ylim=(down, -0.5))
    axes.set_axis_off()
    size = _fitting(max(lines, key=len), width)
    figure.text(left / whole[0], 0.06 / whole[1], said, fontsize=size, va="bottom", color="#333333")
    return figure, axes


def _fitting(text: str, inches: float) -> float:
    """The size at which a line of text is no wider; a letter is about half as wide as it is high."""
    return max(4.0, min(8.0, inches * 72 / (0.5 * max(len(text), 1))))


def _write_above(axes: Axes, x: float, text: str, colour: str = "black", y: float = 0) -> None:
    axes.text(x, y - 0.05 * DPI, text, ha="center", va="bottom", fontsize=7.5, color=colour, linespacing=0.95)


def _frame(axes: Axes, left: int, top: int, width: int, height: int) -> None:
    corner, sides = (left - _OUTSIDE - 0.5, top - _OUTSIDE - 0.5), (width + 2 * _OUTSIDE, height + 2 * _OUTSIDE)
    axes.add_patch(Rectangle(corner, *sides, fill=False, edgecolor=_FRAME, linewidth=1.2, clip_on=False))


def _name_rows(axes: Axes, labels: Sequence[str] | None, columns: int, height: int) -> None:
    for row, name in enumerate([] if labels is None else row_names(labels, columns)):
        shown = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 3]}..."
        # As it stands: a name may hold what matplotlib takes for a formula.
        axes.text(-0.06 * DPI, row * (height + _GAP) + height / 2, shown, ha="right", va="center", fontsize=8,
                  parse_math=False)  # fmt: skip
