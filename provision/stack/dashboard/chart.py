"""A series of points as a page with a line in SVG; no I/O."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT, MARGIN = 640, 240, 10

PAGE = """<!DOCTYPE html>
<html><head><meta charset="utf-8"><title>{title}</title></head>
<body><h1>{title}</h1>
<p>served by {host}, from {source}</p>
{body}
</body></html>
"""


@dataclass(frozen=True)
class Series:
    """Values in the order of time; None where there is none."""

    name: str
    values: tuple[float | None, ...]


def page(title: str, host: str, source: str, series: Sequence[Series]) -> str:
    """A page with a chart for each series."""
    parts = [_chart(each) for each in series] or ["<p>no points yet</p>"]
    return PAGE.format(
        title=html.escape(title), host=html.escape(host), source=html.escape(source), body="\n".join(parts)
    )


def _chart(series: Series) -> str:
    known = [value for value in series.values if value is not None]
    low, high = min(known, default=0.0), max(known, default=0.0)
    step = (WIDTH - 2 * MARGIN) / max(1, len(series.values) - 1)
    scale = (HEIGHT - 2 * MARGIN) / ((high - low) or 1)
    points = " ".join(
        f"{MARGIN + at * step:.1f},{HEIGHT - MARGIN - (value - low) * scale:.1f}"
        for at, value in enumerate(series.values)
        if value is not None
    )
    last = f"{known[-1]:g}" if known else "-"
    return (
        f'<h2>{html.escape(series.name)}: <span class="last">{last}</span>, '
        f'<span class="count">{len(known)}</span> points</h2>\n'
        f'<svg width="{WIDTH}" height="{HEIGHT}" role="img"><polyline fill="none" stroke="black" '
        f'points="{points}"/></svg>'
    )
