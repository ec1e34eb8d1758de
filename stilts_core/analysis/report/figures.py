"""Figures as inline SVG: pure functions from numbers to markup.

Across, a figure is placed in percent of its width and down in pixels, so that it takes any width while its text and
marks keep their size. Colours are CSS classes (``c0`` to ``c8``) that the style sheet sets for light, dark and paper;
the shape of a mark (``m0`` to ``m6``) tells the arms apart without colour.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup, escape

from stilts_core.analysis.report.words import score

COLOURS = 8
SHAPES = 6
DASHES = 4
BINS = 4
"""Steps of the gains' colours on either side of zero."""

_INSET = 3.0  # percent of the width left free at both ends, so that no mark is cut
_SHAPE_PATHS = (
    "M-3.4 0A3.4 3.4 0 1 0 3.4 0A3.4 3.4 0 1 0 -3.4 0Z",
    "M-3.2-3.2H3.2V3.2H-3.2Z",
    "M0-4.2L4 3.2H-4Z",
    "M0-4.6L4.2 0L0 4.6L-4.2 0Z",
    "M-3.7 0A3.7 3.7 0 1 0 3.7 0A3.7 3.7 0 1 0 -3.7 0Z",
    "M0 4.2L4-3.2H-4Z",
    "M-1.4-4H1.4V-1.4H4V1.4H1.4V4H-1.4V1.4H-4V-1.4H-1.4Z",
)


@dataclass(frozen=True, slots=True)
class Scale:
    """An axis from ``low`` to ``high`` with round ticks."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def at(self, value: float) -> str:
        """The place of a value in percent of the figure's width."""
        share = (value - self.low) / (self.high - self.low)
        return f"{_INSET + (100 - 2 * _INSET) * share:.2f}%"

    def digits(self) -> int:
        """Decimals that tell the ticks apart."""
        return 0 if all(tick == round(tick) for tick in self.ticks) else 1


def scale_for(values: Iterable[float], ticks: int = 5) -> Scale:
    """An axis that holds all values and ends on round numbers; with about so many ticks."""
    found = list(values) or [0.0]
    low, high = min(found), max(found)
    if high - low < 1:
        low, high = low - 0.5, high + 0.5
    step = _round_step((high - low) / ticks)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return Scale(first * step, last * step, tuple(round(place * step, 10) for place in range(first, last + 1)))


def _round_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(size * power for size in (1, 2, 5, 10) if size * power >= rough * 0.999)


@dataclass(frozen=True, slots=True)
class Style:
    """How an arm is drawn: the baseline as 0, the other curricula by their place."""

    place: int

    @property
    def colour(self) -> str:
        return "c0" if self.place == 0 else f"c{(self.place - 1) % COLOURS + 1}"

    @property
    def dash(self) -> str:
        """Of its lines: arms beside each other differ in it, and those of one dash in their marks."""
        return f"d{self.place % DASHES}"

    @property
    def shape(self) -> str:
        return "m0" if self.place == 0 else f"m{(self.place - 1) % SHAPES + 1}"


def definitions() -> Markup:
    """The shapes of the marks, once for the whole page."""
    shapes = Markup("").join(
        Markup('<path id="m{}" d="{}"/>').format(number, path) for number, path in enumerate(_SHAPE_PATHS)
    )
    return Markup('<svg class="defs" width="0" height="0" aria-hidden="true"><defs>{}</defs></svg>').format(shapes)


def key_mark(style: Style) -> Markup:
    """A mark for a legend."""
    return Markup('<svg class="key" width="14" height="12" aria-hidden="true">{}</svg>').format(
        _mark("7", 6, style, "")
    )


def _mark(x: str, y: float, style: Style, title: str) -> Markup:
    inner = Markup("<title>{}</title>").format(title) if title else ""
    return Markup('<use href="#{}" x="{}" y="{:g}" class="mark {}">{}</use>').format(
        style.shape, x, y, style.colour, inner
    )


@dataclass(frozen=True, slots=True)
class Dots:
    """One arm in one row of a dot plot: the score of each run."""

    label: str
    style: Style
    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        return math.fsum(self.values) / len(self.values)


