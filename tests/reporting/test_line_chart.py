"""A line chart as SVG."""

import math
import re
from xml.etree import ElementTree as ET

import pytest

from lit_gan.reporting.line_chart import Line, LineChart, ticks


def _parsed(chart: LineChart) -> ET.Element:
    return ET.fromstring(str(chart.svg()))  # noqa: S314 -- it is our own


def _points(path: ET.Element) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"([\d.]+) ([\d.]+)", path.attrib["d"])]


def _paths(chart: LineChart, kind: str) -> list[ET.Element]:
    return [each for each in _parsed(chart).iter("path") if each.attrib["class"].startswith(kind)]


def test_values_lie_where_they_belong() -> None:
    chart = LineChart("t", "e", [Line("a", 0, [0, 50, 100], [0.0, 1.0, 2.0])])
    (path,) = _paths(chart, "line")
    (x0, y0), (x1, y1), (x2, y2) = _points(path)
    assert x0 < x1 < x2
    assert y0 > y1 > y2  # higher values are higher up
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.11)
    assert y0 - y1 == pytest.approx(y1 - y2, abs=0.11)


def test_a_logarithmic_scale_leaves_out_what_has_no_logarithm() -> None:
    chart = LineChart("t", "e", [Line("a", 0, [1, 2, 3, 4], [0.1, 0.0, 1.0, 10.0])], log=True)
    (path,) = _paths(chart, "line")
    heights = [y for _, y in _points(path)]
    assert len(heights) == 3
    assert heights[0] - heights[1] == pytest.approx(heights[1] - heights[2], abs=0.11)
    assert LineChart("t", "e", [Line("a", 0, [1], [0.0])], log=True).svg() == ""


def test_values_with_a_meaning_are_marked_and_in_sight() -> None:
    svg = _parsed(LineChart("t", "e", [Line("a", 0, [1, 2], [0.1, 0.2])], marks=((-math.log(4), "-log 4"),)))
    (mark,) = [each for each in svg.iter("line") if each.attrib["class"] == "mark"]
    assert 0 < float(mark.attrib["y1"]) < 300
    assert [each.text for each in svg.iter("text") if each.attrib["class"] == "marked"] == ["-log 4"]


def test_an_error_is_a_band() -> None:
    chart = LineChart("t", "e", [Line("a", 0, [1, 2], [1.0, 2.0], [0.5, 0.5])])
    (band,), (line,) = _paths(chart, "band"), _paths(chart, "line")
    upper, lower = _points(band)[0], _points(band)[3]
    assert upper[1] < _points(line)[0][1] < lower[1]
    assert upper[0] == lower[0] == _points(line)[0][0]


def test_a_long_line_is_thinned_to_means_and_keeps_its_end() -> None:
    line = Line("a", 0, list(range(1, 10_001)), [float(value) for value in range(10_000)]).thinned()
    assert len(line.rounds) == 400
    assert line.values[0] == 12.0  # the mean of the first 25
    assert (line.rounds[-1], line.values[-1]) == (10_000, 9987.0)
    short = Line("a", 0, [1, 2], [1.0, 2.0])
    assert short.thinned() is short


def test_names_are_escaped() -> None:
    chart = LineChart("<script>", "e", [Line('"><script>alert(1)</script>', 0, [1, 2], [1.0, 2.0])], ((1.0, "<b>"),))
    assert "<script" not in chart.svg()
    assert "<b>" not in chart.svg()
    _parsed(chart)


def test_one_point_is_a_dot_and_a_constant_has_a_scale() -> None:
    assert list(_parsed(LineChart("t", "e", [Line("a", 0, [5], [3.0])])).iter("circle"))
    assert _paths(LineChart("t", "e", [Line("a", 0, [0, 5], [0.0, 0.0])]), "line")


def test_nothing_to_draw_is_no_chart() -> None:
    assert LineChart("t", "e", [Line("a", 0, [], [])]).svg() == ""


def test_points_can_be_read_off() -> None:
    chart = LineChart("t", "e", [Line("a", 1, [1, 2], [0.123456, 2.0])])
    assert chart.data() == [{"label": "a", "run": 1, "x": [1, 2], "y": [0.1235, 2.0]}]


@pytest.mark.parametrize(
    ("low", "high", "whole", "expected"),
    [
        (0, 1, False, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (-0.3, 0.3, False, [-0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3]),
        (0, 3, True, [0.0, 1.0, 2.0, 3.0]),
        (0.2, 1.8, True, [1.0]),
        (7, 7, False, [7]),
    ],
)
def test_ticks_are_round(low: float, high: float, whole: bool, expected: list[float]) -> None:
    assert ticks(low, high, whole=whole) == pytest.approx(expected)
