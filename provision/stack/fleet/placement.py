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


def obstacle(unit: Tenant, machine: Place, tenants: Iterable[Tenant]) -> str | None:
    """Why the machine cannot take the unit next to the tenants that it has, or None if it can."""
    wanted = unit.wanted
    if wanted.machine_id and wanted.machine_id not in (machine.id, machine.id[:8]):
        return f"its ID is not {wanted.machine_id}"
    for key, values in wanted.metadata:
        if machine.metadata.get(key) not in values:
            return f"its metadata has no {' or '.join(f'{key}={value}' for value in sorted(values))}"
    others = {each.name: each.wanted for each in tenants if each.name != unit.name}
    for peer in wanted.peers:
        if peer not in others:
            return f"{peer} is not scheduled there"
    for name, theirs in others.items():
        if _conflict(unit.name, wanted, name, theirs):
            return f"it conflicts with {name}"
        if _replaces(theirs, unit.name):
            return f"{name} replaces it there"
    return None


def displaced(unit: Tenant, tenants: Iterable[Tenant]) -> str | None:
    """The tenant that sends this one away by its Replaces; two that replace each other both stay."""
    for each in tenants:
        if (
            each.name != unit.name
            and _replaces(each.wanted, unit.name)
            and not _replaces(unit.wanted, each.name)
        ):
            return each.name
    return None


def compatible_globals(
    machine: Place, candidates: Iterable[Tenant], tenants: Iterable[Tenant]
) -> list[Tenant]:
    """The global units that fit beside the tenants: they give way to these, and to one another by name."""
    present = list(tenants)
    chosen: list[Tenant] = []
    for each in sorted(candidates):
        if obstacle(each, machine, present) is None:
            present.append(each)
            chosen.append(each)
    return chosen


def _conflict(name: str, wanted: Requirements, other: str, theirs: Requirements) -> bool:
    return any(matches(pattern, other) for pattern in wanted.conflicts) or any(
        matches(pattern, name) for pattern in theirs.conflicts
    )


def _replaces(wanted: Requirements, name: str) -> bool:
    return any(matches(pattern, name) for pattern in wanted.replaces)
