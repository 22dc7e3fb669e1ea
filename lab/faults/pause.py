"""A machine that stands still and does not know it: alive to its switch, dead to everybody else."""

from __future__ import annotations

from lab.faults.base import Kind
from lab.faults.clock import put_right
from lab.roles import Target
from lab.running import Lab


class Pause(Kind):
    """Every process stops where it is; a container's clock runs on, and a virtual machine's is put right."""

    name = "pause"
    summary = "stop machines where they stand; healed by letting them go on"

    def inject(self, lab: Lab, target: Target, amount: str) -> None:
        for name in target.machines:
            lab.pause(name)

    def heal(self, lab: Lab, target: Target) -> None:
        for name in target.machines:
            lab.resume(name)
            lab[name].disconnect()  # a connection that slept may have been given up by one side only
            if lab.provider.name != "nspawn":
                put_right(lab, name)  # it would be late from now on, by all its pauses: TTLs would end early
