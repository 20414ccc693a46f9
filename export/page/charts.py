"""Charts that take their colours from the page's style sheet, so that they work in light and in dark."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from kres.export.page.words import breakable

WIDTH, HEIGHT = 560, 260
LEFT, RIGHT, TOP, BOTTOM = 62, 16, 12, 48

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Bar:
    """A label, the bar's length, the words beside it, and the ends of a thin line over it where there is a spread."""

    label: str
    value: float
    text: str
    low: float | None = None
    high: float | None = None


def bars(rows: Sequence[Bar], *, title: str) -> str:
    """Draw horizontal bars from zero, as a table that reads well without them; no row gives no text.

    An infinite value fills its row, one of zero or less has no bar.
    """
    if not rows:
        return ""
    finite = [value for row in rows for value in (row.value, row.high or 0.0) if math.isfinite(value)]
    largest = max((*finite, 0.0)) or 1.0

    def share(value: float) -> float:
        return min(max(100 * value / largest, 0.0), 100.0)

    lines = []
    for row in rows:
        spread = ""
        if row.low is not None and row.high is not None:
            left, right = share(row.low), share(row.high)
            spread = f'<i style="left:{left:.1f}%;width:{right - left:.1f}%"></i>'
        lines.append(
            f'<tr><th scope="row">{breakable(row.label)}</th><td class="value">{escape(row.text)}</td>'
            f'<td class="track" aria-hidden="true"><div><b style="width:{share(row.value):.1f}%"></b>{spread}</div>'
            "</td></tr>"
        )
    return f'<table class="bars"><caption>{escape(title)}</caption><tbody>{"".join(lines)}</tbody></table>'


def line_chart(series: Mapping[str, Points], *, title: str, x_label: str, percent: bool = False) -> str:
    """Draw named series of (x, y) points over one pair of axes, with a legend; `title` is what a screen reader says.

    Raises ValueError where no series has a point.
    """
    drawn = {name: points for name, points in series.items() if points}
    if not drawn:
        raise ValueError("a chart needs at least one point. Received: none")
    xs, ys = (np.array([point[axis] for points in drawn.values() for point in points]) for axis in (0, 1))
    x_ticks, y_ticks = ticks(float(xs.min()), float(xs.max())), ticks(float(ys.min()), float(ys.max()))

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - x_ticks[0]) / (x_ticks[-1] - x_ticks[0])
        up = (y - y_ticks[0]) / (y_ticks[-1] - y_ticks[0])
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">']
    for tick in y_ticks:
        y = place(x_ticks[0], tick)[1]
        text = f"{100 * tick:g} %" if percent else f"{tick:g}"
        parts.append(f'<line class="grid" x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
    for tick in x_ticks:
        x = place(tick, y_ticks[0])[0]
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{tick:g}</text>')
    parts.append(f'<text x="{WIDTH / 2}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x_label)}</text>')
    for number, points in enumerate(drawn.values()):
        path = " ".join("{:.1f},{:.1f}".format(*place(*point)) for point in points)
        parts.append(f'<polyline class="line line{number}" points="{path}"/>')
    parts.append("</svg>")
    legend = "".join(f'<span class="key key{number}">{escape(name)}</span>' for number, name in enumerate(drawn))
    return f'<figure class="chart">{"".join(parts)}<figcaption>{escape(title)} {legend}</figcaption></figure>'


def ticks(low: float, high: float) -> list[float]:
    """Give 4 to 11 round numbers that reach from at most `low` to at least `high`."""
    if high <= low:
        low, high = low - 0.5, low + 0.5
    rough = (high - low) / 4
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(power * factor for factor in (5, 2, 1) if power * factor <= rough)
    first, last = np.floor(low / step + 1e-9), np.ceil(high / step - 1e-9)
    return [float(np.round(index * step, 10)) for index in np.arange(first, last + 1)]
