"""fleet as a test reads it: fleetctl, run on one of the machines, and its tables as data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lab.errors import MachineError
from lab.node import Node, Result
from lab.waiting import eventually

MACHINES = "/_coreos.com/fleet/machines"  # where fleetd registers in etcd, one folder a machine
START_WITHIN = 120.0  # seconds for a unit to be active: an emulated machine pulls an image first


@dataclass(frozen=True)
class Unit:
    """A row of `fleetctl list-units`; `machine` is the address that fleet shows, "" while unplaced."""

    name: str
    machine: str
    active: str
    sub: str

    @property
    def running(self) -> bool:
        return (self.active, self.sub) == ("active", "running")


class Fleet:
    """The cluster, asked through fleetctl on whatever machine `node` gives (one that is up)."""

    def __init__(self, node: Callable[[], Node]) -> None:
        self._node = node

    def ctl(self, *words: str, check: bool = True, timeout: float | str = START_WITHIN) -> Result:
        """Run fleetctl with these arguments."""
        __tracebackhide__ = True
        return self._node().run(["fleetctl", *words], check=check, timeout=timeout)

    def start(self, *units: str) -> Result:
        """Start units (paths on the machine), and wait as fleetctl does."""
        __tracebackhide__ = True
        return self.ctl("start", *units)

    def destroy(self, *units: str) -> Result:
        __tracebackhide__ = True
        return self.ctl("destroy", *units)

    def units(self) -> dict[str, Unit]:
        """Every unit that fleet lists, by name. Raises MachineError if a name is listed twice."""
        listed = self.ctl("list-units", "--no-legend", "--fields=unit,machine,active,sub").stdout
        return units_from(listed)

    def machines(self) -> list[str]:
        """The addresses of the machines that fleet sees, in order."""
        listed = self.ctl("list-machines", "--no-legend", "--fields=ip").stdout
        return sorted(listed.split())

    def wait_running(self, *names: str, within: float | str = START_WITHIN) -> dict[str, Unit]:
        """Return the units once all of `names` are active and running."""
        __tracebackhide__ = True
        seen: dict[str, Unit] = {}

        def running() -> bool:
            seen.clear()
            seen.update(self.units())
            missing = [name for name in names if not (name in seen and seen[name].running)]
            if missing:
                states = {name: seen.get(name) for name in missing}
                raise MachineError(f"not running: {states}")
            return True

        eventually(running, within, f"fleet runs {', '.join(names)}", ignoring=(MachineError,))
        return dict(seen)


def units_from(listed: str) -> dict[str, Unit]:
    """Read the rows of `list-units --fields=unit,machine,active,sub`, without their legend."""
    units: dict[str, Unit] = {}
    for row in listed.splitlines():
        name, machine, active, sub = row.split()
        if name in units:
            raise MachineError(f"fleet lists {name} twice: {units[name].machine} and {machine}")
        units[name] = Unit(name, "" if machine == "-" else machine.rpartition("/")[2], active, sub)
    return units
