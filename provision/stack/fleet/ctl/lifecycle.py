"""The commands that change: submit, load, start, stop, unload, destroy, restart."""

from __future__ import annotations

from typing import Any

from fleet.ctl import waiting
from fleet.ctl.client import Client
from fleet.ctl.creating import ensure
from fleet.ctl.failure import ApiError, Failure, say, suggestion
from fleet.ctl.flags import Values
from fleet.ctl.listing import is_global
from fleet.names import complete
from fleet.requirements import matches


def submit(client: Client, values: Values, arguments: list[str]) -> int:
    if _none(arguments):
        return 0
    _, created = ensure(client, arguments, "submit", values.on("replace"))
    waiting.for_state(client, _not_global(client, created), "inactive", 1)
    return 0


def load(client: Client, values: Values, arguments: list[str]) -> int:
    return _raise(client, values, arguments, "load", "loaded")


def start(client: Client, values: Values, arguments: list[str]) -> int:
    return _raise(client, values, arguments, "start", "launched")


def stop(client: Client, values: Values, arguments: list[str]) -> int:
    return _lower(client, values, arguments, "stop", "loaded", "stopped")


def unload(client: Client, values: Values, arguments: list[str]) -> int:
    return _lower(client, values, arguments, "unload", "inactive", "unloaded")


def destroy(client: Client, values: Values, arguments: list[str]) -> int:
    if _none(arguments):
        return 0
    for unit in _find(client, arguments):
        try:
            client.destroy(unit["name"])
        except ApiError as error:
            if error.status != 404:  # somebody else was quicker, which is as good
                raise Failure(f"Error destroying units: {error}") from None
        print(f"Destroyed {unit['name']}", flush=True)
    return 0


def restart(client: Client, values: Values, arguments: list[str]) -> int:
    if _none(arguments):
        return 0
    units = _find(client, arguments)
    attempts = values.whole("block-attempts")
    for unit in units:
        name = unit["name"]
        if not is_global(unit) and unit.get("currentState") != "launched":
            raise Failure(f"Unable to restart unit {name} in state {unit.get('currentState')}")
        client.set_desired(name, "loaded")
        if is_global(unit):
            _wait_global_stopped(client, name)
        else:
            waiting.for_state(client, [name], "loaded", attempts, quiet=True)
        client.set_desired(name, "launched")
        if is_global(unit):
            print(f"Triggered global unit {name} start", flush=True)
        elif values.on("no-block"):
            print(f"Triggered unit {name} start", flush=True)
        else:
            waiting.for_state(client, [name], "launched", attempts)
            waiting.for_active(client, [name])
        say(f"INFO Unit({name}) was restarted.")
    return 0


def _raise(client: Client, values: Values, arguments: list[str], verb: str, desired: str) -> int:
    if _none(arguments):
        return 0
    names, created = ensure(client, arguments, verb, values.on("replace"))
    plain = set(_not_global(client, created))
    waiting.for_state(client, [name for name in created if name in plain], "inactive", 1)
    units = client.some(names)
    raised = [name for name in names if name in units and units[name].get("desiredState") != desired]
    try:
        client.each(lambda each, name: each.set_desired(name, desired), raised)
    except ApiError as error:
        raise Failure(f"Error {verb}ing units: {error}") from None
    for name in [each for each in raised if is_global(units[each])]:
        print(f"Triggered global unit {name} {verb}", flush=True)
        raised.remove(name)
    if values.on("no-block"):
        for name in raised:
            print(f"Triggered unit {name} {verb}", flush=True)
        return 0
    waiting.for_state(client, raised, desired, values.whole("block-attempts"))
    if desired == "launched":
        waiting.for_active(client, raised)
    return 0


def _lower(client: Client, values: Values, arguments: list[str], verb: str, desired: str, done: str) -> int:
    if _none(arguments):
        return 0
    lowered = []
    named = {complete(argument) for argument in arguments}
    units = _find(client, arguments)
    if not units:
        return 0
    for unit in units:
        name = unit["name"]
        if is_global(unit):
            client.set_desired(name, desired)
            print(f"Triggered global unit {name} {verb}", flush=True)
            continue
        state = unit.get("currentState", "inactive")
        # A unit that is wanted but fits nowhere is inactive too: unload must be able to give it up.
        if unit.get("desiredState") == "inactive" or (verb == "stop" and state == "inactive"):
            if verb == "stop" and name in named:
                raise Failure(f"Unable to stop unit {name} in state inactive")
            continue  # a pattern means those that run, and not the template that they come from
        if verb == "stop" and state == "loaded" and unit.get("desiredState") == "loaded":
            continue
        lowered.append(name)
    client.each(lambda each, name: each.set_desired(name, desired), lowered)
    if values.on("no-block"):
        for name in lowered:
            print(f"Triggered unit {name} {verb}", flush=True)
    else:
        waiting.for_state(client, lowered, desired, values.whole("block-attempts"))
    say(f"Successfully {done} units [{' '.join(lowered)}].")
    return 0


def _find(client: Client, arguments: list[str]) -> list[dict[str, Any]]:
    """The units that the arguments name or match; says so if there is none of them."""
    units = {each["name"]: each for each in client.units()}
    found: dict[str, dict[str, Any]] = {}
    unknown = []
    for argument in arguments:
        name = complete(argument)
        if name in units:
            found[name] = units[name]
        elif any(each in name for each in "*?["):
            found.update({each: units[each] for each in units if matches(name, each)})
        else:
            unknown.append(name)
    if not found:
        say("Units not found in registry" + suggestion((unknown or [""])[0], list(units)))
    else:
        for name in unknown:
            say(f"Unit {name} not found in registry" + suggestion(name, list(units)))
    return list(found.values())


def _wait_global_stopped(client: Client, name: str) -> None:
    import time

    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if all(each.get("systemdActiveState") in ("inactive", "failed") for each in client.states(name)):
            return
        time.sleep(0.05)


def _not_global(client: Client, names: list[str]) -> list[str]:
    return [name for name, unit in client.some(names).items() if not is_global(unit)]


def _none(arguments: list[str]) -> bool:
    if not arguments:
        say("No units given")
    return not arguments
