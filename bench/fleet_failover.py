"""How long a unit is away when its machine is lost: from the fault, and from the end of the machine's key."""

from __future__ import annotations

import json
import os
import random
import statistics
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bench.fleet_watch import PREFIX, Change, Ports, Watch
from lab import faults
from lab.errors import MachineError
from lab.running import Lab
from lab.waiting import eventually

UNIT = "measured.service"
PORT = 8100
SERVICE = f"""\
[Unit]
Description=Takes connections; starts in the time that a bare Python needs

[Service]
ExecStart=/usr/bin/python3 -I -S -c 'import socket; s = socket.create_server(("", {PORT})); \\
[s.accept()[0].close() for _ in iter(int, 1)]'
"""
AFTER_EXPIRY = 1.0  # the aims, in seconds
AFTER_REBOOT = 1.5
SLACK = 30.0  # beyond the TTL, before a run counts as failed
LEASE = f"{PREFIX}/lease/engine-leader"


@dataclass(frozen=True)
class Run:
    """One fault; moments in seconds from it. `led` says whether the victim held the engine's lease."""

    ttl: float
    fault: str
    led: bool
    load: float  # the host's, over a minute
    key_gone: float
    active: float
    port: float

    @property
    def late(self) -> tuple[float, float]:
        """What the aim counts: until active and until the port is open, from the key's end or the fault."""
        since = self.key_gone if self.fault == "power loss" else 0.0
        return self.active - since, self.port - since

    @property
    def met(self) -> bool:
        return max(self.late) <= (AFTER_EXPIRY if self.fault == "power loss" else AFTER_REBOOT)


class Failover:
    """The measured unit on a lab that is up."""

    def __init__(self, lab: Lab, ttl: float, chance: random.Random) -> None:
        self.lab = lab
        self.ttl = ttl
        self._chance = chance
        self._names = {spec.env["LAB_MACHINE_ID"]: name for name, spec in lab.specs.items()}
        self._ids = {name: each for each, name in self._names.items()}

    def set_up(self) -> None:
        node = self.lab.any_node()
        node.put(SERVICE, f"/home/core/{UNIT}")
        self.lab.fleet.start(UNIT)

    def run(self, fault: str, led: bool) -> Run:
        """One fault, at any phase of the victim's heartbeat; returns when the lab is whole again."""
        faults.require_healthy(self.lab, "before a run")
        victim = self._victim(led)
        self._bring(victim)
        left = [name for name in self.lab.specs if name != victim]
        addresses = [str(self.lab.specs[name].machine.private) for name in left]
        threading.Event().wait(self._chance.uniform(0.0, self.ttl / 2))
        led = self._leader() == victim  # whoever it was meant to be
        load = os.getloadavg()[0]
        within = self.ttl + SLACK
        failing = faults.power_loss if fault == "power loss" else faults.reboot
        with Watch(self.lab.namespace, addresses[0]) as watch, failing(self.lab, victim) as happened:
            with Ports(self.lab.namespace, [(address, PORT) for address in addresses]) as ports:
                gone = watch.wait(self._gone(victim), within, f"the key of {victim} goes")
                active = watch.wait(self._runs(left, happened.at), within, "the unit runs elsewhere")
                port = ports.wait(within)
            moments = [round(at - happened.at, 3) for at in (gone.at, active.at, port)]
            run = Run(self.ttl, fault, led, load, *moments)
            if not run.met:
                self._explain(run, left, watch)
        return run

    def _explain(self, run: Run, left: list[str], watch: Watch) -> None:
        """What the others' fleetd and etcd said meanwhile, for a run that missed its aim."""
        print(f"missed: {run}", *watch.changes[-40:], sep="\n  ", file=sys.stderr)
        for name in left:
            line = "journalctl -u fleet -u etcd -o short-precise --no-pager -n 60 | cut -c1-200"
            print(f"{name}:", self.lab[name].output(line, sudo=True), sep="\n", file=sys.stderr)

    def _victim(self, led: bool) -> str:
        leader = eventually(self._leader, SLACK, "an engine leads")
        return leader if led else self._chance.choice([name for name in self.lab.specs if name != leader])

    def _leader(self) -> str:
        lease = self.lab.etcd.get(LEASE)
        return self._names[json.loads(lease.value)["MachineID"]] if lease else ""

    def _bring(self, machine: str) -> None:
        """Have the unit run on this machine: its target is a key like any other."""
        self.lab.etcd.set(f"{PREFIX}/job/{UNIT}/target", self._ids[machine])
        address = str(self.lab.specs[machine].machine.private)

        def there() -> bool:
            unit = self.lab.fleet.units().get(UNIT)
            return unit is not None and unit.running and unit.machine == address

        # While it moves it may be listed on both machines, which reading the list takes as an error.
        eventually(there, SLACK, f"the unit runs on {machine}", ignoring=(MachineError,))

    def _gone(self, machine: str) -> Callable[[Change], bool]:
        start = f"{PREFIX}/machines/{self._ids[machine]}"
        return lambda change: change.gone and change.key.startswith(start)

    def _runs(self, machines: list[str], after: float) -> Callable[[Change], bool]:
        keys = [f"{PREFIX}/states/{UNIT}/{self._ids[name]}" for name in machines]

        def wanted(change: Change) -> bool:
            if change.at < after or change.gone or change.key not in keys:
                return False
            state = json.loads(change.value)
            return (state["activeState"], state["subState"]) == ("active", "running")

        return wanted


def table(runs: Iterable[Run]) -> list[str]:
    """Rows of a Markdown table: median and maximum of each kind of fault."""
    rows = [
        "| agent_ttl | fault | victim led | runs | key gone | active elsewhere | port open "
        "| active, counted | port, counted | aim |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    groups: dict[tuple[float, str, bool], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.ttl, run.fault, run.led), []).append(run)
    for (ttl, fault, led), each in sorted(groups.items()):
        cells = [
            spread(run.key_gone for run in each),
            spread(run.active for run in each),
            spread(run.port for run in each),
            spread(run.late[0] for run in each),
            spread(run.late[1] for run in each),
        ]
        aim = AFTER_EXPIRY if fault == "power loss" else AFTER_REBOOT
        met = "met" if all(run.met for run in each) else "MISSED"
        words = [f"{ttl:g} s", fault, "yes" if led else "no", str(len(each)), *cells, f"{aim:g} s: {met}"]
        rows.append("| " + " | ".join(words) + " |")
    return rows


def spread(values: Iterable[float]) -> str:
    """Median and maximum in seconds."""
    found = list(values)
    return f"{statistics.median(found):.2f} / {max(found):.2f}"
