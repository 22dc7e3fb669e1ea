"""A machine whose clock is wrong."""

from __future__ import annotations

import re
import time

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
        step = text.lstrip("+-")
        try:
            seconds(step)
        except ValueError as problem:
            raise UserError(f"{self.name}: {problem}") from None
        if not re.match(r"[+-]?\d", text):
            raise UserError(f"{self.name}: {text!r} is not a step such as +60s or -5m")
        return text

    def inject(self, lab: Lab, target: Target, amount: str) -> None:
        step = seconds(amount.lstrip("+-")) * (-1 if amount.startswith("-") else 1)
        for name in target.machines:
            lab[name].run(f'date -s "@$(( $(date +%s) + {step:.0f} ))"', sudo=True)

    def heal(self, lab: Lab, target: Target) -> None:
        for name in target.machines:
            lab[name].run(["date", "-s", f"@{time.time():.3f}"], sudo=True)
