"""A lab that is up: its machines by name, their power and network, and the clients that tests use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import requests

from lab import netns, network
from lab.errors import MachineError
from lab.etcd import Etcd
from lab.fleet import Fleet
from lab.node import ConnectionLost, Node
from lab.providers.base import MachineSpec, Provider, State
from lab.store import Record, folder
from lab.topology import Topology


class Lab:
    """A running lab. `lab["coreos-1"]` is a Node; an unknown name is a UserError with a suggestion."""

    def __init__(self, record: Record, provider: Provider, specs: Sequence[MachineSpec]) -> None:
        self.record = record
        self.provider = provider
        self.specs = {spec.name: spec for spec in specs}
        key = self.folder / "ssh/id_ed25519"
        self.nodes = {
            spec.name: Node(spec.name, str(spec.machine.control), key, self.namespace) for spec in specs
        }
        addresses = {spec.name: str(spec.machine.private) for spec in specs}
        self.etcd = Etcd(addresses, self.http)
        self.fleet = Fleet(self.any_node)

    def __getitem__(self, name: str) -> Node:
        return self.nodes[self.topology.machine(name).name]

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes.values())

    @property
    def name(self) -> str:
        return self.record.name

    @property
    def topology(self) -> Topology:
        return self.record.topology

    @property
    def folder(self) -> Path:
        return folder(self.record.name)

    @property
    def namespace(self) -> str:
        return network.namespace(self.record.name)

    def http(self) -> requests.Session:
        """A requests session inside the lab's network: it reaches what a client of the lab reaches."""
        return netns.http(self.namespace)

    def any_node(self) -> Node:
        """The first machine that answers, so that a test goes on while another is lost."""
        problem = ConnectionLost("no machine answers SSH")
        for name, node in self.nodes.items():
            if self.state(name) != "running":
                continue
            try:
                node.run("true", timeout=10)
                return node
            except ConnectionLost as lost:
                problem = lost
        raise problem

    def node_at(self, address: str) -> Node:
        """The machine with this private or public address."""
        for spec in self.specs.values():
            if address in (str(spec.machine.private), str(spec.machine.public)):
                return self.nodes[spec.name]
        raise MachineError(f"no machine has the address {address}")

    def state(self, name: str) -> State:
        return self.provider.state(self._spec(name))

    def power_off(self, name: str) -> None:
        """Take a machine's power away; nothing in it is told."""
        self.provider.power_off(self._spec(name))
        self[name].disconnect()

    def power_on(self, name: str) -> None:
        """Start a machine that has no power; returns when it answers SSH."""
        self.provider.power_on(self._spec(name))
        self[name].wait_for_ssh()

    def cut(self, name: str) -> None:
        """Take a machine's private and public network away. The lab itself still reaches it."""
        self.provider.cut(self._spec(name))

    def heal(self, name: str) -> None:
        """Give a machine its networks back."""
        self.provider.heal(self._spec(name))

    def _spec(self, name: str) -> MachineSpec:
        return self.specs[self.topology.machine(name).name]
