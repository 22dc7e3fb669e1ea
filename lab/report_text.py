"""The report for a terminal: the table of stacks and faults, and what each outage went to."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from lab.measurement import Measurement
from lab.report_rows import WORDS, Change, Row, rows

BLOCKS = " ▁▂▃▄▅▆▇█"
CROWDED = 0.9  # of the processors' time, above which work waits for one: two labs use 0.8 of two


def table(measurements: Sequence[Measurement]) -> list[str]:
    """A line a cell: outage (median and maximum over repetitions), failed requests, budget, verdict.

    Below it, why cells are not within their budgets, and how was asked.
    """
    head = ("STACK", "FAULT", "RUNS", "OUTAGE", "MAX", "FAILED", "BUDGET", "VERDICT", "LONGEST PART")
    lines = [head]
    found = rows(measurements)
    for row in found:
        lines.append(
            (
                row.stack,
                row.fault,
                f"{row.count} ({row.void} void)" if row.void else str(row.count),
                *figures(row),
                ms(row.budget),
                WORDS[row.verdict].removesuffix(" budget"),
                longest_part(row),
            )
        )
    reasons = [f"{row.stack} {row.fault}: {row.why}" for row in found if row.why]
    return [*columns(lines), *reasons, *asked(measurements), *loaded(measurements)]


def figures(row: Row) -> tuple[str, str, str]:
    """Median and maximum of a cell's outages, and its failed requests; dashes where nothing was measured."""
    if not row.sound:
        return "-", "-", "-"
    return ms(row.median), ms(row.worst), f"{row.failed} of {row.asked}"


def asked(measurements: Sequence[Measurement]) -> list[str]:
    """How often each stack was asked, and for how long each request was waited for, where that is known."""
    ways: dict[str, list[str]] = {}
    for measured in measurements:
        way = ", ".join(f"{name} {value}" for name, value in request(measured).items())
        stacks = ways.setdefault(way, [])
        if measured.stack not in stacks:
            stacks.append(measured.stack)
    return [f"{', '.join(stacks)}: {way}" for way, stacks in ways.items() if way]


def loaded(measurements: Sequence[Measurement]) -> list[str]:
    """How busy the host was, where that is known: an allowance for the work itself has no other measure."""
    known = [(measured.load, measured) for measured in measurements if measured.load is not None]
    if not known:
        return []
    most, of = max(known, key=lambda one: one[0].busy + one[0].stolen)
    median = statistics.median(load.busy for load, _ in known)
    line = f"host's processors: {median:.0%} busy (median), at most {most} ({of.stack} {of.cell})"
    crowded = statistics.median(load.busy + load.stolen for load, _ in known) > CROWDED
    return [line + ("; an outage may be the host's" if crowded else "")]


def request(measured: Measurement) -> dict[str, str]:
    """How often was asked, and after how long an answer was given up; nothing if older code kept the run."""
    if not measured.interval:
        return {}
    return {
        "a request every": ms(measured.interval * 1000),
        "given up after": ms(measured.timeout * 1000),
    }


def comparison(changes: Sequence[Change]) -> list[str]:
    lines = [("STACK", "FAULT", "BEFORE", "NOW", "CHANGE")]
    for change in changes:
        before, after = ("-" if median is None else ms(median) for median in change.medians)
        lines.append((change.stack, change.fault, before, after, change.word))
    return columns(lines)


def longest_part(row: Row) -> str:
    """The phase that most of the worst outage went to."""
    part = max(row.longest.shares, key=lambda share: share.ms, default=None)
    return "-" if part is None else f"{part.name} {ms(part.ms)}"


def sparkline(measured: Measurement, width: int = 60) -> str:
    """The probe's answers as a line: × where requests failed, else how slow the answers were."""
    from lab.report_lanes import strip

    line = [" "] * width
    step = (measured.end - measured.start) / width or 1.0
    for cell in strip(measured.samples, measured.start, measured.end, width):
        height = min(len(BLOCKS) - 1, 1 + int(cell.worst / 30))
        line[min(width - 1, round((cell.start - measured.start) / step))] = (
            "×" if cell.failed else BLOCKS[height]
        )
    return "".join(line)


def columns(lines: Sequence[Sequence[str]]) -> list[str]:
    """Cells below one another."""
    widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]


def ms(value: float) -> str:
    """Milliseconds for a reader; long ones in seconds."""
    return f"{value:.0f} ms" if value < 10_000 else f"{value / 1000:.1f} s"
