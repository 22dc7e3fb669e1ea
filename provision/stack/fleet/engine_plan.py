"""The engine's plan: from the state of the cluster to the moves that make it what it should be."""

from __future__ import annotations

from dataclasses import dataclass

from fleet.cluster import INACTIVE, Cluster, Machine, Unit
from fleet.placement import Company, Tenant, compatible_globals, displaced, obstacle


@dataclass(frozen=True)
class Move:
    """A unit's target changes from `old` to `new` (None: nowhere).

    Moves of wave n+1 rely on those of wave n (MachineOf) and may be written only after them.
    """

    unit: str
    old: str | None
    new: str | None
    reason: str
    wave: int = 0


def plan(cluster: Cluster) -> list[Move]:
    """The moves for this cluster, none if all is as it should be; those of a lower wave first."""
    return _Plan(cluster).moves()


class _Plan:
    def __init__(self, cluster: Cluster) -> None:
        self.machines: dict[str, Machine] = dict(cluster.machines)
        self.units: dict[str, Unit] = {
            name: unit for name, unit in sorted(cluster.units.items()) if not unit.wanted.is_global
        }
        self.globals = [
            Tenant(unit.name, unit.wanted)
            for unit in cluster.units.values()
            if unit.wanted.is_global and unit.desired != INACTIVE
        ]
        self.before = {name: unit.target for name, unit in self.units.items()}
        self.companies = {each: Company() for each in self.machines}
        for name, unit in self.units.items():
            if unit.target in self.companies:
                self.companies[unit.target].add(Tenant(name, unit.wanted))
        self.after = dict(self.before)
        self.reasons: dict[str, str] = {}

    def moves(self) -> list[Move]:
        self._unschedule()
        for each in self.machines.values():
            self._add_globals(each)
        waves = self._schedule()
        found = [
            Move(name, self.before[name], after, self.reasons.get(name, "placed"), waves.get(name, 0))
            for name, after in self.after.items()
            if after != self.before[name]
        ]
        return sorted(found, key=lambda move: (move.wave, move.unit))

    def _add_globals(self, machine: Machine) -> None:
        company = self.companies[machine.id]
        tenants = [Tenant(name, wanted) for name, wanted in company.all.items()]
        for each in compatible_globals(machine, self.globals, tenants):
            company.add(each)

    def _unschedule(self) -> None:
        """Take away what may not stay; what relied on it follows in the next round."""
        changed = True
        while changed:
            changed = False
            for name, unit in self.units.items():
                target = self.after[name]
                reason = self._objection(unit, target) if target is not None else None
                if reason:
                    if target in self.companies:
                        self.companies[target].remove(name)
                    self.after[name] = None
                    self.reasons[name] = reason
                    changed = True

    def _objection(self, unit: Unit, target: str) -> str | None:
        if unit.desired == INACTIVE:
            return "target state inactive"
        machine = self.machines.get(target)
        if machine is None:
            return f"target Machine({target}) went away"
        me = Tenant(unit.name, unit.wanted)
        company = self.companies[target]
        replacer = displaced(me, company)
        if replacer:
            return f"replaced by {replacer}"
        # From here on Replaces is out of the question: two that replace each other stay where they are.
        reason = obstacle(me, machine, company, peaceful=True)
        return f"target Machine({target}) not able to run it: {reason}" if reason else None

    def _schedule(self) -> dict[str, int]:
        """Place what is wanted and nowhere, until nothing more fits; the wave of each unit placed."""
        pending = [
            unit for name, unit in self.units.items() if self.after[name] is None and unit.desired != INACTIVE
        ]
        waves: dict[str, int] = {}
        placed = True
        while placed:
            placed = False
            for unit in list(pending):
                target = self._pick(Tenant(unit.name, unit.wanted))
                if target:
                    self.after[unit.name] = target
                    self.companies[target].add(Tenant(unit.name, unit.wanted))
                    waves[unit.name] = 1 + max(
                        (waves.get(peer, -1) for peer in unit.wanted.peers), default=-1
                    )
                    pending.remove(unit)
                    placed = True
        return waves

    def _pick(self, unit: Tenant) -> str | None:
        def burden(machine: str) -> tuple[int, str]:
            return len(self.companies[machine]), machine

        for machine in sorted(self.machines, key=burden):
            if obstacle(unit, self.machines[machine], self.companies[machine]) is None:
                return machine
        return None
