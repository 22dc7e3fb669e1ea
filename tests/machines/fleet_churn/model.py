"""What a cluster should be after a row of operations, and what is wrong with one that is not; no I/O."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

MACHINES = ("coreos-1", "coreos-2", "coreos-3")
UNIT_VERBS = ("start", "start", "start", "stop", "unload", "destroy", "submit")  # as often as they stand here
FAULTS = ("reboot", "reset", "cut")
FAULT_SHARE = 0.12
HEAL_SHARE = 0.25  # of the operations while a machine is cut off
FOREVER = "ExecStart=/bin/sleep infinity"

Placed = frozenset[tuple[str, str]]  # (machine, unit)


@dataclass(frozen=True)
class Kind:
    """A unit as far as the model knows it: its file, and what its place depends on."""

    text: str
    is_global: bool = False
    leader: str = ""  # MachineOf: runs only where this unit is
    rival: str = ""  # Conflicts: never where this unit is


def _file(service: str = FOREVER, fleet: str = "") -> str:
    return f"[Service]\n{service}\n" + (f"\n[X-Fleet]\n{fleet}\n" if fleet else "")


UNITS: Mapping[str, Kind] = {
    **{f"churn-{number}.service": Kind(_file()) for number in range(1, 7)},
    "churn-slow.service": Kind(_file(f"{FOREVER}\nExecStop=/bin/sleep 0.5")),
    "churn-left.service": Kind(_file(fleet="Conflicts=churn-right.service"), rival="churn-right.service"),
    "churn-right.service": Kind(_file(), rival="churn-left.service"),
    "churn-lead.service": Kind(_file()),
    "churn-near.service": Kind(_file(fleet="MachineOf=churn-lead.service"), leader="churn-lead.service"),
    "churn-all.service": Kind(_file(fleet="Global=true"), is_global=True),
}


@dataclass(frozen=True)
class Operation:
    """`verb` on a unit or on a machine; `via` picks the machine whose fleetctl is used."""

    verb: str
    target: str
    via: int = 0

    def __str__(self) -> str:
        return f"{self.verb} {self.target}"


@dataclass(frozen=True)
class State:
    """What is wanted of each unit that there is, and the machine that is cut off, if one is."""

    desired: Mapping[str, str]
    cut: str = ""

    def after(self, operation: Operation) -> State:
        """The state that an operation leads to."""
        verb, target = operation.verb, operation.target
        if verb in FAULTS or verb == "heal":
            return replace(self, cut={"cut": target, "heal": ""}.get(verb, self.cut))
        desired = dict(self.desired)
        known = desired.get(target)
        if verb == "start":
            desired[target] = "launched"
        elif verb == "submit":
            desired.setdefault(target, "inactive")
        elif verb == "destroy":
            desired.pop(target, None)
        elif verb == "stop" and (known == "launched" or (known and UNITS[target].is_global)):
            desired[target] = "loaded"  # what is inactive is refused, but a global unit is never asked
        elif verb == "unload" and known is not None:
            desired[target] = "inactive"
        return replace(self, desired=desired)

    def runs(self, unit: str) -> bool:
        """Whether a whole cluster runs the unit."""
        return self.desired.get(unit) == "launched" and not self.waits(unit)

    def waits(self, unit: str) -> bool:
        """Whether the unit, though it is wanted, has no place: what it is to be beside is nowhere."""
        leader = UNITS[unit].leader
        led = not leader or self.desired.get(leader) in ("loaded", "launched")
        return self.desired.get(unit) == "launched" and not led


EMPTY = State({})


def operations(seed: int, count: int) -> list[Operation]:
    """Random operations, the same for the same seed; two machines are whole at any time, all in the end."""
    chance = random.Random(seed)
    state, made = EMPTY, list[Operation]()
    while len(made) < count:
        operation = _any(chance, state)
        if len(made) == count - 1 and state.cut:
            operation = Operation("heal", state.cut)
        elif len(made) == count - 1 and operation.verb == "cut":
            continue
        if operation.verb == "stop" and state.waits(operation.target):
            continue  # fleet refuses it, but only as soon as it has taken the unit from its machine
        made.append(operation)
        state = state.after(operation)
    return made


def _any(chance: random.Random, state: State) -> Operation:
    if state.cut and chance.random() < HEAL_SHARE:
        return Operation("heal", state.cut)
    if not state.cut and chance.random() < FAULT_SHARE:
        return Operation(chance.choice(FAULTS), chance.choice(MACHINES))
    return Operation(chance.choice(UNIT_VERBS), chance.choice(list(UNITS)), chance.randrange(6))


def doubles(running: Iterable[tuple[str, str]]) -> list[str]:
    """The units that run on several machines and are not global."""
    places: dict[str, set[str]] = {}
    for machine, unit in running:
        places.setdefault(unit, set()).add(machine)
    return [
        f"{unit} runs on {' and '.join(sorted(machines))}"
        for unit, machines in sorted(places.items())
        if len(machines) > 1 and not UNITS[unit].is_global
    ]


def complaints(
    state: State, desired: Mapping[str, str], running: Placed, listed: Placed, machines: Iterable[str]
) -> list[str]:
    """What differs from the model in a whole cluster at rest; nothing if all is as it should be.

    `running` is what systemd says on the machines, `listed` what fleet says of them.
    """
    found = doubles(running)
    for unit in sorted({*state.desired, *desired}):
        if desired.get(unit) != state.desired.get(unit):
            found.append(f"{unit} is to be {desired.get(unit)}, not {state.desired.get(unit)}")
    places = {unit: {machine for machine, each in running if each == unit} for unit in UNITS}
    for unit, kind in UNITS.items():
        wanted = state.runs(unit)
        if wanted and kind.is_global and places[unit] != set(machines):
            found.append(f"{unit} is global and runs on {sorted(places[unit])}")
        elif wanted and not places[unit]:
            found.append(f"{unit} does not run")
        elif not wanted and places[unit]:
            found.append(f"{unit} runs on {sorted(places[unit])}")
        apart = kind.leader and state.runs(kind.leader) and places[unit] != places[kind.leader]
        if wanted and apart:
            found.append(f"{unit} runs on {sorted(places[unit])}, {kind.leader} does not")
        if kind.rival and places[unit] & places[kind.rival]:
            found.append(f"{unit} runs beside {kind.rival}")
    if running != listed:
        found.append(f"systemd and fleet differ on {sorted(running ^ listed)}")
    return found
