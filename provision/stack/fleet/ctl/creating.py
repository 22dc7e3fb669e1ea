"""Getting units into the registry: from it, from a file, or from a template."""

# ruff: noqa: PTH113, PTH118, PTH120, PTH123, PTH208
# (pathlib alone would be a fifth of fleetctl's start)

from __future__ import annotations

import os
from typing import Any

from fleet.ctl.client import Client
from fleet.ctl.failure import ApiError, Failure, say, suggestion
from fleet.ctl.listing import unit_file
from fleet.names import complete, problem, split
from fleet.requirements import contradiction, read, unknown_options
from fleet.unitfile import UnitFile, UnitFileError, parse

_RANK = {"inactive": 0, "loaded": 1, "launched": 2}


def ensure(client: Client, arguments: list[str], verb: str, replace: bool) -> tuple[list[str], list[str]]:
    """Create the units that are not there yet; all names and those of the created ones. Raises Failure."""
    paths = {complete(argument): argument for argument in arguments}
    existing = client.some(list(paths))
    created: list[str] = []

    def one(client: Client, name: str) -> None:
        try:
            if _ensure(client, paths[name], name, existing.get(name), verb, replace):
                created.append(name)
        except (ApiError, UnitFileError, LookupError) as error:
            raise Failure(f"Error creating units: {error.args[0]}" + _hint(client, error, name)) from None

    client.each(one, list(paths))
    return list(paths), [name for name in paths if name in created]


def _ensure(
    client: Client, argument: str, name: str, existing: dict[str, Any] | None, verb: str, replace: bool
) -> bool:
    local = argument if os.path.isfile(argument) else _with_suffix(argument)
    if existing is not None:
        return local is not None and _compare(client, name, existing, _read(local, name), verb, replace)
    _create(client, name, _read(local, name) if local else _from_template(client, argument, name))
    return True


def _compare(
    client: Client, name: str, existing: dict[str, Any], file: UnitFile, verb: str, replace: bool
) -> bool:
    same = unit_file(existing) == file
    if replace and same:
        say(f"Found same Unit({name}) in Registry, nothing to do")
        return False
    if same:
        return False
    if not replace:
        say(
            f"WARNING: Unit {name} in registry differs from local unit file {name}. "
            "Add --replace to override."
        )
        return False
    state = str(existing.get("currentState") or existing.get("desiredState") or "inactive")
    if _RANK.get(state, 0) > {"submit": 0, "load": 1, "start": 2}[verb]:
        say(f"Warning: can not replace Unit({name}) in state '{state}', use the appropriate command")
        return False
    _create(client, name, file)
    return True


def _create(client: Client, name: str, file: UnitFile) -> None:
    if not file.options:
        raise UnitFileError(f"Unit({name}) has no section with an option in it")
    complaint = problem(name) or contradiction(read(name, file))
    if complaint:
        raise UnitFileError(f"Unit({name}): {complaint}")
    for option in unknown_options(file):
        say(f'WARN Unit {name}: unrecognized requirement in [X-Fleet] section: "{option}"')
    options = [{"section": each.section, "name": each.name, "value": each.value} for each in file.options]
    client.create(name, options, "inactive")


def _from_template(client: Client, argument: str, name: str) -> UnitFile:
    parts = split(name)
    if not parts.is_instance or parts.template is None:
        raise LookupError(f"unable to find Unit({name}) in Registry or on filesystem")
    template = client.unit(parts.template)
    if template is not None:
        return unit_file(template)
    beside = os.path.join(os.path.dirname(argument), parts.template)
    if os.path.isfile(beside):
        return _read(beside, parts.template)
    raise LookupError(
        f"failed getting Unit({name}) from template: "
        f"unable to find template Unit({parts.template}) in Registry or on filesystem"
    )


def _with_suffix(argument: str) -> str | None:
    path = os.path.join(os.path.dirname(argument), complete(argument))
    return path if os.path.isfile(path) else None


def _read(path: str, name: str) -> UnitFile:
    try:
        with open(path, encoding="utf-8") as file:
            return parse(file.read())
    except UnitFileError as error:
        raise UnitFileError(f"failed getting Unit({name}) from file {path}: {error}") from None
    except (OSError, UnicodeError) as error:
        raise UnitFileError(f"failed getting Unit({name}) from file {path}: {error}") from None


def _hint(client: Client, error: Exception, name: str) -> str:
    if not isinstance(error, LookupError):
        return ""
    known = [str(each["name"]) for each in client.units()]
    here = [each for each in os.listdir(".") if "." in each]
    return suggestion(name, known + here)
