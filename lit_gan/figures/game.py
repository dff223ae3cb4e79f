"""The paper's figure 1: both densities, D between them, and how G maps the latent line."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from lit_gan.evaluation.known_game import KnownGame, evenly_probable

_D, _DATA, _G = "#1f4fd8", "black", "#15803d"
_ARROWS = 17
_MAP_HEIGHT = 0.32  # of the curves'
_FILM_DPI = 110
_Z, _X = 0.12, 0.86  # where their lines lie
_BOX = 0.0005  # of the mass: what lies further out on either side is not shown


def game_figure(panels: Sequence[tuple[str, KnownGame]]) -> Figure:
    r"""The paper's figure 1: panels of a one-dimensional game.

    In each panel D (blue, dashed), the data's density (black, dotted) and the generator's (green, solid); below them
    the line of x, the line of z, and arrows from latents of equal probability between each other to where G puts them:
    where they lie close, the generator's density is high.

    Args:
        panels: A title and a game for each, from left to right.

    Returns:
        The figure, 1.9 inches for each panel.

    Example:
        >>> from lit_gan import GAN
        >>> from lit_gan.data import ToyDataModule
        >>> from lit_gan.data.mixtures import Line
        >>> from lit_gan.evaluation.known_game import known_game
        >>> from lit_gan.networks import MLPDiscriminator, MLPGenerator
        >>> data = ToyDataModule(Line(num_modes=2, spacing=2.0, std=0.5))
        >>> sizes = {"image_shape": data.image_shape, "hidden": (8,)}
        >>> gan = GAN(MLPGenerator(latent_size=1, output_activation="linear", **sizes), MLPDiscriminator(**sizes))
        >>> figure = game_figure([("before", known_game(gan, data.mixture))])
        >>> [each.get_title() for each in figure.get_axes()][:1]
        ['before']
    """
    layout = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02, hspace=0.0, wspace=0.03)
    figure = Figure(figsize=(1.9 * len(panels) + 0.55, 2.75), layout=layout)
    rows: Any = figure.subplots(2, len(panels), squeeze=False, height_ratios=(1, _MAP_HEIGHT))
    low, high = _common_range([game for _, game in panels])
    top = max(1.0, *(_height(game, low, high) for _, game in panels))
    for column, (title, game) in enumerate(panels):
        _draw_curves(rows[0, column], game, (low, high), top)
        rows[0, column].set_title(title)
        if column == 0:
            rows[0, column].set_ylabel("$D(x)$, density")
        else:
            rows[0, column].tick_params(labelleft=False)
        _draw_lines(rows[1, column], (low, high), named=column == 0)
        _draw_map(rows[1, column], game, (low, high))
    handles, names = rows[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=len(names), frameon=False, handlelength=2.6)
    return figure


def game_film(frames: Sequence[tuple[int, KnownGame]]) -> list[Image.Image]:
    """A picture of each game, all in the same range; the round above.

    What stays the same is drawn once, and what moves anew on top of it: ten times as fast.
    """
    if not frames:
        return []
    games = [game for _, game in frames]
    ends = _common_range(games)
    top = min(1.5, max(1.0, *(_height(game, *ends) for game in games)))
    figure = Figure(figsize=(4.4, 3.7), dpi=_FILM_DPI)
    figure.subplots_adjust(left=0.12, right=0.97, top=0.91, bottom=0.03, hspace=0.08)
    canvas: Any = FigureCanvasAgg(figure)
    curves, line = figure.subplots(2, 1, height_ratios=(1, _MAP_HEIGHT))
    moving = [*_draw_curves(curves, games[-1], ends, top), curves.set_title(" ")]
    for artist in moving:
        artist.set_animated(True)
    curves.set_ylabel("$D(x)$, density")
    curves.legend(loc="upper right", frameon=False, handlelength=2.6)
    _draw_lines(line, ends, named=True)
    canvas.draw()
    still, pictures = canvas.copy_from_bbox(figure.bbox), []
    for rounds, game in frames:
        canvas.restore_region(still)
        for curve, values in zip(moving, (game.d, game.p_data, game.p_g), strict=False):
            curve.set_data(_array(game.x), _array(values))
        moving[-1].set_text(f"round {rounds:,}   JSD {game.jsd:.3f} nats   mean |D \u2212 D*| {game.d_error:.3f}")
        arrows = _draw_map(line, game, ends)
        for artist in (*moving, *arrows):
            artist.axes.draw_artist(artist)
        for artist in arrows:
            artist.remove()
        pictures.append(Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy()))
    return pictures


def _draw_curves(axes: Axes, game: KnownGame, ends: tuple[float, float], top: float) -> list[Any]:
    x = _array(game.x)
    lines = [
        *axes.plot(x, _array(game.d), color=_D, linestyle="--", label="$D(x)$"),
        *axes.plot(x, _array(game.p_data), color=_DATA, linestyle=(0, (1, 1.2)), label="$p_{data}(x)$"),
        *axes.plot(x, _array(game.p_g), color=_G, label="$p_g(x)$"),
    ]
    axes.axhline(0.5, color="#9ca3af", linewidth=0.6, zorder=0)
    axes.set(xlim=ends, ylim=(0, 1.04 * top), yticks=(0, 0.5, 1))
    axes.tick_params(labelbottom=False, bottom=False)
    axes.spines[["top", "right"]].set_visible(False)
    return lines


def _draw_lines(axes: Axes, ends: tuple[float, float], *, named: bool) -> None:
    """The line of x above, and that of z below."""
    axes.set(xlim=ends, ylim=(0, 1))
    axes.set_axis_off()
    for name, height in (("$x$", _X), ("$z$", _Z)):
        axes.plot(ends, (height, height), color="black", linewidth=0.8, clip_on=False)
        if named:
            axes.annotate(name, (ends[0], height), (-4, 0), textcoords="offset points", ha="right", va="center")


def _draw_map(axes: Axes, game: KnownGame, ends: tuple[float, float]) -> list[Any]:
    """Arrows from the line of z, which its own range fills, to that of x."""
    low, high = ends
    if not len(game.z):
        return [axes.text((low + high) / 2, 0.48, "z has several dimensions", ha="center", va="center", fontsize=7)]
    z, g = _array(game.z), _array(game.g)
    chosen = evenly_probable(game.masses, _ARROWS).numpy()
    first, last = z[chosen[0]], z[chosen[-1]]
    starts = (low + high) / 2 + 0.46 * (high - low) * (2 * (z[chosen] - first) / (last - first) - 1)
    inside = (g[chosen] >= low) & (g[chosen] <= high)
    starts, along = starts[inside], (g[chosen] - starts)[inside]
    heights = np.full(len(starts), _Z), np.full(len(starts), _X - _Z)
    # One collection: arrows of their own take most of the time that a film does.
    arrows = axes.quiver(starts, heights[0], along, heights[1], angles="xy", scale_units="xy", scale=1,
                         units="inches", width=0.009, headwidth=5.5, headlength=7, headaxislength=7)  # fmt: skip
    arrows.set_in_layout(False)
    return [arrows]


def _range(games: Sequence[KnownGame]) -> tuple[float, float]:
    """Where all densities have their mass, the same for every panel."""
    ends = [_holding(each.x, density) for each in games for density in (each.p_data, each.p_g)]
    return min(low for low, _ in ends), max(high for _, high in ends)


def _common_range(games: Sequence[KnownGame]) -> tuple[float, float]:
    """As much of it as D was asked for in all games."""
    low, high = _range(games)
    return max(low, *(float(game.x[0]) for game in games)), min(high, *(float(game.x[-1]) for game in games))


def _holding(x: Tensor, density: Tensor) -> tuple[float, float]:
    below = density.double().cumsum(0) / density.double().sum()
    inside = x[(below > _BOX) & (below < 1 - _BOX)]
    return (float(inside[0]), float(inside[-1])) if len(inside) else (float(x[0]), float(x[-1]))


def _height(game: KnownGame, low: float, high: float) -> float:
    """Of the densities, without the spikes that a fold of G makes."""
    inside = (game.x >= low) & (game.x <= high)
    generated = game.p_g[inside].double()
    return max(float(game.p_data.max()), min(float(generated.quantile(0.99)), 1.5))


def _array(values: Tensor) -> NDArray[np.float64]:
    found: NDArray[np.float64] = values.detach().cpu().double().numpy()
    return found
