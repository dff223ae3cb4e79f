"""A line chart as SVG whose colours are those of the page: light and dark, on a screen and on paper."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

_MOST_POINTS = 400  # of a line: more than a screen has columns for it
_WIDTH, _HEIGHT = 640, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 28, 12, 40


@dataclass(frozen=True)
class Line:
    """A quantity over the rounds.

    Args:
        label: What it is called.
        run: Whose, by number: that of its colour.
        rounds: After which rounds.
        values: What it was.
        errors: Half the height of the band around it, where it has one.
        kind: Which of several quantities of one run: that of its dashes (several runs) or its colour (one).
    """

    label: str
    run: int
    rounds: Sequence[int]
    values: Sequence[float]
    errors: Sequence[float] = ()
    kind: int = 0

    def thinned(self) -> "Line":
        """Means over pieces of equal length, where it has more points than can be seen; the last point stays."""
        size = math.ceil(len(self.rounds) / _MOST_POINTS)
        if size <= 1:
            return self
        starts = range(0, len(self.rounds), size)

        def means(numbers: Sequence[float]) -> list[float]:
            pieces = [numbers[at : at + size] for at in starts] if numbers else []
            return [math.fsum(piece) / len(piece) for piece in pieces]

        rounds = [self.rounds[min(at + size, len(self.rounds)) - 1] for at in starts]
        return Line(self.label, self.run, rounds, means(self.values), means(self.errors), self.kind)


@dataclass(frozen=True)
class LineChart:
    """Lines over the rounds, with values that mean something marked.

    Args:
        title: What is drawn.
        explanation: How it is read.
        lines: The lines.
        marks: Values with a meaning, and what that is.
        log: Whether the scale is logarithmic.
        unit: Of the values.
    """

    title: str
    explanation: str
    lines: Sequence[Line]
    marks: Sequence[tuple[float, str]] = field(default_factory=tuple)
    log: bool = False
    unit: str = ""

    def data(self) -> list[dict[str, object]]:
        """The points that are drawn, to be read off."""
        return [
            {
                "label": line.label,
                "run": line.run,
                "x": list(line.rounds),
                "y": [float(f"{value:.4g}") for value in line.values],
            }
            for line in self._drawn()
        ]

    def svg(self) -> Markup:
        """The chart; empty where there is nothing to draw."""
        lines = self._drawn()
        if not lines:
            return Markup("")
        last = max(max(line.rounds) for line in lines)
        low, high = self._range(lines)
        across, up = _Scale(0, last, _LEFT, _WIDTH - _RIGHT), _Scale(low, high, _HEIGHT - _BOTTOM, _TOP)
        parts = [*self._grid(across, up), *self._marks(up), *(self._line(line, across, up) for line in lines)]
        title = f"{self.title}: {', '.join(line.label for line in lines)} over {last:,} rounds"
        return Markup(
            '<svg viewBox="0 0 {} {}" role="img" aria-label="{}" data-last="{}" data-left="{}" data-right="{}">{}</svg>'
        ).format(_WIDTH, _HEIGHT, title, last, _LEFT, _WIDTH - _RIGHT, Markup("").join(parts))

    def _drawn(self) -> list[Line]:
        kept = [line.thinned() for line in self.lines if line.rounds]
        if not self.log:
            return kept
        positive = [
            Line(line.label, line.run, *_where_positive(line), (), line.kind) for line in kept if max(line.values) > 0
        ]
        return [line for line in positive if line.rounds]

    def _range(self, lines: Sequence[Line]) -> tuple[float, float]:
        values = [self._place(value) for line in lines for value in line.values]
        for line in lines:
            values += [
                value + sign * error for value, error in zip(line.values, line.errors, strict=False) for sign in (-1, 1)
            ]
        values += [self._place(value) for value, _ in self.marks]
        low, high = min(values), max(values)
        margin = (high - low) * 0.05 or abs(high) * 0.05 or 1.0
        return low - margin, high + margin

    def _place(self, value: float) -> float:
        return math.log10(value) if self.log else value

    def _grid(self, across: "_Scale", up: "_Scale") -> list[Markup]:
        rule = Markup('<line class="grid" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>')
        text = Markup('<text class="tick" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>')
        found = []
        for value in ticks(up.low, up.high, whole=self.log):
            y = up.of(value)
            shown = f"{10**value:.3g}" if self.log else f"{value:.6g}"
            found += [rule.format(_LEFT, y, _WIDTH - _RIGHT, y), text.format(_LEFT - 6, y + 4, "end", shown)]
        for value in ticks(across.low, across.high, whole=True):
            shown = f"{int(value):,}"
            found.append(text.format(across.of(value), _HEIGHT - _BOTTOM + 18, "middle", shown))
        found.append(text.format((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 4, "middle", "rounds"))
        if self.unit:
            turned = Markup(
                '<text class="tick" transform="translate(13 {:.1f}) rotate(-90)" text-anchor="middle">{}</text>'
            )
            found.append(turned.format((_TOP + _HEIGHT - _BOTTOM) / 2, self.unit))
        return found

    def _marks(self, up: "_Scale") -> list[Markup]:
        rule = Markup('<line class="mark" x1="{}" y1="{:.1f}" x2="{}" y2="{:.1f}"/>')
        drawn = rule + Markup('<text class="marked" x="{}" y="{:.1f}">{}</text>')
        return [
            drawn.format(_LEFT, up.of(self._place(value)), _WIDTH - _RIGHT, up.of(self._place(value)), _LEFT + 6,
                         up.of(self._place(value)) - 4, label)
            for value, label in self.marks
        ]  # fmt: skip

    def _line(self, line: Line, across: "_Scale", up: "_Scale") -> Markup:
        points = [(across.of(x), up.of(self._place(y))) for x, y in zip(line.rounds, line.values, strict=True)]
        found = Markup("")
        if line.errors:
            heights = [error * abs(up.step) for error in line.errors]
            upper = [(x, y - h) for (x, y), h in zip(points, heights, strict=True)]
            lower = [(x, y + h) for (x, y), h in zip(points, heights, strict=True)]
            found += Markup('<path class="band {}" d="{}Z"/>').format(_class(line), _path(upper + lower[::-1]))
        if len(points) == 1:
            return found + Markup('<circle class="dot {}" cx="{:.1f}" cy="{:.1f}" r="3"/>').format(
                _class(line), *points[0]
            )
        return found + Markup('<path class="line {}" d="{}"/>').format(_class(line), _path(points))


class _Scale:
    def __init__(self, low: float, high: float, begin: float, end: float) -> None:
        self.low, self.high = low, high
        self.step = (end - begin) / ((high - low) or 1.0)
        self._begin = begin

    def of(self, value: float) -> float:
        return self._begin + (value - self.low) * self.step


def ticks(low: float, high: float, *, whole: bool = False, num: int = 5) -> list[float]:
    """Round values in a range: steps of 1, 2 or 5 times a power of ten, about so many.

    Example:
        >>> ticks(0, 6000), ticks(-1.42, -1.2)
        ([0.0, 1000.0, 2000.0, 3000.0, 4000.0, 5000.0, 6000.0], [-1.4, -1.35, -1.3, -1.25, -1.2])
    """
    if not high > low:
        return [low]
    rough = (high - low) / num
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.75)
    step = max(step, 1.0) if whole else step
    first = math.ceil(low / step - 1e-9)
    return [round(place * step, 12) for place in range(first, math.floor(high / step + 1e-9) + 1)]


def _where_positive(line: Line) -> tuple[list[int], list[float]]:
    kept = [(x, y) for x, y in zip(line.rounds, line.values, strict=True) if y > 0]
    return [x for x, _ in kept], [y for _, y in kept]


def _class(line: Line) -> str:
    return f"run-{line.run} kind-{line.kind}"


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
