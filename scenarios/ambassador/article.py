"""The ambassador article as its tests see it: names, and what they ask of the machines that run it."""

from __future__ import annotations

from pathlib import Path

from lab.node import Node
from scenarios.setting import Container, Setting

FOLDER = Path(__file__).parent
GUIDE = FOLDER / "README.md"
UNITS = FOLDER / "units"
PROVIDERS = ("apache.service", "etcd-amb-apache.service", "apache-docker-reg.service")
CONSUMERS = ("etcd-amb-apache2.service", "apache-dyn-amb.service", "haproxy.service")
KEY = "/services/apache-A/apache.service"
PAGE = "<h1>Running from Docker on CoreOS</h1>"
ETCD = "172.17.42.1:4001"


class Article(Setting):
    """The article on a lab: its guide's reader, and where things have come to be."""

    def set_up(self) -> None:
        """Type the guide's steps until the six units have been started, and wait until they run."""
        __tracebackhide__ = True
        for step in self.reader.between("copy", "start"):
            self.reader.types(step)
        self.lab.fleet.wait_running(*PROVIDERS, *CONSUMERS, within=self.patience)
        self.wait_for_page()

    def bystander(self) -> Node:
        """A machine that runs neither Apache nor HAProxy."""
        busy = {self.machine_of("apache.service").name, self.machine_of("haproxy.service").name}
        return next(node for node in self.lab if node.name not in busy)

    def public_url(self) -> str:
        """Where a user finds the page: the public address of HAProxy's machine."""
        return self.url_of("haproxy.service")

    def wait_for_page(self) -> None:
        """Return when the public address gives the page."""
        __tracebackhide__ = True
        self.wait_for_answer(self.public_url(), PAGE)

    def published(self) -> str:
        """ADDRESS:PORT under which Docker has published Apache, on whichever machine it is."""
        return self.machine_of("apache.service").output("docker port apache.service 80")

    def container(self, name: str) -> Container:
        """The container of a unit, as Docker on its machine has it."""
        return self.container_on(self.machine_of(name), name)
