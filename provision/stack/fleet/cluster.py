"""What fleet knows of the cluster: machines, units, where they are to run, what systemd says of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fleet.requirements import Requirements
from fleet.unitfile import UnitFile

INACTIVE = "inactive"
LOADED = "loaded"
LAUNCHED = "launched"
STATES = (INACTIVE, LOADED, LAUNCHED)


@dataclass(frozen=True)
class Machine:
    """A machine whose heart beats; `metadata` with the dynamic overrides already applied."""

    id: str
    ip: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class State:
    """What a machine's systemd says of a unit."""

    load: str
    active: str
    sub: str
    hash: str
    machine_id: str


@dataclass(frozen=True)
class Unit:
    """A unit of the registry: its content, what is wanted of it, where the engine has put it.

    `launcher` is the machine that claims to have launched it (the key job-state).
    """

    name: str
    file: UnitFile
    wanted: Requirements
    desired: str = INACTIVE
    target: str | None = None
    launcher: str | None = None


@dataclass(frozen=True)
class Cluster:
    """All of it at one moment."""

    machines: Mapping[str, Machine]
    units: Mapping[str, Unit]
    states: Mapping[str, Mapping[str, State]] = field(default_factory=dict)  # unit: machine: state

    def current(self, unit: Unit) -> str:
        """The unit's current state, which is nowhere stored: it follows from target, states and job-state."""
        if unit.target is None or unit.target not in self.states.get(unit.name, {}):
            return INACTIVE
        return LAUNCHED if unit.launcher == unit.target else LOADED
