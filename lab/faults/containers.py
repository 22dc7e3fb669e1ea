"""Containers that die at once, and containers that hang: their ports stay open and nobody answers."""

from __future__ import annotations

from lab.faults.base import Kind
from lab.faults.units import revive
from lab.roles import Target
from lab.running import Lab


class ContainerKilled(Kind):
    """Target `apache.service`: the container of that name, on the machine where fleet runs it."""

    name = "container-killed"
    summary = "kill a container; its unit decides what follows"
    needs_what = True

    def inject(self, lab: Lab, target: Target, amount: str) -> None:
        for name in target.machines:
            lab[name].run(["docker", "kill", target.what])

    def heal(self, lab: Lab, target: Target) -> None:
        revive(lab, target)


class ContainerPaused(Kind):
    """The kernel still accepts connections for it, so that only a time-out tells."""

    name = "container-paused"
    summary = "stop a container's processes where they stand; healed by letting them go on"
    needs_what = True

    def inject(self, lab: Lab, target: Target, amount: str) -> None:
        for name in target.machines:
            lab[name].run(["docker", "pause", target.what])

    def heal(self, lab: Lab, target: Target) -> None:
        for name in target.machines:
            node = lab[name]
            asked = ["docker", "inspect", "--format={{.State.Paused}}", target.what]
            if node.run(asked, check=False).stdout.strip() == "true":
                node.run(["docker", "unpause", target.what])
