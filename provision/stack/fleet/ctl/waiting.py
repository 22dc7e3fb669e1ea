"""Waiting for units: for the state that fleet gives them, and for systemd to find them active."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from fleet.ctl.client import Client
from fleet.ctl.failure import Failure, say
from fleet.ctl.listing import place, unit_file

WINDOW = 2.0  # seconds; one "attempt"
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
    """Wait until systemd finds the units active: two seconds, but as long as one is still on its way.

    Raises Failure for a unit that is not active in the end.
    """
    for name in dict.fromkeys(names):
        deadline, polls = time.monotonic() + WINDOW, 0
        while True:
            states = client.states(name)
            if any(each.get("systemdActiveState") == "active" for each in states):
                break
            # A unit may take its time (an image to be pulled); one that is being restarted has failed.
            if any(
                each.get("systemdActiveState") in _STARTING and each.get("systemdSubState") != "auto-restart"
                for each in states
            ):
                deadline = time.monotonic() + WINDOW
            if time.monotonic() >= deadline:
                problem = (
                    f"Failed to find an active unit {name} within 2s, err: Failed to fetch states within 2s"
                )
                say(f"Error waiting for units: {problem}")
                raise Failure(f"Error waiting for systemd unit states, err: {problem}")
            _pause(polls)
            polls += 1


def _pause(polls: int) -> None:
    time.sleep(_POLL[min(polls, len(_POLL) - 1)])


def _explain(client: Client, stuck: list[dict[str, Any]]) -> None:
    """Say why a unit is nowhere: for each machine what is in the way."""
    from fleet.placement import Tenant, obstacle
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
            present = [each for other, each in everything if other.get("machineID") == machine]
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
