"""What every article's tests ask of the lab: where a unit runs, what a client gets, which container it is."""

from __future__ import annotations

from dataclasses import dataclass

from requests import RequestException

from lab.etcd import EtcdFailed
from lab.fleet import START_WITHIN
from lab.node import Node
from lab.running import Lab
from lab.waiting import eventually
from scenarios.guide import Reader

START_WITHIN_EMULATED = 300.0
# Seconds for a page: an emulated proxy may ask one server after the other, 20 s each.
PAGE_WITHIN, PAGE_WITHIN_EMULATED = 10.0, 45.0
ELECTED_WITHIN, ELECTED_WITHIN_EMULATED = 30.0, 120.0
# Seconds by which the clocks of two machines may differ: a virtual machine has whole seconds from its RTC.
CLOCKS, CLOCKS_VM = 0.0, 1.0


@dataclass(frozen=True)
class Container:
    """What stays the same as long as a container is neither replaced nor restarted."""

    id: str
    started: str


def clocks(lab: Lab) -> float:
    """Seconds by which two machines may disagree about the time, by which etcd reckons a TTL."""
    return CLOCKS if lab.provider.name == "nspawn" else CLOCKS_VM


def page(lab: Lab, url: str) -> str:
    """What a client in the lab's network gets from a URL. Raises RequestException."""
    with lab.http() as session:
        response = session.get(url, timeout=PAGE_WITHIN_EMULATED if lab.provider.emulated else PAGE_WITHIN)
        response.raise_for_status()
        return response.text


class Setting:
    """An article on a lab: its guide's reader, and where things have come to be."""

    def __init__(self, lab: Lab, reader: Reader) -> None:
        self.lab = lab
        self.reader = reader

    @property
    def patience(self) -> float:
        """Seconds for anything that starts containers."""
        return START_WITHIN_EMULATED if self.lab.provider.emulated else START_WITHIN

    @property
    def clocks(self) -> float:
        """Seconds by which two machines may disagree about the time, by which etcd reckons a TTL."""
        return clocks(self.lab)

    def machine_of(self, unit: str) -> Node:
        """The machine that fleet says runs a unit."""
        return self.lab.node_at(self.lab.fleet.units()[unit].machine)

    def address(self, node: Node) -> str:
        """A machine's private address."""
        return str(self.lab.specs[node.name].machine.private)

    def url_of(self, unit: str) -> str:
        """The public address of a unit's machine, as a user asks it."""
        node = self.machine_of(unit)
        return f"http://{self.lab.specs[node.name].machine.public}/"

    def page(self, url: str) -> str:
        """What a client in the lab's network gets from a URL. Raises RequestException."""
        return page(self.lab, url).strip()

    def wait_for_answer(self, url: str, page: str) -> None:
        """Return when a URL gives this page."""
        __tracebackhide__ = True
        eventually(
            lambda: self.page(url) == page,
            self.patience,
            f"{url} gives the page",
            ignoring=(RequestException,),
        )

    def container_on(self, node: Node, name: str) -> Container:
        """A container, as Docker on its machine has it."""
        line = node.output(["docker", "inspect", "-f", "{{.Id}} {{.State.StartedAt}}", name])
        return Container(*line.split())

    def lead(self, node: Node) -> None:
        """Make a machine's member etcd's leader."""
        etcd = self.lab.etcd
        within = ELECTED_WITHIN_EMULATED if self.lab.provider.emulated else ELECTED_WITHIN
        leader = eventually(etcd.leader, within, "etcd has a leader", ignoring=(EtcdFailed,))
        if leader == node.name:
            return
        (member,) = (entry.id for entry in etcd.members() if entry.name == node.name)
        self.lab[leader].run(f"ETCDCTL_API=3 etcdctl move-leader {member}", timeout=self.patience)
        eventually(
            lambda: etcd.leader() == node.name, within, f"{node.name} leads etcd", ignoring=(EtcdFailed,)
        )
