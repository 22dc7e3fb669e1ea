"""A lab that is up: its machines by name, their power and network, and the clients that tests use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import requests

from lab import membership, netns, network
from lab.errors import MachineError, UserError
from lab.etcd import TIMEOUT, TIMEOUT_EMULATED, Etcd
from lab.fleet import Fleet
from lab.node import RUN_WITHIN, RUN_WITHIN_EMULATED, ConnectionLost, Node
from lab.progress import Progress
from lab.providers.base import MachineSpec, Provider, State
from lab.store import Record, folder
from lab.topology import Topology

ANSWER_WITHIN = 10.0  # seconds for a sign of life; another machine is asked then
ANSWER_WITHIN_EMULATED = 30.0


class Lab:
    """A running lab. `lab["coreos-1"]` is a Node; an unknown name is a UserError with a suggestion."""

    def __init__(self, record: Record, provider: Provider, specs: Iterable[MachineSpec]) -> None:
        self.record = record
        self.provider = provider
        self.specs: dict[str, MachineSpec] = {}
        self.nodes: dict[str, Node] = {}
        self.on_trouble: Callable[[BaseException], None] | None = None  # called before a fault is healed
        self.etcd = Etcd({}, self.http, TIMEOUT_EMULATED if provider.emulated else TIMEOUT)
        self.fleet = Fleet(self.any_node)
        self.follow(record, specs)

    def follow(self, record: Record, specs: Iterable[MachineSpec]) -> None:
        """Be the lab of this record from now on: machines may have come or gone."""
        self.record = record
        self.specs = {spec.name: spec for spec in specs}
        key = self.folder / "ssh/id_ed25519"
        within = RUN_WITHIN_EMULATED if self.provider.emulated else RUN_WITHIN
        for gone in self.nodes.keys() - self.specs.keys():
            self.nodes.pop(gone).disconnect()
        self.nodes = {
            name: self.nodes.get(name) or Node(name, str(spec.machine.control), key, self.namespace, within)
            for name, spec in self.specs.items()
        }
        # members first: who asks any member should not ask a proxy
        ordered = sorted(self.specs.values(), key=lambda spec: spec.machine.etcd != "member")
        self.etcd.addresses = {spec.name: str(spec.machine.private) for spec in ordered}

    def __getitem__(self, name: str) -> Node:
        return self.nodes[self._spec(name).name]

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
        problem: MachineError = ConnectionLost("no machine answers SSH")
        for name, node in self.nodes.items():
            if self.state(name) != "running":
                continue
            try:
                node.run("true", timeout=ANSWER_WITHIN_EMULATED if self.provider.emulated else ANSWER_WITHIN)
                return node
            except MachineError as silent:  # gone, or too busy (frozen, perhaps) for a sign of life
                problem = silent
        raise problem

    def node_at(self, address: str) -> Node:
        """The machine with this private or public address."""
        for spec in self.specs.values():
            if address in (str(spec.machine.private), str(spec.machine.public)):
                return self.nodes[spec.name]
        raise MachineError(f"no machine has the address {address}")

    def join(self, name: str) -> Node:
        """Start a machine that the lab does not have yet; its etcd joins the running cluster.

        Returns when it is ready. Raises UserError, with nothing changed, when the machine is there already
        or the cluster takes no member just now.
        """
        membership.join(self, name, Progress("quiet"))
        return self[name]

    def leave(self, name: str) -> None:
        """Take a machine from the lab: its units move, its etcd leaves the cluster, and it is removed."""
        membership.leave(self, name, Progress("quiet"))

    def state(self, name: str) -> State:
        """Whether a machine has power; one that is not in the lab is absent."""
        if self.topology.machine(name).name not in self.specs:
            return "absent"
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

    def pause(self, name: str) -> None:
        """Stop a machine where it stands."""
        self.provider.pause(self._spec(name))

    def resume(self, name: str) -> None:
        """Let a paused machine go on."""
        self.provider.resume(self._spec(name))

    def ports(self, name: str) -> dict[str, str]:
        """A machine's ports on the lab's bridges, by network."""
        return self.provider.ports(self._spec(name))

    def _spec(self, name: str) -> MachineSpec:
        known = self.topology.machine(name).name
        if known not in self.specs:
            raise UserError(f"{known} is not in lab {self.name!r} now; `lab up {known}` starts it")
        return self.specs[known]
