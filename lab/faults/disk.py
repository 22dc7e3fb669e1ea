"""A machine whose disk is full: what writes must fail, and say so."""

from __future__ import annotations

from lab.faults.base import Kind
from lab.roles import Target
from lab.running import Lab

FILLER = "/var/lib/lab-fault-filler"


class DiskFull(Kind):
    """One file takes all that is free, root's reserve included."""

    name = "disk-full"
    summary = "fill machines' disks; healed by removing the filler"

    def available(self, lab: Lab) -> str:
        if lab.provider.name == "nspawn":
            return "a container has no disk of its own: filling its disk would fill the host's"
        return ""

    def inject(self, lab: Lab, target: Target, amount: str) -> None:
        free = "$(df --output=avail -B1 /var/lib | tail -n 1)"
        for name in target.machines:
            # space is taken without being written; what is left of a block group goes byte by byte
            lab[name].run(
                f"fallocate -l {free} {FILLER}; cat /dev/zero >>{FILLER} 2>/dev/null; true", sudo=True
            )

    def heal(self, lab: Lab, target: Target) -> None:
        for name in target.machines:
            lab[name].run(["rm", "-f", FILLER], sudo=True)
