"""The article with the data volume as its tests see it: names, times, and what they ask of nginx."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lab.errors import MachineError
from lab.waiting import eventually
from scenarios.balanced import PAGE, Balanced, Configured, look_at, read_configured

FOLDER = Path(__file__).parent
GUIDE = FOLDER / "README.md"
BALANCER = "nginx.service"
CONFD = "confd.service"
KEYS = "/test"

TTL = 20.0  # seconds that a key lives with the cure
PASS = 60.0  # seconds between two passes of confd


@dataclass(frozen=True)
class Nginx:
    """What stays the same until nginx's container is restarted, and the workers, which a HUP replaces."""

    container: str
    master: int
    workers: frozenset[int]


class Article(Balanced):
    """The article on a lab: its guide's reader, its web servers, and nginx's and confd's containers."""

    balancer_unit = BALANCER

    def set_up(self) -> None:
        """Type the guide's steps until nginx has been started, and wait until it serves both backends."""
        __tracebackhide__ = True
        for step in self.reader.between("copy", "nginx"):
            if step not in ("environment", "keys", "upstream"):  # they have their own tests
                self.reader.types(step)
        self.lab.fleet.wait_running(
            "apache@8001.service", "apache@8002.service", CONFD, BALANCER, within=self.patience
        )
        self.wait_for_upstream(self.backend(8001), self.backend(8002), within=self.patience)
        self.wait_for_answer(self.public_url(), PAGE)

    def entries(self) -> set[str]:
        """What the web servers' units have written."""
        return {key.value for key in self.lab.etcd.keys(KEYS)}

    def key(self, port: int) -> str:
        """What a web server's key holds, "" if it is not there."""
        found = self.lab.etcd.get(f"{KEYS}/apache-{port}", quorum=True)
        return found.value if found else ""

    def configuration(self) -> Path:
        """The volume's folder on nginx's machine."""
        form = '{{range .Mounts}}{{if eq .Destination "/etc/nginx"}}{{.Source}}{{end}}{{end}}'
        return Path(self.balancer().output(["docker", "inspect", "-f", form, "conf-data"]))

    def configured(self) -> Configured:
        form = "{{.State.Pid}}{{range .Mounts}} {{.Source}}{{end}}"
        find = f"read -r pid folder < <(docker inspect -f '{form}' {BALANCER}); file=$folder/nginx.conf"
        return read_configured(self.balancer().output(look_at(find), sudo=True))

    def requests(self, mark: str) -> str:
        return self.balancer().output(
            f"docker logs {BALANCER} 2>/dev/null | grep -F '/?{mark} ' || true", timeout=self.patience
        )

    def nginx(self) -> Nginx:
        """nginx's container and processes, as its machine counts them."""
        container, pid = (
            self.balancer().output(["docker", "inspect", "-f", "{{.Id}} {{.State.Pid}}", BALANCER]).split()
        )
        workers = self.balancer().output(f"cat /proc/{pid}/task/{pid}/children")
        return Nginx(container, int(pid), frozenset(int(worker) for worker in workers.split()))

    def destroy(self, *units: str) -> None:
        """Destroy units, also while etcd elects a leader: fleetctl fails then, and is asked again."""
        __tracebackhide__ = True
        eventually(
            lambda: self.lab.fleet.destroy(*units).ok,
            self.patience,
            f"fleetctl destroys {', '.join(units)}",
            ignoring=(MachineError,),
        )

    def kill_confd(self) -> None:
        """Kill confd's container; systemd makes another one, which looks at etcd at once."""
        __tracebackhide__ = True
        node = self.balancer()
        before = self.container_on(node, CONFD)
        node.run(["docker", "kill", CONFD])
        eventually(
            lambda: self.container_on(node, CONFD) != before,
            self.patience,
            "systemd has started confd again",
            ignoring=(MachineError,),
        )
