"""Waiting for units: for the state that fleet gives them, and for systemd to find them active."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from fleet.ctl.client import Client
from fleet.ctl.failure import Failure, say
from fleet.ctl.listing import place, unit_file

WINDOW = 2.0  # seconds; one "attempt"
# A machine that takes seconds to answer takes as long to tell fleet of a unit: so many looks, and the window.
LOOKS = 15
HELD = 0.3  # seconds for which a unit is to stay active; the original looks once a second
_POLL = (0.01, 0.02, 0.05, 0.1)
_STARTING = ("activating", "reloading")


def for_state(
    client: Client, names: Iterable[str], desired: str, attempts: int, *, quiet: bool = False
) -> None:
    """Wait until the units are in that state and print each as it gets there.

    `attempts` windows of two seconds, 0 for as long as it takes. Raises Failure on time-out.
    """
    left = list(dict.fromkeys(names))
    started, polls, explained = time.monotonic(), 0, False
    while left:
        units = client.some(left)
        reached = [name for name in left if name in units and units[name].get("currentState") == desired]
        if reached:
            machines = client.machines() if desired != "inactive" and not quiet else {}
            for name in reached:
                left.remove(name)
                machine = units[name].get("machineID", "")
                where = f" on {place(machine, machines)}" if machine and desired != "inactive" else ""
                if not quiet:
                    print(f"Unit {name} {desired}{where}", flush=True)
            continue
        waited = time.monotonic() - started
        if attempts > 0 and waited >= attempts * WINDOW:
            problem = f"timed out waiting for unit {left[0]} to report state {desired}"
            say(f"Error waiting for units: {problem}")
            raise Failure(f"Error waiting for unit states, exit status: {problem}")
        if waited >= WINDOW and not explained and desired != "inactive":
            explained = True
            _explain(client, [units[name] for name in left if name in units])
        _pause(polls)
        polls += 1


def for_active(client: Client, names: Iterable[str]) -> None:
    """Wait until systemd finds the units active, and for a moment more: two seconds from the end of a start.

    Raises Failure for a unit that is not active in the end.
    """
    left = list(dict.fromkeys(names))
    for name in left:
        _until_active(client, name)
    if not left:
        return
    # A process is active from its fork on. Only a second look tells one that ended at once.
    time.sleep(HELD)
    active = {each["name"] for each in client.states("" if len(left) > 1 else left[0]) if _active(each)}
    for name in left:
        if name not in active:
            _until_active(client, name)


def _until_active(client: Client, name: str) -> None:
    now = time.monotonic()
    deadline, look, polls, least = now + WINDOW, now + WINDOW / 2, 0, LOOKS
    while True:
        states = client.states(name)
        if any(map(_active, states)):
            return
        now = time.monotonic()
        starting = any(map(_starting, states))
        if not starting and now >= look:
            look = now + WINDOW / 2
            starting = _held_up(client, name)
        if starting:
            deadline, least = now + WINDOW, polls + LOOKS
        if now >= deadline and polls >= least:
            problem = f"Failed to find an active unit {name} within 2s, err: Failed to fetch states within 2s"
            say(f"Error waiting for units: {problem}")
            raise Failure(f"Error waiting for systemd unit states, err: {problem}")
        _pause(polls)
        polls += 1


def _active(state: dict[str, Any]) -> bool:
    return state.get("systemdActiveState") == "active"


def _starting(state: dict[str, Any]) -> bool:
    """A unit may take its time (an image to be pulled); one that is being restarted has failed."""
    return state.get("systemdActiveState") in _STARTING and state.get("systemdSubState") != "auto-restart"


def _held_up(client: Client, name: str) -> bool:
    """Whether a unit that this one is to follow, itself or through others, still starts.

    systemd shows a unit as inactive until all that it comes after have started.
    """
    from fleet.requirements import after

    seen, left = {name}, [name]
    while left:
        unit = client.unit(left.pop())
        earlier = set(after(unit["name"], unit_file(unit))) - seen if unit else ()
        for each in earlier:
            if any(map(_starting, client.states(each))):
                return True
        seen.update(earlier)
        left.extend(earlier)
    return False


def _pause(polls: int) -> None:
    time.sleep(_POLL[min(polls, len(_POLL) - 1)])


def _explain(client: Client, stuck: list[dict[str, Any]]) -> None:
    """Say why a unit is nowhere: for each machine what is in the way."""
    from fleet.placement import Company, Tenant, obstacle
    from fleet.requirements import read

    machines = client.machines()
    everything = [
        (unit, Tenant(unit["name"], read(unit["name"], unit_file(unit)))) for unit in client.units()
    ]
    for unit in stuck:
        if unit.get("machineID"):
            continue
        me = Tenant(unit["name"], read(unit["name"], unit_file(unit)))
        reasons = []
        for machine in machines:
            present = Company(each for other, each in everything if other.get("machineID") == machine)
            reason = obstacle(me, _Place(machine, machines[machine].get("metadata", {})), present)
            if reason:
                reasons.append(f"{place(machine, machines)}: {reason}")
        if len(reasons) == len(machines):
            say(f"Unit {unit['name']} fits on no machine yet; it is placed as soon as one has room")
            for reason in sorted(reasons):
                say(f"  {reason}")


class _Place:
    def __init__(self, identifier: str, metadata: dict[str, str]) -> None:
        self.id = identifier
        self.metadata = metadata
