"""Carries operations out on a lab, and looks at what its machines really run."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from lab import faults
from lab.errors import MachineError
from lab.node import ConnectionLost
from lab.running import Lab
from lab.waiting import Deadline, eventually
from tests.machines.fleet_churn.model import EMPTY, FAULTS, UNITS, Operation, Placed, complaints, doubles

T = TypeVar("T")
DROP_IN = "/etc/systemd/system/fleet.service.d/churn.conf"
TTL = "3s"  # short, so that a machine that is cut off for some operations is given up
DURING = 3  # operations on units while a machine boots, before it is waited for
CHECK_EVERY = 50  # operations, until the cluster is compared with the model
TAKEN_WITHIN = 30.0  # an election of etcd's, on a busy host
SETTLED_WITHIN = 60.0
BUSY = "active,activating,deactivating,reloading"
SHOW = f"systemctl list-units 'churn-*' --all --plain --no-legend --state={BUSY} | cut -d' ' -f1"
INVOCATIONS = f'for unit in $({SHOW}); do echo "$unit $(systemctl show --value -p InvocationID $unit)"; done'


class Executor:
    """`state` is what the model says of all that has been carried out."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.state = EMPTY
        self.done: list[Operation] = []
        self.repeated = 0  # operations that a cluster in trouble did not take at once
        self.samples = 0
        self._names = {spec.env["LAB_MACHINE_ID"]: name for name, spec in lab.specs.items()}
        self._booting = ""
        self._boot_id = ""
        self._since = 0  # operations since the last fault

    def set_up(self) -> None:
        """A short TTL on every machine, and the files of the units."""
        setting = f"[Service]\nEnvironment=FLEET_AGENT_TTL={TTL}\n"

        def one(name: str) -> None:
            node = self.lab[name]
            for unit, kind in UNITS.items():
                node.put(kind.text, f"/home/core/{unit}")
            node.put(setting, DROP_IN, sudo=True)
            node.run("systemctl daemon-reload && systemctl restart fleet", sudo=True)

        self._everywhere(one)
        faults.require_healthy(self.lab, "before the churn")

    def tear_down(self) -> None:
        """No unit, no setting, no fault is left, whatever happened."""
        if self.state.cut:
            self.lab.heal(self.state.cut)
        for name in self.lab.specs:
            if self.lab.state(name) != "running":
                self.lab.power_on(name)
            self.lab[name].wait_for_ssh()
        self.lab.fleet.ctl("destroy", *UNITS, check=False)
        line = f"rm -f {DROP_IN} && systemctl daemon-reload && systemctl restart fleet"
        self._everywhere(lambda name: self.lab[name].run(line, sudo=True))
        faults.require_healthy(self.lab, "after the churn")

    def run(self, operations: Sequence[Operation]) -> None:
        """All of them; raises AssertionError with the last ones if the cluster is not as it should be."""
        for number, operation in enumerate(operations, 1):
            self.carry_out(operation)
            if self._whole():
                self.require_single()
            if number % CHECK_EVERY == 0 and not self.state.cut:
                self.settle()
        self.settle()

    def carry_out(self, operation: Operation) -> None:
        self.done.append(operation)
        wanted = self.state.after(operation)
        target = operation.target
        if operation.verb in FAULTS:
            self._wait_for_boot()
            self._since = 0
            self._harm(operation.verb, target)
        elif operation.verb == "heal":
            self.lab.heal(target)
        else:
            self._type(operation, dict(wanted.desired))
            self._since += 1
        self.state = wanted
        if operation.verb == "heal":
            self.settle()

    def settle(self) -> None:
        """Return when the cluster is whole and as the model says; it may not take long."""
        self._wait_for_boot()
        seen: list[str] = []

        def as_modelled() -> bool:
            seen[:] = self.look()
            return not seen

        try:
            eventually(as_modelled, SETTLED_WITHIN, "as the model says", ignoring=(ConnectionLost,))
        except MachineError as problem:
            raise AssertionError(self._story("; ".join(seen) or str(problem))) from None

    def look(self) -> list[str]:
        """What differs from the model just now."""
        try:
            desired, listed = self._desired(self.lab.any_node().name), self._listed()
        except (MachineError, KeyError) as problem:
            return [str(problem)]
        placed = frozenset((machine, unit) for machine, unit, _ in self._running())
        return complaints(self.state, desired, placed, listed, self.lab.specs)

    def require_single(self) -> None:
        """No unit runs twice, in a cluster that is whole.

        The machines are looked at one after the other, so a unit that moves meanwhile may be seen twice. Only
        what a second look finds still running, the same start of it, ran at one moment on both.
        """
        self.samples += 1
        first = self._running()
        if not doubles((machine, unit) for machine, unit, _ in first):
            return
        both = first & self._running()
        found = doubles((machine, unit) for machine, unit, _ in both)
        assert not found, self._story("; ".join(found))

    def _running(self) -> frozenset[tuple[str, str, str]]:
        def one(name: str) -> list[tuple[str, str, str]]:
            rows = [line.split() for line in self.lab[name].output(INVOCATIONS).splitlines()]
            return [(name, row[0], row[1]) for row in rows if len(row) == 2]

        return frozenset(row for rows in self._everywhere(one) for row in rows)

    def _desired(self, on: str) -> dict[str, str]:
        rows = self.lab[on].output("fleetctl list-unit-files --no-legend --full --fields=unit,dstate")
        return _table(rows)

    def _listed(self) -> Placed:
        listed = self.lab.fleet.ctl("list-units", "--no-legend", "--full", "--fields=unit,machine,active")
        rows = [row.split() for row in listed.stdout.splitlines()]
        return frozenset(
            (self._names[machine.partition("/")[0]], unit)
            for unit, machine, active in rows
            if active == "active"
        )

    def _type(self, operation: Operation, wanted: dict[str, str]) -> None:
        """Type it until the cluster has taken it; one that is whole takes it at once."""
        ways = [name for name in self.lab.specs if name not in (self.state.cut, self._booting)]
        node = self.lab[ways[operation.via % len(ways)]]
        flag = "" if operation.verb in ("submit", "destroy") else "--no-block "
        deadline = Deadline(TAKEN_WITHIN)
        while True:
            typed = node.run(f"fleetctl {operation.verb} {flag}/home/core/{operation.target}", check=False)
            asked = node.run("fleetctl list-unit-files --no-legend --full --fields=unit,dstate", check=False)
            desired = _table(asked.stdout) if asked.ok else None
            if desired == wanted:
                return
            if deadline.expired():
                said = f"{node.name} said {typed.stderr.strip()!r}, and has {desired}, not {wanted}"
                raise AssertionError(self._story(said))
            self.repeated += 1

    def _harm(self, verb: str, machine: str) -> None:
        node = self.lab[machine]
        if verb == "cut":
            self.lab.cut(machine)
            return
        self._booting, self._boot_id = machine, node.boot_id()
        if verb == "reset":
            self.lab.power_off(machine)
            self.lab.power_on(machine)
            return
        with contextlib.suppress(ConnectionLost):  # it may be gone before it has said so
            node.run("systemctl reboot", sudo=True, check=False, timeout=20)

    def _whole(self) -> bool:
        """Whether the cluster must be in order now; a machine that boots is waited for after a while."""
        if self.state.cut:
            return False
        if self._booting and self._since >= DURING:
            self._wait_for_boot()
        return not self._booting

    def _wait_for_boot(self) -> None:
        if not self._booting:
            return
        if self.lab.state(self._booting) != "running":
            self.lab.power_on(self._booting)
        self.lab[self._booting].wait_for_boot(self._boot_id)
        faults.require_healthy(self.lab, f"after the boot of {self._booting}")
        self._booting = ""

    def _everywhere(self, do: Callable[[str], T]) -> list[T]:
        with ThreadPoolExecutor(len(self.lab.specs)) as pool:
            return list(pool.map(do, self.lab.specs))

    def _story(self, problem: str) -> str:
        last = "\n".join(f"  {number}. {each}" for number, each in enumerate(self.done, 1))
        return f"{problem}\nafter these operations:\n{last}"


def _table(rows: str) -> dict[str, str]:
    """Two columns as a dictionary."""
    return {row.split()[0]: row.split()[1] for row in rows.splitlines()}
