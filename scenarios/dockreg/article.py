"""The dockreg article as its tests see it: hosts that join, instances that register, and who answers."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab import lifecycle
from lab.etcd import EtcdFailed
from lab.waiting import eventually
from scenarios.setting import Setting

FOLDER = Path(__file__).parent
GUIDE = FOLDER / "README.md"
HOSTS = ("host-1", "host-2", "host-3")
BALANCER = "host-1"  # runs HAProxy
TTL, INTERVAL, LIMIT = 20.0, 5.0, 3.0  # dockreg's, in seconds
RUN = (
    "docker run -d -p 8000 -v /var/run/docker.sock:/var/run/docker.sock -e IP={ip} --link etcd:etcd "
    "local/dockreg"
)
# HAProxy's time-outs where a machine in software emulation is busy for seconds with the start of a container
SLOWLY = "docker run -e HAPROXY_CONNECT=5s -e HAPROXY_SERVER=20s -e HAPROXY_CHECK=10s -e HAPROXY_DRAIN=60s"
GREETING = r"Hello from (\w+)"
LOOK = 0.02  # seconds between two looks at what a test puts a time on
# etcd's leader looks for expired keys every 500 ms; then one round of raft, and our own look.
EXPIRY_ERROR, EXPIRY_ERROR_EMULATED = 1.5, 10.0
# From a change of the keys to a HAProxy that knows it: confd's watch, HAProxy's check of its configuration
# and the start of a worker take 0.2 s on an idle host. Changes may queue up, and the host is busy.
NOTICED, NOTICED_EMULATED = 2.0, 30.0


@dataclass(frozen=True)
class Instance:
    """A container of local/dockreg: `id` is whole, `address` is IP:PORT as it is registered."""

    host: str
    id: str
    address: str

    @property
    def name(self) -> str:
        """As the application calls itself."""
        return self.id[:12]

    @property
    def key(self) -> str:
        return f"/service/{self.address}"

    @property
    def url(self) -> str:
        return f"http://{self.address}/"


@dataclass(frozen=True)
class Expiry:
    """How a key went, in moments (monotonic): when the last look that saw it was begun and done, and when it
    was gone. `left` are the whole seconds that it still had at that look.
    """

    asked: float
    left: int
    told: float
    gone: float


class Dockreg(Setting):
    """The article on a lab, as far as it has come."""

    @property
    def expiry_error(self) -> float:
        """Seconds by which etcd may be late to let a key go."""
        return EXPIRY_ERROR_EMULATED if self.lab.provider.emulated else EXPIRY_ERROR

    @property
    def noticed(self) -> float:
        """Seconds after which HAProxy knows of a change of the keys."""
        return NOTICED_EMULATED if self.lab.provider.emulated else NOTICED

    @property
    def public(self) -> str:
        """Where a user finds the service: HAProxy's public address."""
        return f"http://{self.lab.specs[BALANCER].machine.public}/"

    def bring_up(self, *hosts: str) -> None:
        """Have these hosts in the lab, each with the image and the way to etcd that the guide gives them."""
        for host in hosts:
            if host not in self.lab.specs:
                self.join(host)
        with ThreadPoolExecutor(len(hosts)) as pool:
            list(pool.map(self.equip, hosts))

    def equip(self, host: str) -> None:
        """Give a host the image and the way to etcd, if it has them not."""
        if not self.lab[host].run("docker start etcd", check=False, timeout=self.patience).ok:
            self.build(host)
            self.reader.types("etcd", on=host)

    def join(self, host: str) -> None:
        """Type the guide's step that brings host-2 up, for `host`."""
        self.reader.types("join", instead={"host-2": host})
        self.follow()

    def follow(self) -> None:
        """Know the machines that a typed step has brought or taken."""
        fresh = lifecycle.open_lab(self.lab.name)
        self.lab.follow(fresh.record, fresh.specs.values())

    def build(self, host: str) -> None:
        """Type the guide's step that builds the image on host-1, for `host`."""
        self.reader.types("build", instead={"host-1": host})

    def balance(self) -> None:
        """Have HAProxy run on its host."""
        if not self.lab[BALANCER].run("docker start haproxy", check=False, timeout=self.patience).ok:
            self.reader.types("build-haproxy")
            self.reader.types("haproxy", instead={"docker run": SLOWLY} if self.lab.provider.emulated else {})

    def start(self, host: str, options: str = "") -> Instance:
        """Run an instance as the guide does, with further `options` of docker run."""
        node = self.lab[host]
        ip = self.address(node)
        command = RUN.format(ip=ip).replace(
            "docker run", f"docker run {options}" if options else "docker run"
        )
        script = f'id=$({command}) && echo "$id" && docker port "$id" 8000'
        return _instance(host, ip, node.output(script, timeout=self.patience).splitlines())

    def newest(self, host: str) -> Instance:
        """The instance that was started last on a host."""
        node = self.lab[host]
        script = 'id=$(docker ps --quiet --no-trunc --latest) && echo "$id" && docker port "$id" 8000'
        return _instance(host, self.address(node), node.output(script).splitlines())

    def inside(self, instance: Instance, command: str) -> str:
        """Run a shell command in an instance's container; returns what it printed."""
        node = self.lab[instance.host]
        return node.output(["docker", "exec", instance.id, "sh", "-c", command], timeout=self.patience)

    def registered(self, instance: Instance, member: str = "") -> bool:
        """What the whole cluster agrees on; with `member` what that one knows, which may lag behind."""
        key = self.lab.etcd.get(instance.key, member=member, quorum=not member)
        return key is not None and key.value == "running"

    def wait_registered(self, *instances: Instance) -> None:
        """Return when etcd has all of them."""
        __tracebackhide__ = True
        for one in instances:
            eventually(
                lambda one=one: self.registered(one),  # type: ignore[misc]
                self.patience,
                f"{one.key} is there",
                ignoring=(EtcdFailed,),
            )

    def addresses(self, member: str = "") -> set[str]:
        """What is registered, as IP:PORT."""
        return {key.name.removeprefix("/service/") for key in self.lab.etcd.keys("/service", member=member)}

    def gone_at(self, instance: Instance, within: float, member: str = "") -> float:
        """The moment (monotonic) at which etcd no longer has an instance's key."""
        __tracebackhide__ = True
        return eventually(
            lambda: None if self.registered(instance, member) else time.monotonic(),
            within,
            f"{instance.key} is gone",
            every=LOOK,
            ignoring=(EtcdFailed,),
        )

    def expiry(self, instance: Instance, within: float) -> Expiry:
        """Look at an instance's key, which is there, until it is gone.

        What is judged by the last look bears a host that stands still between a kill and the next command.
        """
        __tracebackhide__ = True
        seen: list[tuple[float, int, float]] = []

        def gone() -> float | None:
            asked = time.monotonic()
            key = self.lab.etcd.get(instance.key, quorum=True)
            told = time.monotonic()
            if key is None or key.ttl is None:
                return told
            seen.append((asked, key.ttl, told))
            return None

        moment = eventually(gone, within, f"{instance.key} is gone", ignoring=(EtcdFailed,))
        assert seen, f"{instance.key} was not there at all"
        return Expiry(*seen[-1], moment)

    def refreshed_at(self, instance: Instance, member: str = "") -> float:
        """The moment (monotonic, to within a look) at which an instance's key has just been prolonged."""
        __tracebackhide__ = True

        def index() -> int:
            key = self.lab.etcd.get(instance.key, member=member)
            return key.modified if key else 0

        before = eventually(index, self.patience, f"{instance.key} is there", ignoring=(EtcdFailed,))
        return eventually(
            lambda: time.monotonic() if index() > before else None,
            INTERVAL + self.patience,
            f"{instance.key} is prolonged",
            every=LOOK,
            ignoring=(EtcdFailed,),
        )

    def clear(self) -> None:
        """Remove every instance and its key, stopped as docker stop does; HAProxy stays."""
        script = (
            "ids=$(docker ps --all --quiet --filter ancestor=local/dockreg); echo $ids | "
            "xargs -r -n 1 -P 8 docker stop --time 5 && echo $ids | xargs -r docker rm --force"
        )
        with ThreadPoolExecutor(len(HOSTS)) as pool:
            list(pool.map(lambda node: node.run(script, timeout=self.patience), self.lab))
        for key in self.lab.etcd.keys("/service"):
            self.lab.etcd.delete(key.name)

    @contextmanager
    def frozen(self, instance: Instance, name: str) -> Iterator[None]:
        """A process of a container gets no time: it keeps its sockets, and whoever connects waits."""
        node = self.lab[instance.host]
        listed = node.output(f"docker top {instance.id} -eo pid,args").splitlines()
        (pid,) = (line.split()[0] for line in listed if name in line)
        node.run(["kill", "-STOP", pid], sudo=True)
        try:
            yield
        finally:
            node.run(["kill", "-CONT", pid], sudo=True, check=False)

    def supervised(self, instance: Instance) -> dict[str, str]:
        """The processes that supervisord keeps, by name, with their ids in the container."""
        listed = self.inside(instance, "supervisorctl status; true")
        rows = [line.split() for line in listed.splitlines()]
        return {row[0]: row[3].rstrip(",") for row in rows if row[1] == "RUNNING"}

    def process(self, instance: Instance, name: str) -> str:
        """The id, in its container, of a process that supervisord counts as running."""
        __tracebackhide__ = True
        return eventually(
            lambda: self.supervised(instance).get(name), self.patience, f"{name} of {instance.name} runs"
        )

    def inspect(self, instance: Instance) -> dict[str, object]:
        """Docker's own description of an instance."""
        found: dict[str, object] = json.loads(
            self.lab[instance.host].output(["docker", "inspect", instance.id])
        )[0]
        return found


def _instance(host: str, ip: str, lines: list[str]) -> Instance:
    """Of a host, from the id and the mapping that Docker printed (`0.0.0.0:32768`)."""
    return Instance(host, lines[0], f"{ip}:{lines[1].rpartition(':')[2]}")
