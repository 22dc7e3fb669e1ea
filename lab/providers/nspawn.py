"""Machines as systemd-nspawn containers: their own systemd and network stack, at native speed."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab import cgroups, netns, network, processes
from lab.box import Box
from lab.copying import discard
from lab.providers import disks, keeper
from lab.providers.base import LabContext, MachineSpec, State

LINK_PREFIX = {"eth0": "c", "eth1": "p", "eth2": "w"}


class Nspawn:
    """The containers of one lab."""

    name = "nspawn"
    bridges: tuple[str, ...] = ("control", "private", "public")
    emulated = False

    def __init__(self, context: LabContext) -> None:
        self.context = context

    def up(self, box: Box, specs: Sequence[MachineSpec]) -> None:
        """Make and start the containers; returns when their keepers run, which is before they have booted."""
        with ThreadPoolExecutor(len(specs)) as pool:
            for made in [pool.submit(self._make, box, spec) for spec in specs]:
                made.result()

    def down(self) -> list[str]:
        """Kill and remove every container of this lab."""
        self._cut_all()
        killed = self._kill()
        return [f"{killed} processes of containers"] if killed else []

    def reset(self, box: Box, specs: Sequence[MachineSpec]) -> None:
        """Kill the containers, empty their own layers and boot them."""
        self._kill(*(spec.name for spec in specs))
        with ThreadPoolExecutor(len(specs)) as pool:
            for made in [pool.submit(self._make, box, spec) for spec in specs]:
                made.result()

    def add(self, box: Box, spec: MachineSpec) -> None:
        """Make and start one container."""
        self._make(box, spec)

    def remove(self, spec: MachineSpec) -> None:
        """Kill a container and remove its folder."""
        disks.stop_spare(self.context.folder, spec.folder)
        self._kill(spec.name)
        discard(spec.folder)

    def settle(self, box: Box, specs: Sequence[MachineSpec]) -> None:
        """Have the disks of the next reset made."""
        for spec in specs:
            disks.start_spare(self.context.folder, spec.folder, box.docker)

    def power_off(self, spec: MachineSpec) -> None:
        """Kill every process of the container, its links first, so that no peer is told."""
        self._links(spec, "down", ("eth0", "eth1", "eth2"))
        self._kill(spec.name)

    def power_on(self, spec: MachineSpec) -> None:
        self._start(spec)

    def cut(self, spec: MachineSpec) -> None:
        self._links(spec, "down", ("eth1", "eth2"))

    def heal(self, spec: MachineSpec) -> None:
        self._links(spec, "up", ("eth1", "eth2"))

    def pause(self, spec: MachineSpec) -> None:
        cgroups.freeze(self.context.netns, spec.name)

    def resume(self, spec: MachineSpec) -> None:
        cgroups.thaw(self.context.netns, spec.name)

    def ports(self, spec: MachineSpec) -> dict[str, str]:
        links = json.loads((spec.folder / "keeper.json").read_text())["links"]
        return {link["bridge"]: link["host"] for link in links.values()}

    def state(self, spec: MachineSpec) -> State:
        if not (spec.folder / "keeper.json").exists():
            return "absent"
        return "running" if self._keepers(spec.name) else "off"

    def _make(self, box: Box, spec: MachineSpec) -> None:
        folder = spec.folder
        (folder / "root").mkdir(parents=True, exist_ok=True)
        disks.stop_spare(self.context.folder, folder)
        disk = disks.make(folder, box.docker)
        (disk / "upper/etc/lab/machine.env").write_text(spec.env_file())
        index = [machine.name for machine in self.context.topology.machines].index(spec.name) + 1
        addresses = {
            "eth0": spec.machine.control,
            "eth1": spec.machine.private,
            "eth2": spec.machine.public,
        }
        description = {
            "name": spec.name,
            "uuid": spec.env["LAB_MACHINE_ID"],
            "layers": [str(layer) for layer in box.layers()],
            "upper": str(disk / "upper"),
            "work": str(disk / "work"),
            "root": str(folder / "root"),
            "docker": str(disk / "docker"),
            "netns": str(netns.path(self.context.netns)),
            "links": {
                name: {
                    "host": f"{LINK_PREFIX[name]}{index}-{spec.name}"[:15],
                    "bridge": keeper.TYPES[name],
                    "mac": network.mac(address),
                }
                for name, address in addresses.items()
                if address is not None
            },
        }
        (folder / "keeper.json").write_text(json.dumps(description, indent=1))
        self._start(spec)

    def _start(self, spec: MachineSpec) -> None:
        file = spec.folder / "keeper.json"
        description = json.loads(file.read_text())
        size = spec.machine
        groups = cgroups.create(self.context.netns, spec.name, memory=size.memory, cpus=size.cpus)
        description["cgroups"] = [str(group) for group in groups]
        file.write_text(json.dumps(description, indent=1))
        script = Path(keeper.__file__)
        processes.start(
            ["unshare", "--mount", "--propagation", "slave", "--"]
            + [sys.executable, "-I", "-S", str(script), str(file)],
            folder=self.context.folder,
            log=spec.console,
            env={"LAB_MACHINE": spec.name, "SYSTEMD_LOG_TARGET": "console"},
        )

    def _keepers(self, machine: str) -> list[int]:
        return processes.marked(self.context.folder, {"LAB_MACHINE": machine})

    def _kill(self, *machines: str) -> int:
        """Kill all there is of these machines (of all if none is named) and remove their control groups."""
        lab, killed = self.context.netns, 0
        for machine in machines or ("",):
            cgroups.thaw(lab, machine)  # what is frozen does not die
            # keepers before what they keep, or they would boot it again
            keepers = self._keepers(machine) if machine else processes.marked(self.context.folder)
            killed += processes.kill(keepers)
        for machine in machines or ("",):
            while pids := cgroups.pids(lab, machine):  # what was being born while we counted
                killed += processes.kill(pids)
            cgroups.remove(lab, machine)
        return killed

    def _cut_all(self) -> None:
        """Take all links away at once, so that nothing waits for a peer that is going as well."""
        if network.exists(self.context.netns):
            for bridge in self.bridges:
                with contextlib.suppress(Exception):
                    network.batch(self.context.netns, [f"link set {bridge} down"])

    def _links(self, spec: MachineSpec, state: str, names: tuple[str, ...]) -> None:
        links = json.loads((spec.folder / "keeper.json").read_text())["links"]
        lines = [f"link set {links[name]['host']} {state}" for name in names if name in links]
        network.batch(self.context.netns, lines)
