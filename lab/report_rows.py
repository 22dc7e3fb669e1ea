"""What a report's table says: outages by stack and fault, medians over repetitions, and two runs compared."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lab.measurement import Measurement, Verdict
from lab.runs import Run

WORSE_MS = 250.0  # a change of less is a busy host's noise
WORSE_SHARE = 0.2
# What a cell is called, by the worst of its measurements
WORDS: Mapping[Verdict, str] = {
    "failed": "failed",
    "over": "over budget",
    "within": "within budget",
    "void": "void",
    "impossible": "not possible here",
}


@dataclass(frozen=True)
class Row:
    """One cell of the matrix, over all its repetitions; times in ms. Only sound ones count for figures."""

    stack: str
    fault: str  # and whom it hits
    count: int
    void: int  # so many of `count`
    median: float
    worst: float
    failed: int
    asked: int
    budget: float
    verdict: Verdict
    why: str
    measurements: Sequence[Measurement]

    @property
    def longest(self) -> Measurement:
        """The one with the worst outage; one without figures only where there is no other."""
        return max(self.sound or self.measurements, key=lambda measured: measured.outage_ms)

    @property
    def sound(self) -> list[Measurement]:
        """The measurements that the figures are made of."""
        return [measured for measured in self.measurements if measured.sound]


def rows(measurements: Iterable[Measurement], apart: bool | None = None) -> list[Row]:
    """The cells, stack by stack, in the order in which they were first measured.

    Where containers and virtual machines were measured, or `apart` says so, a cell of each kind, named by
    its provider.
    """
    every = list(measurements)
    several = _mixed(every) if apart is None else apart
    stacks: dict[str, dict[str, list[Measurement]]] = {}
    for measured in every:
        cell = f"{measured.cell} ({measured.provider})" if several else measured.cell
        stacks.setdefault(measured.stack, {}).setdefault(cell, []).append(measured)
    return [
        _row(stack, fault, of_cell) for stack, cells in stacks.items() for fault, of_cell in cells.items()
    ]


def _row(stack: str, fault: str, of_cell: Sequence[Measurement]) -> Row:
    sound = [measured for measured in of_cell if measured.sound]
    times = [measured.outage_ms for measured in sound]
    verdicts = {measured.verdict for measured in of_cell}
    # what was void has been measured anew: a cell is void only if it has never been measured soundly
    verdict = next(verdict for verdict in WORDS if verdict in verdicts)
    return Row(
        stack=stack,
        fault=fault,
        count=len(of_cell),
        void=sum(measured.verdict == "void" for measured in of_cell),
        median=statistics.median(times) if times else 0.0,
        worst=max(times, default=0.0),
        failed=sum(measured.failed for measured in sound),
        asked=sum(len(measured.samples) for measured in sound),
        budget=of_cell[-1].budget.ms,
        verdict=verdict,
        why=next((measured.why for measured in of_cell if measured.verdict == verdict), ""),
        measurements=of_cell,
    )


@dataclass(frozen=True)
class Change:
    """A cell in two runs; a side that has no such cell is None."""

    stack: str
    fault: str
    before: Row | None
    after: Row | None
    word: str

    @property
    def medians(self) -> tuple[float | None, float | None]:
        """Both sides' outages in ms; None where there is no cell, or no figure of it."""
        before, after = (row.median if row and row.sound else None for row in (self.before, self.after))
        return before, after


def compare(before: Run, after: Run) -> list[Change]:
    """Every cell of either run, with a word on what became of it."""
    apart = _mixed([*before.measurements, *after.measurements])
    old = {(row.stack, row.fault): row for row in rows(before.measurements, apart)}
    new = {(row.stack, row.fault): row for row in rows(after.measurements, apart)}
    return [
        Change(*cell, old.get(cell), new.get(cell), _word(old.get(cell), new.get(cell)))
        for cell in [*old, *(cell for cell in new if cell not in old)]
    ]


def _mixed(measurements: Iterable[Measurement]) -> bool:
    """Whether both containers and virtual machines were measured."""
    return len({measured.provider for measured in measurements}) > 1


def _word(before: Row | None, after: Row | None) -> str:
    if before is None or after is None:
        return "new" if before is None else "gone"
    if before.verdict != after.verdict:
        return f"{WORDS[before.verdict]}, now {WORDS[after.verdict].removesuffix(' budget')}"
    if not (before.sound and after.sound):
        return WORDS[after.verdict]
    difference = after.median - before.median
    if abs(difference) < max(WORSE_MS, WORSE_SHARE * before.median):
        return "same"
    return "longer" if difference > 0 else "shorter"


def nights(kept: Iterable[Run]) -> dict[tuple[str, str], list[tuple[str, float, float]]]:
    """For each cell (run, median, maximum) of every run that has sound figures of it, in the runs' order.

    A cell is (stack, fault and whom it hits, with the provider): containers and virtual machines are two.
    """
    found: dict[tuple[str, str], list[tuple[str, float, float]]] = {}
    for run in kept:
        for row in rows(run.measurements, apart=True):
            if row.sound:
                found.setdefault((row.stack, row.fault), []).append((run.name, row.median, row.worst))
    return found
