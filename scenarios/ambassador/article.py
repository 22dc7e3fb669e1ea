"""The ambassador article as its tests see it: names, and what they ask of the machines that run it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from requests import RequestException

from lab.fleet import START_WITHIN
from lab.node import Node
from lab.running import Lab
from lab.waiting import eventually
from scenarios.guide import Reader

FOLDER = Path(__file__).parent
GUIDE = FOLDER / "README.md"
UNITS = FOLDER / "units"
PROVIDERS = ("apache.service", "etcd-amb-apache.service", "apache-docker-reg.service")
CONSUMERS = ("etcd-amb-apache2.service", "apache-dyn-amb.service", "haproxy.service")
KEY = "/services/apache-A/apache.service"
PAGE = "<h1>Running from Docker on CoreOS</h1>"
ETCD = "172.17.42.1:4001"
START_WITHIN_EMULATED = 300.0


@dataclass(frozen=True)
class Container:
    """What stays the same as long as a container is neither replaced nor restarted."""

    id: str
    started: str


class Article:
    """The article on a lab: its guide's reader, and where things have come to be."""

    def __init__(self, lab: Lab, reader: Reader) -> None:
        self.lab = lab
        self.reader = reader

    @property
    def patience(self) -> float:
        """Seconds for anything that starts containers."""
        return START_WITHIN_EMULATED if self.lab.provider.emulated else START_WITHIN

    def set_up(self) -> None:
        """Type the guide's steps until the six units have been started, and wait until they run."""
        __tracebackhide__ = True
        for step in self.reader.between("copy", "start"):
            self.reader.types(step)
        self.lab.fleet.wait_running(*PROVIDERS, *CONSUMERS, within=self.patience)
        self.wait_for_page()

    def machine_of(self, unit: str) -> Node:
        """The machine that fleet says runs a unit."""
        return self.lab.node_at(self.lab.fleet.units()[unit].machine)

    def bystander(self) -> Node:
        """A machine that runs neither Apache nor HAProxy."""
        busy = {self.machine_of("apache.service").name, self.machine_of("haproxy.service").name}
        return next(node for node in self.lab if node.name not in busy)

    def address(self, node: Node) -> str:
        """A machine's private address."""
        return str(self.lab.specs[node.name].machine.private)

    def public_url(self) -> str:
        """Where a user finds the page: the public address of HAProxy's machine."""
        node = self.machine_of("haproxy.service")
        return f"http://{self.lab.specs[node.name].machine.public}/"

    def page(self, url: str) -> str:
        """What a client in the lab's network gets from a URL."""
        with self.lab.http() as session:
            response = session.get(url, timeout=10)
            response.raise_for_status()
            return response.text.strip()

    def wait_for_page(self) -> None:
        """Return when the public address gives the page."""
        __tracebackhide__ = True
        url = self.public_url()
        eventually(
            lambda: self.page(url) == PAGE,
            self.patience,
            f"{url} gives the page",
            ignoring=(RequestException,),
        )

    def published(self) -> str:
        """ADDRESS:PORT under which Docker has published Apache, on whichever machine it is."""
        return self.machine_of("apache.service").output("docker port apache.service 80")

    def container(self, name: str) -> Container:
        """The container of a unit, as Docker on its machine has it."""
        line = self.machine_of(name).output(["docker", "inspect", "-f", "{{.Id}} {{.State.StartedAt}}", name])
        return Container(*line.split())
