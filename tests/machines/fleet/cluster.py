"""fleet on the machines of a lab, as a person uses it: fleetctl's words, unit files, systemd's view."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from lab.errors import MachineError
from lab.node import Node, Result
from lab.running import Lab
from lab.waiting import eventually

T = TypeVar("T")
FOREVER = "ExecStart=/bin/sleep infinity"
SOON = 20.0  # seconds for what takes fleet one or two: the host is shared
DROP_IN = "/etc/systemd/system/fleet.service.d/test.conf"
_KEY = "/home/core/.ssh/lab"


class Cluster:
    """fleetctl and systemctl on the lab's machines; files lie in core's home of the first one."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.first, *self.others = lab.specs

    def ctl(self, *words: str, on: str = "", within: float = 60.0) -> Result:
        """`fleetctl WORDS...` on a machine (the first one), however it ends."""
        return self.node(on).run(["fleetctl", *words], check=False, timeout=within)

    def shell(self, line: str, *, on: str = "") -> Result:
        """A shell line of user core, however it ends."""
        return self.node(on).run(line, check=False)

    def root(self, line: str, *, on: str = "") -> str:
        """A shell line of root that must succeed."""
        return self.node(on).output(line, sudo=True)

    def with_agent(self, line: str, *, on: str = "") -> Result:
        """A shell line of user core who has an ssh-agent with the lab's key."""
        self.node(on).put(self.lab.folder / "ssh/id_ed25519", _KEY, mode=0o600)
        inner = f"ssh-add -q {_KEY}; rm {_KEY}; {line}"
        return self.shell(f"ssh-agent sh -c {shlex.quote(inner)}", on=on)

    def node(self, name: str = "") -> Node:
        return self.lab[name or self.first]

    def id(self, name: str) -> str:
        return self.lab.specs[name].env["LAB_MACHINE_ID"]

    def where(self, name: str) -> str:
        """A machine as fleetctl's tables show it."""
        return f"{self.id(name)[:8]}.../{self.lab.specs[name].machine.private}"

    def unit(self, name: str, fleet: str = "", service: str = FOREVER, extra: str = "") -> str:
        """Write a unit file to the first machine's home of core; its name."""
        text = extra + f"[Service]\n{service}\n" + (f"\n[X-Fleet]\n{fleet}\n" if fleet else "")
        self.node().put(text, f"/home/core/{name}")
        return name

    def start(self, *names: str) -> None:
        done = self.ctl("start", *names)
        assert done.code == 0, done.stderr

    def spread(self) -> dict[str, str]:
        """Start three units, one on each machine; machine by unit."""
        self.unit("u@.service")
        self.start("u@1.service", "u@2.service", "u@3.service")
        places = self.places()
        assert len(set(places.values())) == 3
        return places

    def witness(self, lost: str) -> str:
        """Another machine than that one."""
        return next(name for name in self.lab.specs if name != lost)

    def rows(self, on: str = "") -> list[tuple[str, str, str]]:
        """Unit, machine's name and ACTIVE of each row of list-units."""
        listed = self.ctl("list-units", "--no-legend", "--full", "--fields=unit,machine,active", on=on)
        assert listed.code == 0, listed.stderr
        names = {self.id(name): name for name in self.lab.specs}
        found = [row.split() for row in listed.stdout.splitlines()]
        return [(unit, names[machine.partition("/")[0]], active) for unit, machine, active in found]

    def places(self, on: str = "") -> dict[str, str]:
        """Machine by unit, of the units that are active; a unit that runs twice is an error."""
        found: dict[str, str] = {}
        for unit, machine, active in self.rows(on):
            if active == "active":
                assert unit not in found, f"{unit} runs on {found[unit]} and {machine}"
                found[unit] = machine
        return found

    def running(self, unit: str) -> set[str]:
        """The machines with power whose systemd runs the unit, whatever fleet says."""
        ups = [name for name in self.lab.specs if self.lab.state(name) == "running"]
        with ThreadPoolExecutor(3) as pool:
            states = pool.map(lambda name: self.shell(f"systemctl is-active {unit}", on=name).stdout, ups)
            return {name for name, state in zip(ups, states, strict=True) if state.strip() == "active"}

    def pid(self, unit: str, on: str) -> str:
        return self.node(on).output(f"systemctl show --value -p MainPID {unit}")

    def starts(self, unit: str, on: str) -> int:
        """How often systemd started the unit's process on a machine, by its journal."""
        # What systemd has said is in the journal when that has been told to write it all.
        line = f"journalctl --sync; journalctl --no-pager -o cat -u {unit} | grep -c '^Started' || true"
        return int(self.root(line, on=on))

    def configure(self, settings: Mapping[str, str], *names: str) -> None:
        """Give fleetd other settings by its environment, and start it anew; none takes them back."""
        lines = "".join(f"Environment=FLEET_{key.upper()}={value}\n" for key, value in settings.items())

        def one(name: str) -> None:
            if lines:
                self.node(name).put(f"[Service]\n{lines}", DROP_IN, sudo=True)
            else:
                self.root(f"rm -f {DROP_IN}", on=name)
            self.root("systemctl daemon-reload && systemctl restart fleet", on=name)

        with ThreadPoolExecutor(3) as pool:
            list(pool.map(one, names or self.lab.specs))
        self.wait_for_all()

    def wait_for_all(self) -> None:
        """Return when every machine's fleetd lists all machines."""
        addresses = sorted(str(spec.machine.private) for spec in self.lab.specs.values())

        def complete() -> bool:
            listed = (
                self.ctl("list-machines", "--no-legend", "--fields=ip", on=name) for name in self.lab.specs
            )
            return all(sorted(each.stdout.split()) == addresses for each in listed)

        self.eventually(complete, "every fleetd lists all machines", 60)

    def ask(
        self, method: str, path: str, body: Any = None, *, kind: str = "application/json"
    ) -> tuple[int, str]:
        """Ask the API of the first machine with curl; status and body."""
        words = ["curl", "-s", "--unix-socket", "/run/fleet.sock", "-X", method, "-w", "\n%{http_code}"]
        words += ["-H", f"Content-Type: {kind}", f"http://fleet/fleet/v1/{path}"]
        words += ["-d", json.dumps(body)] if body is not None else []
        body_, _, status = self.node().output(words).rpartition("\n")
        return int(status), body_

    def eventually(self, check: Callable[[], T], what: str, within: float = SOON) -> T:
        return eventually(check, within, what, ignoring=(MachineError, AssertionError))

    def clear(self) -> None:
        """Destroy every unit, and wait until no systemd has one of them."""

        def gone() -> bool:
            # An etcd that a test has just given back may take a while to take it.
            return self.ctl("destroy", "*").code == 0 and not self.rows()

        self.eventually(gone, "no unit is left", 60)
        self.shell("rm -rf ~/*")
