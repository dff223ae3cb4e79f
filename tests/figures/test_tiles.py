"""Figures 2 and 3 of the paper: where each image is, what is framed, and what stands beside."""

import io
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from PIL import Image

from lit_gan.errors import UserError
from lit_gan.figures import tiles
from lit_gan.figures.tiles import check_channels, nearest_figure, pairs_figure, walks_figure
from lit_gan.figures.writing import DPI, check_formats, drawn_plainly, write_figure

_SIDE, _GAP, _APART = 136, 10, 40  # eight pixels, each enlarged by seventeen

_HALF = 0.501 / 255  # of a level


def _canvas(figure: Figure) -> NDArray[np.float64]:
    [image] = figure.axes[0].get_images()
    levels = np.asarray(image.get_array())
    assert levels.dtype == np.uint8
    return levels / 255


def _texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in (*figure.axes[0].texts, *figure.texts)]


def _images(num: int, channels: int = 1) -> torch.Tensor:
    return torch.linspace(0, 0.9, num)[:, None, None, None].expand(num, channels, 8, 8)


def test_samples_lie_row_by_row_and_the_last_column_is_framed() -> None:
    figure = nearest_figure(_images(6), torch.ones(2, 1, 8, 8), 3, "6 draws")
    canvas = _canvas(figure)
    assert canvas.shape == (2 * _SIDE + _GAP, 4 * _SIDE + 2 * _GAP + _APART, 3)
    middles = canvas[_SIDE // 2 :: _SIDE + _GAP, _SIDE // 2 : 3 * (_SIDE + _GAP) : _SIDE + _GAP, 0]
    np.testing.assert_allclose(middles, np.linspace(0, 0.9, 6).reshape(2, 3), atol=_HALF)
    assert (canvas[:_SIDE, -_SIDE:] == 1).all()
    frames = [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]
    assert [frame.get_xy() for frame in frames] == [
        (canvas.shape[1] - _SIDE - 3.5, row * (_SIDE + _GAP) - 3.5) for row in range(2)
    ]
    assert _texts(figure) == ["samples", "nearest in\ntraining set", "6 draws"]


def test_each_pixel_of_the_canvas_is_a_dot_of_the_print(tmp_path: Path) -> None:
    """So a viewer blurs nothing: every image is there to the level."""
    with drawn_plainly():
        figure = nearest_figure(torch.rand(4, 3, 8, 8), torch.rand(2, 3, 8, 8), 2, "4 draws")
        [path] = write_figure(figure, tmp_path, "figure-2", ["png"])
    with Image.open(path) as opened:
        assert opened.info["dpi"] == pytest.approx((DPI, DPI), abs=0.1)
        found = np.asarray(opened.convert("RGB")) / 255
    canvas = _canvas(figure)
    left, top = round(0.14 * DPI), round(0.34 * DPI)
    shown = found[top : top + _SIDE, left : left + 2 * _SIDE + _GAP]
    assert np.abs(shown - canvas[:_SIDE, : 2 * _SIDE + _GAP])[4:-4, 4:-4].mean() < 0.02


@pytest.mark.parametrize("dpi", [DPI, 200])
@pytest.mark.parametrize("kind", ["png", "pdf", "svg"])
def test_the_file_is_the_one_that_matplotlib_would_resample(kind: str, dpi: int, monkeypatch: Any) -> None:
    if kind != "png" and dpi == DPI and mpl.__version_info__ < (3, 11):
        pytest.skip("matplotlib 3.10 makes the canvas a dot wider there, and so no pixel a dot")

    def drawn() -> bytes:
        with drawn_plainly():
            images = torch.rand(4, 3, 8, 7, generator=torch.Generator().manual_seed(0))
            figure, file = nearest_figure(images, images[:2], 2, "4 draws"), io.BytesIO()
            figure.savefig(file, format=kind, dpi=dpi, metadata={"Date": None} if kind == "svg" else {})
        return file.getvalue()

    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    ours = drawn()
    monkeypatch.setattr(tiles._Raster, "make_image", AxesImage.make_image)
    assert ours == drawn()


def test_walks_touch_along_the_way() -> None:
    figure = walks_figure(_images(8), 4, "between random latents")
    canvas = _canvas(figure)
    assert canvas.shape == (2 * _SIDE + _GAP, 4 * _SIDE, 3)
    middles = canvas[_SIDE // 2 :: _SIDE + _GAP, _SIDE // 2 :: _SIDE, 0]
    np.testing.assert_allclose(middles, np.linspace(0, 0.9, 8).reshape(2, 4), atol=_HALF)
    assert [text for text in _texts(figure) if text] == ["$z_0$", "$z_1$", "between random latents"]


def test_pairs_lie_beside_each_other_and_the_example_is_framed() -> None:
    figure = pairs_figure(
        _images(3), torch.ones(3, 1, 8, 8), ["0.1 (0.2)", "0.3 (0.4)", "5 (6)"], 2, "3 of 9\nby pixels"
    )
    canvas, title, across = _canvas(figure), 60, 2 * _SIDE + _GAP + _APART
    assert canvas.shape == (2 * _SIDE + title, 2 * across - _APART, 3)
    middle = _SIDE // 2
    np.testing.assert_allclose(canvas[middle, [middle, across + middle], 0], [0, 0.45], atol=_HALF)
    np.testing.assert_allclose(canvas[middle + _SIDE + title, middle, 0], 0.9, atol=_HALF)
    assert (canvas[:_SIDE, _SIDE + _GAP : across - _APART] == 1).all()
    frames = [patch.get_xy() for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]
    left = _SIDE + _GAP - 3.5
    assert frames == [(left, -3.5), (left + across, -3.5), (left, _SIDE + title - 3.5)]
    assert _texts(figure) == ["0.1 (0.2)", "0.3 (0.4)", "5 (6)", "3 of 9\nby pixels"]


def test_rows_have_the_names_of_their_classes_as_they_stand(tmp_path: Path) -> None:
    """A name that matplotlib would take for a formula is none; a long one is cut."""
    names = ["$\\frac{$", "$\\frac{$", "<script>alert(1)</script>", "<script>alert(1)</script>"]
    with drawn_plainly():
        figure = nearest_figure(_images(4), _images(2), 2, "4 draws", names)
        write_figure(figure, tmp_path, "figure-2", ["svg"])
    assert [text for text in _texts(figure) if "<" in text or "frac" in text] == ["$\\frac{$", "<script>al..."]
    assert "<script" not in (tmp_path / "figure-2.svg").read_text()


def test_the_same_figure_is_the_same_file(tmp_path: Path) -> None:
    for name in ("once", "twice"):
        with drawn_plainly():
            figure = walks_figure(_images(4, channels=3), 2, "between random latents")
            paths = write_figure(figure, tmp_path / name, "figure-3", ["png", "pdf", "svg"])
        assert [path.name for path in paths] == ["figure-3.png", "figure-3.pdf", "figure-3.svg"]
    for path in paths:
        assert path.read_bytes() == (tmp_path / "once" / path.name).read_bytes(), path.name


def test_formats_and_channels_that_there_are_not_are_told() -> None:
    assert check_formats(["pdf", "png", "pdf"]) == ("pdf", "png")
    with pytest.raises(UserError, match=r"^--format png,jpg: expected some of png, pdf, svg, with commas between\.$"):
        check_formats(["png", "jpg"])
    with pytest.raises(UserError, match="images with 2 channels cannot be shown"):
        check_channels(torch.zeros(1, 2, 4, 4))
