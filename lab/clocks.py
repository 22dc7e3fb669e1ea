"""How machines' clocks stand to the host's: measured, with the error that the way there may have caused."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lab.errors import MachineError
from lab.running import Lab

TRIES = 3
CUT = 0.01  # seconds to which a machine tells its monotonic clock
BOTH = 'read -r up _ </proc/uptime; echo "$(date +%s.%N) $up"'  # its wall clock and its monotonic one


@dataclass(frozen=True)
class Offset:
    """Add `seconds` to a machine's wall clock to have the host's monotonic one; true to `error` seconds.

    `uptime` does the same for the machine's monotonic clock, which nobody sets.
    """

    boot: str
    seconds: float
    error: float
    uptime: float = 0.0


@dataclass(frozen=True)
class Step:
    """A wall clock that was `seconds` ahead from one moment of the host's monotonic clock to another."""

    start: float
    end: float
    seconds: float


def best(readings: Iterable[tuple[float, tuple[float, float], float]]) -> tuple[float, float, float]:
    """Offsets (wall, monotonic) and error of the shortest of (sent, both clocks as told, received)."""
    sent, (wall, uptime), received = min(readings, key=lambda reading: reading[2] - reading[0])
    middle = (sent + received) / 2
    return middle - wall, middle - uptime, (received - sent) / 2


def unstepped(at: float, steps: Iterable[Step]) -> float:
    """When it was, if a wall clock said `at` (as the host's monotonic time) that may have been stepped then.

    A time that the clock has said twice is taken for one of its step.
    """
    for step in steps:
        if step.start + step.seconds <= at <= step.end + step.seconds:
            return at - step.seconds
    return at


def placed(uptime: float, offsets: Sequence[Offset], pauses: Iterable[float] = ()) -> float:
    """A machine's monotonic time as the host's. `offsets` are of one boot, as they were measured.

    The clock of a virtual machine stands still with it: after a pause (its beginning is a moment of the
    host's clock) the last offset holds, and until then the first. Between two pauses it is off by the second.
    """
    at = uptime + offsets[0].uptime
    return uptime + offsets[-1].uptime if any(at >= pause for pause in pauses) else at


def measure(lab: Lab, name: str) -> Offset:
    """A machine's offset just now. A container has the host's clock; a virtual machine is asked."""
    boot = lab[name].boot_id().replace("-", "")
    if lab.provider.name == "nspawn":
        now = time.monotonic
        seconds, _, error = best((now(), (time.time(), 0.0), now()) for _ in range(TRIES))
        return Offset(boot, seconds, error)
    readings = []
    for _ in range(TRIES):
        sent = time.monotonic()
        wall, uptime = map(float, lab[name].output(BOTH).split())
        readings.append((sent, (wall, uptime + CUT / 2), time.monotonic()))
    seconds, ahead, error = best(readings)
    return Offset(boot, seconds, error + CUT / 2, ahead)


def measure_all(lab: Lab) -> dict[str, Offset]:
    """The offsets of all machines that answer."""
    found = {}
    for name in lab.specs:
        try:
            found[name] = measure(lab, name)
        except MachineError:  # off, or lost: it has no say now
            continue
    return found
