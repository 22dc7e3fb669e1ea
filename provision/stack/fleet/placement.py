"""Which machine may take which unit, and which of the able ones gets it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

from fleet.requirements import Requirements, matches


class Place(Protocol):
    """The part of a machine that placement looks at."""

    @property
    def id(self) -> str: ...
    @property
    def metadata(self) -> Mapping[str, str]: ...


class Tenant(NamedTuple):
    """A unit on a machine, or one that would be."""

    name: str
    wanted: Requirements


class Company:
    """The units on a machine. The few that mind others are kept apart as well: only they stand in a way."""

    def __init__(self, tenants: Iterable[Tenant] = ()) -> None:
        self.all: dict[str, Requirements] = {}
        self.picky: dict[str, Requirements] = {}
        for each in tenants:
            self.add(each)

    def __len__(self) -> int:
        return len(self.all)

    def add(self, tenant: Tenant) -> None:
        self.all[tenant.name] = tenant.wanted
        if tenant.wanted.conflicts or tenant.wanted.replaces:
            self.picky[tenant.name] = tenant.wanted

    def remove(self, name: str) -> None:
        self.all.pop(name, None)
        self.picky.pop(name, None)


def obstacle(unit: Tenant, machine: Place, company: Company, *, peaceful: bool = False) -> str | None:
    """Why the machine cannot take the unit next to those that it has, or None if it can.

    `peaceful` leaves the others' Replaces out of it.
    """
    wanted = unit.wanted
    if wanted.machine_id and wanted.machine_id not in (machine.id, machine.id[:8]):
        return f"its ID is not {wanted.machine_id}"
    for key, values in wanted.metadata:
        if machine.metadata.get(key) not in values:
            return f"its metadata has no {' or '.join(f'{key}={value}' for value in sorted(values))}"
    for peer in wanted.peers:
        if peer == unit.name or peer not in company.all:
            return f"{peer} is not scheduled there"
    for name, theirs in (company.all if wanted.conflicts else company.picky).items():
        if name == unit.name:
            continue
        if _conflict(unit.name, wanted, name, theirs):
            return f"it conflicts with {name}"
        if not peaceful and _replaces(theirs, unit.name):
            return f"{name} replaces it there"
    return None


def displaced(unit: Tenant, company: Company) -> str | None:
    """The tenant that sends this one away by its Replaces; two that replace each other both stay."""
    for name, theirs in company.picky.items():
        if name != unit.name and _replaces(theirs, unit.name) and not _replaces(unit.wanted, name):
            return name
    return None


def compatible_globals(
    machine: Place, candidates: Iterable[Tenant], tenants: Iterable[Tenant]
) -> list[Tenant]:
    """The global units that fit beside the tenants: they give way to these, and to one another by name."""
    present = Company(tenants)
    chosen: list[Tenant] = []
    for each in sorted(candidates):
        if obstacle(each, machine, present) is None:
            present.add(each)
            chosen.append(each)
    return chosen


def _conflict(name: str, wanted: Requirements, other: str, theirs: Requirements) -> bool:
    return any(matches(pattern, other) for pattern in wanted.conflicts) or any(
        matches(pattern, name) for pattern in theirs.conflicts
    )


def _replaces(wanted: Requirements, name: str) -> bool:
    return any(matches(pattern, name) for pattern in wanted.replaces)
