"""Containers that die at once, and containers that hang: their ports stay open and nobody answers."""

from __future__ import annotations

import shlex

from lab.errors import MachineError
from lab.etcd import moment
from lab.faults.base import Kind
from lab.faults.units import REVIVED_WITHIN_EMULATED, revive
from lab.node import Node
from lab.roles import Target
from lab.running import Lab
from lab.waiting import eventually

SUPERVISED = 3.0  # seconds in which whoever keeps a container has started it again: runit waits for one
STARTED_WITHIN = REVIVED_WITHIN_EMULATED


class ContainerKilled(Kind):
    """Target `apache.service`: the container of that name, on the machine where fleet runs it.

    Its unit, or what else keeps it, decides what follows; one that nobody starts is started by the healing.
    """

    name = "container-killed"
    summary = "kill a container; healed by starting it, unless its supervisor has"
    needs_what = True

    def inject(self, lab: Lab, target: Target, amount: str) -> None:
        for name in target.machines:
            lab[name].run(["docker", "kill", target.what])

    def heal(self, lab: Lab, target: Target) -> None:
        revive(lab, target)
        for name in target.machines:
            if not _stays_dead(lab[name], target.what):
                continue
            revive(lab, target)  # its unit may have heard of it only now
            if _stays_dead(lab[name], target.what):
                lab[name].run(["docker", "start", target.what], timeout=STARTED_WITHIN)


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
            state, _ = _state(lab[name], target.what)
            if state == "paused":
                lab[name].run(["docker", "unpause", target.what])


def _state(node: Node, container: str) -> tuple[str, float]:
    """Docker's word for a container ("exited", "paused"; "" if there is none), and seconds since its end.

    Raises MachineError if Docker does not answer: nobody knows then whether anything has to be healed.
    """
    form = shlex.quote("--format={{.State.Status}} {{.State.FinishedAt}}")
    asked = node.run(f"date +%s.%N; docker inspect {form} {shlex.quote(container)}", check=False)
    words = asked.stdout.split()
    if asked.ok and len(words) == 3:
        now, state, finished = words
        return state, float(now) - moment(finished)
    if "no such" in asked.stderr.lower():
        return "", 0.0
    raise MachineError(f"{node.name}: docker inspect {container}: {asked.stderr.strip() or 'no answer'}")


def _stays_dead(node: Node, container: str) -> bool:
    """Whether nobody has started a container again in the time in which its supervisor would have."""

    def settled() -> str:
        state, since = _state(node, container)
        if not state:
            return "removed"  # by its unit, which has made none of this name
        return state if state != "exited" or since > SUPERVISED else ""

    return eventually(settled, 2 * SUPERVISED, f"{container} on {node.name} is started, or left") == "exited"
