"""Starts the units of fleet that died of a fault: without Restart=, nobody else does."""

from __future__ import annotations

from lab.errors import MachineError
from lab.node import Node
from lab.roles import Target
from lab.running import Lab
from lab.waiting import eventually

DEAD = ("failed", "inactive")
REVIVED_WITHIN = 60.0  # seconds; on an emulated machine a unit takes ten to start its container
REVIVED_WITHIN_EMULATED = 300.0


def revive(lab: Lab, target: Target) -> None:
    """Start what fleet has launched on those machines and is dead, until all of it runs.

    Raises MachineError if a unit does not stay up. systemd is asked, as fleet hears of a death later, and
    more than once: what is bound to a dead unit may still be stopping.
    """
    if not lab.topology.fleet.enabled:
        return
    within = REVIVED_WITHIN_EMULATED if lab.provider.emulated else REVIVED_WITHIN
    listed = lab.fleet.ctl("list-unit-files", "--no-legend", "--fields=unit,dstate").stdout
    launched = {row.split()[0] for row in listed.splitlines() if row.split()[1] == "launched"}
    units = lab.fleet.units()
    for name in target.machines:
        address = str(lab.specs[name].machine.private)
        here = sorted(unit for unit in launched if unit in units and units[unit].machine == address)
        if here:
            eventually(
                lambda node=lab[name], here=here: _all_run(node, here),  # type: ignore[misc]
                within,
                f"{name} runs {', '.join(here)} again",
                every=0.3,
                ignoring=(MachineError,),
            )


def _all_run(node: Node, units: list[str]) -> bool:
    """Whether all are active; starts those that are dead, in one call, so that systemd keeps their order."""
    states = node.run(["systemctl", "is-active", *units], check=False).stdout.split()
    if len(states) != len(units):  # systemd was too busy to tell of all
        return False
    dead = [unit for unit, state in zip(units, states, strict=True) if state in DEAD]
    if dead:
        node.run(["systemctl", "start", *dead], sudo=True, timeout=REVIVED_WITHIN_EMULATED)
        return False
    return all(state == "active" for state in states)
