"""Draws a curve as a small SVG that reads on light and on dark pages."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from benchmarks.result import Curve

_WIDTH, _HEIGHT = 560, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 96, 34, 46
_COLOURS = ("#2f7ed8", "#d9822b", "#3a9d5d", "#a34fc0", "#c0504d")
_STEPS = 4


def drawn(curve: Curve) -> str:
    """The SVG of a curve with at least two points."""
    points = [point for line in curve.lines.values() for point in line]
    right, top = max(x for x, _ in points), _round_up(max(y for _, y in points))
    parts = [*_axes(curve, right, top)]
    for number, (name, line) in enumerate(curve.lines.items()):
        parts += _line(name, [_placed(x, y, right, top) for x, y in line], _COLOURS[number % len(_COLOURS)])
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif"'
    )
    return "\n".join([f'{head} font-size="12" fill="#888">', *parts, "</svg>", ""])


def _placed(x: float, y: float, right: float, top: float) -> tuple[float, float]:
    across = _LEFT + (x / right if right else 0) * (_WIDTH - _LEFT - _RIGHT)
    down = _HEIGHT - _BOTTOM - (y / top if top else 0) * (_HEIGHT - _TOP - _BOTTOM)
    return round(across, 1), round(down, 1)


def _axes(curve: Curve, right: float, top: float) -> Iterable[str]:
    yield f'<text x="{_LEFT}" y="18" font-size="14">{escape(curve.title)}</text>'
    yield f'<text x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 8}" text-anchor="end">{escape(curve.x)}</text>'
    yield f'<text x="{_LEFT - 8}" y="{_TOP - 6}" text-anchor="end">{escape(curve.y)}</text>'
    for step in range(_STEPS + 1):
        x, y = _placed(right * step / _STEPS, top * step / _STEPS, right, top)
        yield f'<path d="M{_LEFT} {y}H{_WIDTH - _RIGHT}" stroke="#8884"/>'
        yield f'<text x="{_LEFT - 8}" y="{y + 4}" text-anchor="end">{top * step / _STEPS:g}</text>'
        below = _HEIGHT - _BOTTOM + 16
        yield f'<text x="{x}" y="{below}" text-anchor="middle">{right * step / _STEPS:g}</text>'


def _line(name: str, places: list[tuple[float, float]], colour: str) -> Iterable[str]:
    path = "L".join(f"{x} {y}" for x, y in places)
    yield f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
    for x, y in places:
        yield f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>'
    x, y = places[-1]
    yield f'<text x="{x + 8}" y="{y + 4}" fill="{colour}">{escape(name)}</text>'


def _round_up(value: float) -> float:
    """The next of 1, 2, 4 or 8 times a power of ten, so that the grid has round numbers."""
    unit = 10.0 ** (len(f"{int(value)}") - 1) if value >= 1 else 0.1
    return next((unit * times for times in (1, 2, 4, 8, 10) if unit * times >= value), value)
