"""A copy of fleet's keys in memory, kept true by etcd's events; no I/O."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from etcdv2.model import Event, Node
from fleet.cluster import INACTIVE, STATES, Cluster, Machine, State, Unit
from fleet.requirements import read as read_requirements
from fleet.unitfile import UnitFile, UnitFileError, parse

_GONE = frozenset(("delete", "expire", "compareAndDelete"))


class Mirror:
    """The tables of the registry. `index` is the etcd index up to which they are true.

    Damaged values (not JSON, unknown hash) count as absent: one bad key must not stop the cluster.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = "/" + prefix.strip("/") + "/"
        self.index = 0
        self.keys: dict[str, str] = {}
        self._files: dict[str, UnitFile] = {}
        self._jobs: dict[str, Unit | None] = {}  # None: to be made anew from the keys
        self._states: dict[str, dict[str, State]] = {}
        self._machines: dict[str, Machine] | None = None

    def load(self, nodes: Iterable[Node], index: int) -> None:
        """Start over from a full listing."""
        self.__init__(self.prefix)  # type: ignore[misc]
        for node in nodes:
            self._put(node.key, node.value)
        self.index = index

    def apply(self, event: Event) -> str:
        """Take in an event; answers which table it was about (machines, job, unit, states, lease...)."""
        self.index = max(self.index, event.node.modified)
        key = event.node.key
        if event.action in _GONE:
            if event.node.directory or key not in self.keys:
                for below in [each for each in self.keys if each.startswith(key + "/")]:
                    self._remove(below)
            self._remove(key)
        elif not event.node.directory:
            self._put(key, event.node.value)
        return key[len(self.prefix) :].partition("/")[0]

    def cluster(self) -> Cluster:
        """The cluster as the keys have it now."""
        units: dict[str, Unit] = {}
        for name, known in list(self._jobs.items()):
            unit = known or self._unit(name)
            self._jobs[name] = unit
            if unit:
                units[name] = unit
        return Cluster(self.machines(), units, self._states)

    def machines(self) -> dict[str, Machine]:
        """The machines that live, by ID."""
        if self._machines is None:
            self._machines = self._read_machines()
        return self._machines

    def has_content(self, hash_: str) -> bool:
        """Whether the registry has this unit file already; it never forgets one."""
        return f"{self.prefix}unit/{hash_}" in self.keys and self._file(hash_) is not None

    def leader(self) -> tuple[str, str] | None:
        """The machine that holds the engine's lease and the lease's exact value, or None."""
        raw = self.keys.get(self.prefix + "lease/engine-leader")
        if raw is None:
            return None
        return str(read_object(raw).get("MachineID", "")), raw

    def _put(self, key: str, value: str) -> None:
        if self.keys.get(key) != value:  # each instance of a template writes the same content again
            self.keys[key] = value
            self._touch(key, value)

    def _remove(self, key: str) -> None:
        if self.keys.pop(key, None) is not None:
            self._touch(key, None)

    def _touch(self, key: str, value: str | None) -> None:
        table, *rest = key[len(self.prefix) :].split("/")
        if table == "job" and len(rest) == 2:
            if rest[1] == "object" and value is None:
                self._jobs.pop(rest[0], None)
            elif rest[1] == "object" or rest[0] in self._jobs:
                self._jobs[rest[0]] = None
        elif table == "states" and len(rest) == 2:
            self._touch_state(rest[0], rest[1], value)
        elif table == "machines":
            self._machines = None
        elif table == "unit" and rest:
            self._files.pop(rest[0], None)
            for name, unit in self._jobs.items():
                if unit is None or unit.file.hash == rest[0]:
                    self._jobs[name] = None

    def _touch_state(self, name: str, machine: str, value: str | None) -> None:
        states = self._states.setdefault(name, {})
        read = read_object(value) if value is not None else {}
        if not read:
            states.pop(machine, None)
            if not states:
                del self._states[name]
            return
        states[machine] = State(
            str(read.get("loadState", "")),
            str(read.get("activeState", "")),
            str(read.get("subState", "")),
            str(read.get("unitHash", "")),
            machine,
        )

    def _file(self, hash_: str) -> UnitFile | None:
        if hash_ not in self._files:
            raw = self.keys.get(f"{self.prefix}unit/{hash_}")
            if raw is None:
                return None
            try:
                self._files[hash_] = parse(str(read_object(raw).get("Raw", "")))
            except UnitFileError:
                return None
        return self._files[hash_]

    def _unit(self, name: str) -> Unit | None:
        base = f"{self.prefix}job/{name}/"
        numbers = read_object(self.keys.get(base + "object", "")).get("UnitHash", [])
        try:
            file = self._file(bytes(numbers).hex())
        except (TypeError, ValueError):
            return None
        if file is None:
            return None
        desired = self.keys.get(base + "target-state", INACTIVE)
        return Unit(
            name,
            file,
            read_requirements(name, file),
            desired if desired in STATES else INACTIVE,
            self.keys.get(base + "target") or None,
            self.keys.get(base + "job-state") or None,
        )

    def _read_machines(self) -> dict[str, Machine]:
        objects: dict[str, dict[str, Any]] = {}
        overrides: dict[str, dict[str, str]] = {}
        start = self.prefix + "machines/"
        for key, value in self.keys.items():
            if key.startswith(start):
                machine, _, rest = key[len(start) :].partition("/")
                if rest == "object":
                    objects[machine] = read_object(value)
                elif rest.startswith("metadata/"):
                    overrides.setdefault(machine, {})[rest[len("metadata/") :]] = value
        found = {}
        for machine, read in objects.items():
            metadata = {**(read.get("Metadata") or {}), **overrides.get(machine, {})}
            metadata = {str(key): str(value) for key, value in metadata.items() if value != ""}
            found[machine] = Machine(machine, str(read.get("PublicIP", "")), metadata)
        return found


def read_object(raw: str) -> dict[str, Any]:
    """A JSON object from etcd; empty for anything else, as a damaged value counts as absent."""
    try:
        read = json.loads(raw)
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}
