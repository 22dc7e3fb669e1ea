"""Draws a measurement as SVG: lanes on one time axis, the probes' strips, the parts of an outage."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lab.breakdown import Share
from lab.markup import Markup, element, joined
from lab.measurement import Measurement
from lab.report_lanes import Cell, Lane, lanes, strip
from lab.samples import Outage, Sample

WIDTH, LEFT, RIGHT = 1180, 210, 16
ROW, GAP, STRIP, AXIS = 22, 16, 46, 26
CELLS = 480
SPAN = WIDTH - LEFT - RIGHT
STEPS = (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600)


class Scale:
    """Where a moment lies on the picture."""

    def __init__(self, start: float, end: float) -> None:
        self.start, self.end = start, max(end, start + 0.001)

    def x(self, at: float) -> float:
        inside = min(max(at, self.start), self.end)
        return LEFT + (inside - self.start) / (self.end - self.start) * SPAN


def timeline(measured: Measurement) -> Markup:
    """The whole picture: fault and outages as bands over everything, a row a lane, two strips below."""
    scale = Scale(measured.start, measured.end)
    body: list[Markup] = []
    y, group = AXIS + 8.0, ""
    for lane in lanes(measured):
        if lane.group != group:
            group = lane.group
            y += GAP
            body.append(element("text", group, class_="group", x=8, y=y + 2))
            y += 6
        body.append(_lane(lane, scale, y))
        y += ROW
    for title, samples in (("new connections", measured.samples), ("kept connection", measured.kept_samples)):
        y += GAP
        body.append(_strip(title, samples, scale, y))
        y += STRIP
    y += 6
    return element(
        "svg",
        _bands(measured, scale, y),
        _axis(measured, scale, y),
        joined(body),
        _labels(measured.outages, scale),
        class_="timeline",
        viewBox=f"0 0 {WIDTH} {y + 4:.0f}",
        role="img",
        aria_label=f"timeline of {measured.name}",
    )


def parts(shares: Sequence[Share]) -> Markup:
    """The parts of an outage side by side, each as long as it took."""
    total = sum(share.ms for share in shares)
    x, drawn = 0.0, []
    for number, share in enumerate(shares):
        width = share.ms / total * WIDTH if total else 0.0
        text = f"{share.name}: {share.ms:.0f} ms"
        if share.bound_ms is not None:
            text += f", at most {share.bound_ms:.0f} ms by {share.source}"
        title = element("title", text)
        if width > 0.2:
            drawn.append(element("rect", title, class_=f"part p{number}", x=x, y=0, width=width, height=34))
        if width > 8 * len(share.name) + 8:
            drawn.append(element("text", share.name, class_="inside", x=x + 6, y=15))
            drawn.append(element("text", f"{share.ms:.0f} ms", class_="inside small", x=x + 6, y=28))
        x += width
    box = f"0 0 {WIDTH} 34"
    return element(
        "svg", joined(drawn), class_="parts", viewBox=box, role="img", aria_label="parts of the outage"
    )


def nights(rows: Sequence[tuple[str, float, float]], budget: float) -> Markup:
    """An outage over runs: (run, median ms, maximum ms), with the budget as a line."""
    height, top = 150, max([budget, *(worst for _, _, worst in rows)]) * 1.1 or 1.0
    step = SPAN / max(len(rows), 1)

    def y(ms: float) -> float:
        return 10 + (1 - ms / top) * (height - 34)

    def tick(text: str, at: float) -> Markup:
        return element("text", text, class_="tick", x=LEFT - 8, y=at + 4, text_anchor="end")

    drawn = [
        element("line", class_="budget", x1=LEFT, x2=WIDTH - RIGHT, y1=y(budget), y2=y(budget)),
        element("line", class_="lane", x1=LEFT, x2=WIDTH - RIGHT, y1=y(0), y2=y(0)),
        tick(f"budget {budget:.0f} ms", y(budget)),
        tick("0", y(0)),
    ]
    for number, (name, median, worst) in enumerate(rows):
        x = LEFT + step * (number + 0.5)
        title = element("title", f"{name}: median {median:.0f} ms, maximum {worst:.0f} ms")
        drawn.append(element("line", title, class_="range", x1=x, x2=x, y1=y(median), y2=y(worst) - 1))
        drawn.append(element("circle", title, class_="median", cx=x, cy=y(median), r=4))
        if len(rows) <= 8 or number in (0, len(rows) - 1):
            drawn.append(element("text", name[:16], class_="tick", x=x, y=height - 6, text_anchor="middle"))
    return element("svg", joined(drawn), class_="nights", viewBox=f"0 0 {WIDTH} {height}", role="img")


def _lane(lane: Lane, scale: Scale, y: float) -> Markup:
    name = lane.name if len(lane.name) <= 26 else "…" + lane.name[-25:]
    full = element("title", lane.name)
    drawn = [
        element("text", name, full, class_="name", x=LEFT - 10, y=y + 14, text_anchor="end"),
        element("line", class_="lane", x1=LEFT, x2=WIDTH - RIGHT, y1=y + 10, y2=y + 10),
    ]
    for bar in lane.bars:
        x, width = scale.x(bar.start), max(scale.x(bar.end) - scale.x(bar.start), 1.0)
        title = element("title", f"{bar.text}, {bar.end - bar.start:.2f} s")
        drawn.append(
            element("rect", title, class_=f"bar {bar.style}", x=x, y=y + 4, width=width, height=12, rx=2)
        )
    for mark in lane.marks:
        x = scale.x(mark.at)
        title = element("title", f"{mark.text}, {mark.at - scale.start:.3f} s after the start")
        if mark.style == "tick":
            drawn.append(element("line", title, class_="refresh", x1=x, x2=x, y1=y + 4, y2=y + 16))
        else:
            diamond = f"M{x:.1f} {y + 3:.1f}l5 7l-5 7l-5-7z"
            drawn.append(element("path", title, class_=f"mark {mark.style}", d=diamond))
    return joined(drawn)


def _strip(title: str, samples: Sequence[Sample], scale: Scale, y: float) -> Markup:
    """A column a slice: its height is the slowest answer (logarithmic, 1 ms to 1 s), red is what failed."""
    drawn = [
        element("text", title, class_="name", x=LEFT - 10, y=y + 20, text_anchor="end"),
        element("text", "1 ms to 1 s", class_="tick", x=LEFT - 10, y=y + 34, text_anchor="end"),
        element("rect", class_="strip", x=LEFT, y=y, width=SPAN, height=STRIP),
    ]
    cells = strip(samples, scale.start, scale.end, CELLS)
    drawn += [_column(cell, scale, y) for cell in cells]
    return joined(drawn)


def _column(cell: Cell, scale: Scale, y: float) -> Markup:
    slowest = min(max(math.log10(max(cell.worst, 1)) / 3, 0.06), 1) * STRIP
    bad = STRIP * cell.failed / cell.asked
    good = 0.0 if cell.failed == cell.asked else min(slowest, STRIP - bad) if bad else slowest
    how = f" ({cell.kinds})" if cell.kinds else ""
    text = f"{cell.asked} requests, {cell.failed} failed{how}, slowest {cell.worst:.0f} ms"
    x, width, title = scale.x(cell.start), SPAN / CELLS + 0.3, element("title", text)
    drawn = []
    if bad:
        drawn.append(element("rect", title, class_="failed", x=x, width=width, y=y, height=bad))
    if good:
        top = y + STRIP - good
        drawn.append(element("rect", title, class_="answered", x=x, width=width, y=top, height=good))
    return joined(drawn)


def _bands(measured: Measurement, scale: Scale, bottom: float) -> Markup:
    def band(style: str, start: float, end: float, text: str) -> Markup:
        x, width, height = scale.x(start), max(scale.x(end) - scale.x(start), 1.0), bottom - AXIS
        title = element("title", text)
        return element("rect", title, class_=style, x=x, y=AXIS, width=width, height=height)

    what = f"{measured.fault} of {measured.target}"
    drawn = [band("band", measured.at, measured.healed, what)]
    drawn += [
        band("outage", gap.start, gap.end, f"no answer for {gap.ms:.0f} ms") for gap in measured.outages
    ]
    x = scale.x(measured.at)
    drawn.append(element("line", class_="edge", x1=x, x2=x, y1=AXIS - 4, y2=bottom))
    return joined(drawn)


def _labels(outages: Sequence[Outage], scale: Scale) -> Markup:
    """The longest outages' times, each where there is room for it."""
    drawn, taken = [], list[tuple[float, float]]()
    for gap in sorted(outages, key=lambda gap: gap.ms, reverse=True):
        text, middle = f"{gap.ms:.0f} ms", (scale.x(gap.start) + scale.x(gap.end)) / 2
        half = 4.2 * len(text)
        left, right = middle - half, middle + half
        if any(left < end and start < right for start, end in taken):
            continue
        taken.append((left, right))
        drawn.append(element("text", text, class_="gap", x=middle, y=AXIS + 14, text_anchor="middle"))
    return joined(drawn)


def _axis(measured: Measurement, scale: Scale, bottom: float) -> Markup:
    """Seconds from the fault on."""
    length = scale.end - scale.start
    step = next((step for step in STEPS if length / step <= 14), 3600)
    drawn = []
    tick = math.ceil((scale.start - measured.at) / step) * step
    while measured.at + tick <= scale.end:
        x = scale.x(measured.at + tick)
        label = "fault" if tick == 0 else f"{tick:+g} s"
        drawn.append(element("line", class_="grid", x1=x, x2=x, y1=AXIS, y2=bottom))
        drawn.append(element("text", label, class_="tick", x=x, y=AXIS - 10, text_anchor="middle"))
        tick += step
    return joined(drawn)
