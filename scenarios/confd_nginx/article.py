"""The confd article as its tests see it: names, times, and what they ask of the load balancer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from lab.node import Node
from scenarios.balanced import PAGE, Balanced, Configured, look_at, read_configured

FOLDER = Path(__file__).parent
GUIDE = FOLDER / "README.md"
BALANCER = "nginx_lb.service"
ENTRIES = "/services/apache"
SITE = "/etc/nginx/sites-enabled/app.conf"

TTL = 30.0  # seconds that an entry lives
LOOK = 20.0  # seconds between two looks of a sidekick
PASS = 10.0  # seconds between two passes of confd
STOP = 10.0  # seconds that `docker stop` gives a container
AGENT_TTL = 30.0  # seconds until fleet gives up a lost machine
CONNECT = 1.0  # seconds that nginx waits for a backend to take a connection


@dataclass(frozen=True)
class Nginx:
    """What a pass of confd that finds all in sync must leave alone."""

    site: str  # time, size and inode of the site's file
    master: int
    workers: tuple[int, ...]


class Article(Balanced):
    """The article on a lab: its guide's reader, its web servers, and the load balancer's container."""

    balancer_unit = BALANCER

    def set_up(self) -> None:
        """Type the guide's steps until the load balancer has been started, and wait until it serves both."""
        __tracebackhide__ = True
        for step in self.reader.between("copy", "balancer"):
            if step in ("entries", "pages"):
                continue  # they have their own tests, when the sidekicks have looked
            self.reader.types(step)
        self.lab.fleet.wait_running(
            *(f"{name}@{port}.service" for name in ("apache", "apache-discovery") for port in (7777, 8888)),
            BALANCER,
            within=self.patience,
        )
        self.wait_for_upstream(self.backend(7777), self.backend(8888), within=LOOK + PASS + self.patience)
        self.wait_for_answer(self.public_url(), PAGE)

    def entries(self) -> set[str]:
        """What the sidekicks say there is."""
        return {key.value for key in self.lab.etcd.keys(ENTRIES)}

    def inside(self, command: str, *, check: bool = True) -> str:
        """Run a shell line in the load balancer's container."""
        __tracebackhide__ = True
        return str(
            self.balancer().run(["docker", "exec", "nginx_lb", "sh", "-c", command], check=check).stdout
        )

    def configured(self) -> Configured:
        return read_configured(self.inside(look_at(f"file={SITE}; read -r pid </run/nginx.pid")))

    def nginx(self) -> Nginx:
        """The site's file and nginx's processes."""
        site, master, workers = self.inside(
            f"stat -c '%y %s %i' {SITE}; read -r pid </run/nginx.pid; echo $pid; "
            "cat /proc/$pid/task/$pid/children"
        ).splitlines()
        return Nginx(site, int(master), tuple(int(worker) for worker in workers.split()))

    def confd_said(self) -> list[str]:
        """confd's lines in the load balancer's journal, without what journald and confd put in front."""
        journal = self.balancer().output(
            f"journalctl --no-pager --output cat --unit {BALANCER} | grep -F 'confd[' || true",
            sudo=True,
            timeout=self.patience,
        )
        return re.findall(r"confd\[\d+\]: ([A-Z]+ .*)", journal)

    def times_in_sync(self) -> int:
        """How often confd has found the site as it should be."""
        return sum(line.endswith(f"Target config {SITE} in sync") for line in self.confd_said())

    def requests(self, mark: str) -> str:
        return self.balancer().output(
            f"journalctl --no-pager --output cat --unit {BALANCER} | grep -F '/?{mark} ' || true",
            sudo=True,
            timeout=self.patience,
        )

    def confd(self) -> int:
        """The process of the confd that looks at etcd every 10 s, as the machine counts them."""
        listed = self.balancer().output("docker top nginx_lb -eo pid,args")
        (line,) = re.findall(r"^(\d+)\s+python3 -m confd -interval", listed, re.MULTILINE)
        return int(line)

    def sidekick_removed(self, node: Node, value: str) -> bool:
        """Whether a sidekick on this machine has removed an entry with this value."""
        journal = node.output("journalctl --no-pager --output cat --unit 'apache-discovery@*'", sudo=True)
        return f"PrevNode.Value: {value}" in journal

    @contextmanager
    def balancer_beside(self, *environment: str) -> Iterator[Callable[[str], list[float]]]:
        """Another load balancer, on port 8081 of a web server's machine.

        The block gets a function: at what moments it printed a line with the text that is asked for.
        """
        node = self.machine_of("apache@7777.service")
        set_to = " ".join(f"--env {setting}" for setting in environment)
        node.run(
            f"docker run --detach --name beside {set_to} --publish {self.address(node)}:8081:80 "
            "user_name/nginx_lb /usr/local/bin/confd-watch",
            timeout=self.patience,
        )

        def said(text: str) -> list[float]:
            lines = node.output("docker logs --timestamps beside 2>&1").splitlines()
            stamps = [line.split()[0] for line in lines if text in line]
            return [datetime.fromisoformat(stamp[:26]).timestamp() for stamp in stamps]

        try:
            yield said
        finally:
            node.run("docker rm --force beside", check=False, timeout=self.patience)
