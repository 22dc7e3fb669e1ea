"""A machine whose clock is wrong."""

from __future__ import annotations

import re
import time

from lab import clocks
from lab.errors import UserError
from lab.faults.base import Kind
from lab.roles import Target
from lab.running import Lab
from lab.waiting import seconds


class ClockStep(Kind):
    """The wall clock jumps; the monotonic one, which timers use, does not."""

    name = "clock-step"
    summary = "set machines' clocks forward or back; healed by the host's time"
    amount = "+60s"

    def available(self, lab: Lab) -> str:
        if lab.provider.name == "nspawn":
            return "a container has the host's clock"
        return ""

    def check(self, lab: Lab, target: Target, amount: str) -> str:
        text = amount or self.amount
        try:
            ahead(text)
        except ValueError as problem:
            raise UserError(f"{self.name}: {problem}") from None
        return text

    def inject(self, lab: Lab, target: Target, amount: str) -> None:
        for name in target.machines:
            _set(lab, name, ahead(amount))

    def heal(self, lab: Lab, target: Target) -> None:
        for name in target.machines:
            put_right(lab, name)


def put_right(lab: Lab, name: str) -> None:
    """Set a virtual machine's clock by the host's, to the error of one look at it."""
    # by how much it is off, and not what time it is: that would be late by the way there
    _set(lab, name, clocks.measure(lab, name).seconds + time.time() - time.monotonic())


def ahead(amount: str) -> float:
    """Seconds by which a step (+60s, -5m, 500ms) sets a clock forward. Raises ValueError if it is none."""
    if not re.match(r"[+-]?\d", amount):
        raise ValueError(f"{amount!r} is not a step such as +60s or -5m")
    return seconds(amount.lstrip("+-")) * (-1 if amount.startswith("-") else 1)


def _set(lab: Lab, name: str, by: float) -> None:
    lab[name].run(["date", f"--set={by:+.3f} seconds"], sudo=True)
