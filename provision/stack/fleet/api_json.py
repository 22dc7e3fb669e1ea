"""The cluster as the API's JSON; like the original's, a field without a value is left out."""

from __future__ import annotations

from typing import Any

from fleet.cluster import Cluster

DISCOVERY: dict[str, Any] = {
    "kind": "discovery#restDescription",
    "discoveryVersion": "v1",
    "id": "fleet:v1",
    "name": "schema",
    "version": "v1",
    "title": "fleet API",
    "protocol": "rest",
    "basePath": "/fleet/v1/",
    "resources": {
        "Machines": {
            "methods": {
                "List": {"httpMethod": "GET", "path": "machines"},
                "Patch": {"httpMethod": "PATCH", "path": "machines"},
            }
        },
        "UnitState": {
            "methods": {
                "List": {"httpMethod": "GET", "path": "state"},
                "Get": {"httpMethod": "GET", "path": "state/{unitName}"},
            }
        },
        "Units": {
            "methods": {
                "List": {"httpMethod": "GET", "path": "units"},
                "Get": {"httpMethod": "GET", "path": "units/{unitName}"},
                "Set": {"httpMethod": "PUT", "path": "units/{unitName}"},
                "Delete": {"httpMethod": "DELETE", "path": "units/{unitName}"},
            }
        },
    },
}


def units(cluster: Cluster) -> list[dict[str, Any]]:
    return [_filled(unit(cluster, name) or {}) for name in sorted(cluster.units)]


def unit(cluster: Cluster, name: str) -> dict[str, Any] | None:
    found = cluster.units.get(name)
    if found is None:
        return None
    options = [
        {"section": each.section, "name": each.name, "value": each.value} for each in found.file.options
    ]
    return _filled(
        {
            "name": name,
            "desiredState": found.desired,
            # A global unit has no one machine, and so no current state.
            "currentState": "" if found.wanted.is_global else cluster.current(found),
            "machineID": found.target or "",
            "options": options,
        }
    )


def machines(cluster: Cluster) -> list[dict[str, Any]]:
    return [
        _filled({"id": each.id, "primaryIP": each.ip, "metadata": dict(each.metadata)})
        for _, each in sorted(cluster.machines.items())
    ]


def states(cluster: Cluster, machine: str, name: str) -> list[dict[str, Any]]:
    """The states of known units, of one machine and one unit if these are given."""
    return [
        _filled(
            {
                "name": unit_name,
                "machineID": each.machine_id,
                "hash": each.hash,
                "systemdActiveState": each.active,
                "systemdLoadState": each.load,
                "systemdSubState": each.sub,
            }
        )
        for unit_name, by_machine in sorted(cluster.states.items())
        if name in ("", unit_name)
        for _, each in sorted(by_machine.items())
        # What a machine said that is gone by now (its states outlive its key) is no state of the unit.
        if machine in ("", each.machine_id) and each.machine_id in cluster.machines
    ]


def metrics(cluster: Cluster) -> str:
    """A few counts in the text format of Prometheus."""
    wanted: dict[str, int] = {}
    for each in cluster.units.values():
        wanted[each.desired] = wanted.get(each.desired, 0) + 1
    lines = ["# TYPE fleet_machines gauge", f"fleet_machines {len(cluster.machines)}"]
    lines.append("# TYPE fleet_units gauge")
    lines += [f'fleet_units{{desired="{state}"}} {count}' for state, count in sorted(wanted.items())]
    return "\n".join(lines) + "\n"


def _filled(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if value not in ("", [], {}, None)}