def dot_row(dots: Sequence[Dots], scale: Scale, chance: float | None) -> Markup:
    """A row of a dot plot: a lane for each arm, its runs as ticks, their mean as a mark.

    Args:
        dots: the arms; one without values has an empty lane; the baseline's mean is drawn through all lanes.
        scale: the axis.
        chance: level of guessing, percent, drawn where it lies on the axis.
    """
    pitch = 9 if len(dots) <= 4 else 7
    height = len(dots) * pitch + 6
    parts = [_upright("grid", scale.at(tick), 0, height) for tick in scale.ticks]
    if chance is not None and scale.low <= chance <= scale.high:
        parts.append(_upright("chance", scale.at(chance), 2, height - 2))
    parts += [
        _upright("base", scale.at(one.mean), 1, height - 1) for one in dots if one.style.place == 0 and one.values
    ]
    for lane, one in enumerate(dots):
        if not one.values:
            continue
        y = 3 + pitch / 2 + pitch * lane
        colour = one.style.colour
        if len(one.values) > 1:
            low, high = scale.at(min(one.values)), scale.at(max(one.values))
            parts.append(f'<line class="range {colour}" x1="{low}" x2="{high}" y1="{y:g}" y2="{y:g}"/>')
            parts += [_upright(f"seed {colour}", scale.at(value), y - 3, y + 3) for value in one.values]
        runs = f" ({', '.join(map(score, one.values))})" if len(one.values) > 1 else ""
        parts.append(_mark(scale.at(one.mean), y, one.style, f"{one.label} {score(one.mean)}{runs}"))
    return Markup('<svg class="row" width="100%" height="{}" aria-hidden="true">{}</svg>').format(
        height,
        Markup("".join(parts)),  # noqa: S704 (numbers, names of this module, and marks, whose titles are escaped)
    )


def _upright(css: str, x: str, top: float, bottom: float) -> str:
    """A line from top to bottom, of numbers and names of this module alone."""
    return f'<line class="{css}" x1="{x}" x2="{x}" y1="{top:g}" y2="{bottom:g}"/>'


def axis(scale: Scale) -> Markup:
    """The axis above or below the rows of a dot plot."""
    labels = [
        Markup('<text x="{}" y="12" text-anchor="middle">{}</text>').format(scale.at(tick), score(tick, scale.digits()))
        for tick in scale.ticks
    ]
    return Markup('<svg class="axis" width="100%" height="16" aria-hidden="true">{}</svg>').format(
        Markup("").join(labels)
    )


@dataclass(frozen=True, slots=True)
class Curve:
    """One arm of a line plot: its mean and its single runs over the states."""

    label: str
    style: Style
    points: tuple[tuple[int, tuple[float, ...]], ...]


def line_plot(curves: Sequence[Curve], scored: int | None, label: str) -> Markup:
    """Scores over hidden states.

    Args:
        curves: with points that have values.
        scored: the state whose score is the result, marked by a line.
        label: what the figure shows, for those who do not see it.
    """
    height, top, bottom = 260, 14, 26
    states = sorted({state for curve in curves for state, _ in curve.points})
    across = Scale(states[0], max(states[-1], states[0] + 1), tuple(map(float, states)))
    up = scale_for([value for curve in curves for _, values in curve.points for value in values])

    def y(value: float) -> float:
        return round(top + (height - top - bottom) * (1 - (value - up.low) / (up.high - up.low)), 1)

    parts = []
    for tick in up.ticks:
        parts.append(Markup('<line class="grid" x1="0" x2="100%" y1="{0}" y2="{0}"/>').format(y(tick)))
        parts.append(Markup('<text x="0" y="{}">{}</text>').format(y(tick) - 3, score(tick, up.digits())))
    every = math.ceil(len(states) / 13)
    for state in states[::every]:
        parts.append(
            Markup('<text x="{}" y="{}" text-anchor="middle">{}</text>').format(
                _across(across, state), height - 8, state
            )
        )
    if scored is not None and states[0] <= scored <= states[-1]:
        parts.append(
            Markup('<line class="chance" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/>').format(
                _across(across, scored), top, height - bottom
            )
        )
    for curve in curves:
        means = [(state, math.fsum(values) / len(values), values) for state, values in curve.points]
        for (left, low, _), (right, high, _) in pairwise(means):
            parts.append(
                Markup('<line class="curve {} {}" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
                    curve.style.colour, curve.style.dash, _across(across, left), _across(across, right), y(low), y(high)
                )
            )
        for state, mean, values in means:
            x = _across(across, state)
            if len(values) > 1:
                parts.append(
                    Markup('<line class="range {0}" x1="{1}" x2="{1}" y1="{2}" y2="{3}"/>').format(
                        curve.style.colour, x, y(min(values)), y(max(values))
                    )
                )
            parts.append(_mark(x, y(mean), curve.style, f"{curve.label}, state {state}: {score(mean)}"))
    return Markup('<svg class="plot" width="100%" height="{}" role="img" aria-label="{}">{}</svg>').format(
        height, escape(label), Markup("").join(parts)
    )


