"""The commands that only look: list-machines, list-units, list-unit-files, cat."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from fleet.ctl.client import Client
from fleet.ctl.failure import Failure, say, suggestion
from fleet.ctl.flags import Values
from fleet.ctl.table import table
from fleet.names import complete
from fleet.requirements import read
from fleet.unitfile import Option, UnitFile

Json = dict[str, Any]
Column = Callable[[Json], str]


def list_machines(client: Client, values: Values, arguments: list[str]) -> int:
    full = values.on("full")
    columns: dict[str, Column] = {
        "machine": lambda each: each["id"] if full else short(each["id"]),
        "ip": lambda each: each.get("primaryIP") or "-",
        "metadata": lambda each: (
            ",".join(f"{key}={value}" for key, value in sorted(each.get("metadata", {}).items())) or "-"
        ),
    }
    rows = sorted(client.machines().values(), key=lambda each: str(each["id"]))
    return _show(columns, rows, values)


def list_units(client: Client, values: Values, arguments: list[str]) -> int:
    full = values.on("full")
    chosen = _fields(values, ("unit", "load", "active", "sub", "machine", "hash"))
    machines = client.machines() if "machine" in chosen else {}
    columns: dict[str, Column] = {
        "unit": lambda each: each["name"],
        "load": lambda each: each.get("systemdLoadState") or "-",
        "active": lambda each: each.get("systemdActiveState") or "-",
        "sub": lambda each: each.get("systemdSubState") or "-",
        "machine": lambda each: place(each.get("machineID", ""), machines, full),
        "hash": lambda each: (each.get("hash", "") if full else each.get("hash", "")[:7]) or "-",
    }
    rows = sorted(client.states(), key=lambda each: (each["name"], each.get("machineID", "")))
    return _show(columns, rows, values)


def list_unit_files(client: Client, values: Values, arguments: list[str]) -> int:
    full = values.on("full")
    chosen = _fields(values, ("unit", "hash", "dstate", "state", "target", "desc", "global", "tmachine"))
    if "tmachine" in chosen:
        say('WARNING: The "tmachine" field is deprecated. Use "target" instead')
    machines = client.machines() if {"target", "tmachine"} & set(chosen) else {}

    def target(each: Json) -> str:
        return "global" if is_global(each) else place(each.get("machineID", ""), machines, full)

    columns: dict[str, Column] = {
        "unit": lambda each: each["name"],
        "hash": lambda each: unit_file(each).hash if full else unit_file(each).hash[:7],
        "dstate": lambda each: each.get("desiredState") or "-",
        "state": lambda each: "-" if is_global(each) else each.get("currentState") or "-",
        "target": target,
        "tmachine": target,
        "desc": lambda each: unit_file(each).description or "-",
        "global": lambda each: "true" if is_global(each) else "false",
    }
    return _show(columns, client.units(), values)


def cat(client: Client, values: Values, arguments: list[str]) -> int:
    if len(arguments) != 1:
        raise Failure("One unit file must be provided")
    name = complete(arguments[0])
    unit = client.unit(name)
    if unit is None:
        known = [str(each["name"]) for each in client.units()]
        raise Failure(f"Unit {name} not found" + suggestion(name, known))
    sys.stdout.write(unit_file(unit).text)
    return 0


def unit_file(unit: Json) -> UnitFile:
    """The content of a unit as the API gives it."""
    return UnitFile(
        Option(each["section"], each["name"], each.get("value", "")) for each in unit.get("options", [])
    )


def is_global(unit: Json) -> bool:
    return read(unit["name"], unit_file(unit)).is_global


def short(machine: str) -> str:
    return machine[:8] + "..."


def place(machine: str, machines: Mapping[str, Json], full: bool = False) -> str:
    """`a1b2c3d4.../10.1.0.101`; without the address if the machine is not there any more."""
    if not machine:
        return "-"
    text = machine if full else short(machine)
    address = machines.get(machine, {}).get("primaryIP", "")
    return f"{text}/{address}" if address else text


def _fields(values: Values, known: tuple[str, ...]) -> list[str]:
    chosen = [each for each in values.text("fields").split(",") if each]
    for each in chosen:
        if each not in known:
            raise Failure(f'Invalid key in output format: "{each}"')
    return chosen


def _show(columns: dict[str, Column], rows: list[Json], values: Values) -> int:
    chosen = _fields(values, tuple(columns))
    header = None if values.on("no-legend") else [each.upper() for each in chosen]
    sys.stdout.write(table(header, [[columns[each](row) for each in chosen] for row in rows]))
    return 0
