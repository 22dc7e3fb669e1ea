"""How machines' clocks stand to the host's: measured, with the error that the way there may have caused."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from lab.errors import MachineError
from lab.running import Lab

TRIES = 3


@dataclass(frozen=True)
class Offset:
    """Add `seconds` to a machine's wall clock to have the host's monotonic one; true to `error` seconds."""

    boot: str
    seconds: float
    error: float


def best(readings: Iterable[tuple[float, float, float]]) -> tuple[float, float]:
    """Offset and error of the shortest of (sent, told, received): `told` lies between the other two."""
    sent, told, received = min(readings, key=lambda reading: reading[2] - reading[0])
    return (sent + received) / 2 - told, (received - sent) / 2


def measure(lab: Lab, name: str) -> Offset:
    """A machine's offset just now. A container has the host's clock; a virtual machine is asked."""
    boot = lab[name].boot_id().replace("-", "")
    if lab.provider.name == "nspawn":
        return Offset(boot, *best((time.monotonic(), time.time(), time.monotonic()) for _ in range(TRIES)))
    readings = []
    for _ in range(TRIES):
        sent = time.monotonic()
        told = float(lab[name].output("date +%s.%N"))
        readings.append((sent, told, time.monotonic()))
    return Offset(boot, *best(readings))


def measure_all(lab: Lab) -> dict[str, Offset]:
    """The offsets of all machines that answer."""
    found = {}
    for name in lab.specs:
        try:
            found[name] = measure(lab, name)
        except MachineError:  # off, or lost: it has no say now
            continue
    return found