def _across(scale: Scale, value: float) -> str:
    share = (value - scale.low) / (scale.high - scale.low)
    return f"{8 + 89 * share:.2f}%"


def gain_limit(gains: Iterable[float]) -> float:
    """The gain at which the colours end: the largest one, rounded up; at least 1 point."""
    largest = max((abs(gain) for gain in gains), default=0.0)
    if largest <= 1:
        return 1.0
    power = 10.0 ** math.floor(math.log10(largest))
    return next(size * power for size in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if size * power >= largest * 0.999)


def gain_class(gain: float | None, limit: float) -> str:
    """The class of a gain's colour: ``n4`` to ``n1`` for losses, ``z`` around zero, ``p1`` to ``p4``; none for None."""
    if gain is None:
        return ""
    step = min(BINS, math.floor(abs(gain) / limit * (BINS + 0.5) + 0.5))
    if step == 0:
        return "z"
    return f"{'p' if gain > 0 else 'n'}{step}"


def scatter_plot(
    points: Sequence[tuple[str, Style, float, float]], label: str, line: Sequence[tuple[float, float]] = ()
) -> Markup:
    """Points in two directions.

    Args:
        points: label, style, place across and place up.
        label: what the figure shows, for those who do not see it.
        line: places across and up that are joined.
    """
    height, top, bottom = 300, 14, 26
    across, up = _fine_scale([x for _, _, x, _ in points]), _fine_scale([y for _, _, _, y in points])

    def y(value: float) -> float:
        return round(top + (height - top - bottom) * (1 - (value - up.low) / (up.high - up.low)), 1)

    parts = []
    for tick in up.ticks:
        parts.append(Markup('<line class="grid" x1="0" x2="100%" y1="{0}" y2="{0}"/>').format(y(tick)))
        parts.append(Markup('<text x="0" y="{}">{}</text>').format(y(tick) - 3, _tick(tick)))
    for tick in across.ticks:
        parts.append(
            Markup('<text x="{}" y="{}" text-anchor="middle">{}</text>').format(
                _across(across, tick), height - 8, _tick(tick)
            )
        )
    parts += [
        Markup('<line class="base" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
            _across(across, left[0]), _across(across, right[0]), y(left[1]), y(right[1])
        )
        for left, right in pairwise(line)
    ]
    parts += [
        _mark(_across(across, x), y(value), style, f"{name}: {_tick(x)}, {_tick(value)}")
        for name, style, x, value in points
    ]
    return Markup('<svg class="plot" width="100%" height="{}" role="img" aria-label="{}">{}</svg>').format(
        height, escape(label), Markup("").join(parts)
    )


def _fine_scale(values: Sequence[float], ticks: int = 5) -> Scale:
    """An axis around all values that ends on round numbers, however close together they are."""
    low, high = min(values), max(values)
    if high == low:
        low, high = low - 0.5, high + 0.5
    step = _round_step((high - low) / ticks)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return Scale(first * step, last * step, tuple(round(place * step, 12) for place in range(first, last + 1)))


def _tick(value: float) -> str:
    return f"{value:.4g}".replace("-", "−")
