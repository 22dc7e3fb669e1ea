"""What one machine's agent is to have: its units, their content, and how far each is to be brought."""

from __future__ import annotations

from dataclasses import dataclass

from fleet.cluster import INACTIVE, Cluster, Machine, Unit
from fleet.placement import Tenant, compatible_globals


@dataclass(frozen=True)
class Assignment:
    """A unit that this machine is to hold, loaded or launched."""

    unit: Unit
    desired: str


def assignments(cluster: Cluster, me: Machine) -> dict[str, Assignment]:
    """This machine's units: those that the engine has put here, and the global ones that fit beside them."""
    mine = {
        name: unit
        for name, unit in cluster.units.items()
        if unit.target == me.id and not unit.wanted.is_global and unit.desired != INACTIVE
    }
    candidates = {
        name: unit
        for name, unit in cluster.units.items()
        if unit.wanted.is_global and unit.desired != INACTIVE
    }
    fitting = compatible_globals(
        me,
        (Tenant(unit.name, unit.wanted) for unit in candidates.values()),
        (Tenant(unit.name, unit.wanted) for unit in mine.values()),
    )
    chosen = [*mine.values(), *(candidates[each.name] for each in fitting)]
    return {unit.name: Assignment(unit, unit.desired) for unit in chosen}


def may_launch(unit: Unit, cluster: Cluster, me: str) -> bool:
    """Whether no other living machine claims to run the unit: a copy starts after the other has stopped."""
    return unit.launcher is None or unit.launcher == me or unit.launcher not in cluster.machines
