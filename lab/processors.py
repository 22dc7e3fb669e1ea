"""How busy the host's processors are: what a measurement takes for the work itself depends on it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

STAT = Path("/proc/stat")


@dataclass(frozen=True)
class Ticks:
    """What all processors together have done since the host's boot, in the kernel's ticks (proc(5))."""

    busy: int
    stolen: int  # a virtual machine's: its own host has given that time to others
    total: int


@dataclass(frozen=True)
class Load:
    """Shares, from 0 to 1, of the time that all processors together had between two looks."""

    busy: float
    stolen: float

    def __str__(self) -> str:
        taken = f", {self.stolen:.0%} taken by its own host" if self.stolen >= 0.005 else ""
        return f"{self.busy:.0%} busy{taken}"


def read(text: str) -> Ticks:
    """The first line of /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal; and guests.

    What guests use is in user and nice already.
    """
    user, nice, system, idle, iowait, irq, softirq, steal = map(int, text.split("\n", 1)[0].split()[1:9])
    busy = user + nice + system + irq + softirq
    return Ticks(busy, steal, busy + steal + idle + iowait)


def look() -> Ticks:
    return read(STAT.read_text())


def between(first: Ticks, last: Ticks) -> Load:
    """What the processors did between two looks; nothing if no tick has passed."""
    total = max(1, last.total - first.total)
    return Load(max(0, last.busy - first.busy) / total, max(0, last.stolen - first.stolen) / total)
