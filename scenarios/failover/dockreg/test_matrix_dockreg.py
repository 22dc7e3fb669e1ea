"""Every fault against dockreg with HAProxy: three instances, which nobody but a person starts again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from lab.breakdown import Bound, Service
from lab.errors import MachineError
from lab.measurement import Stack
from lab.node import Node
from lab.running import Lab
from lab.waiting import eventually
from scenarios.dockreg.article import BALANCER, GREETING, GUIDE, HOSTS, TTL, Dockreg
from scenarios.failover.cells import (
    DOCKER_STOP,
    SHORT,
    Cell,
    Measured,
    Parts,
    check,
    docker_restarts,
    named,
    nothing,
    until_healed,
    while_held,
)
from scenarios.failover.stacks import CHECK, EXPIRY, Times, times
from scenarios.guide import Reader

ON_INSTANCE = "host-2"
INSTANCE = "web"  # the container's name, on each host
LOOK = 0.5  # seconds between two looks of dockreg at an instance that has yet to answer
SLACK = 5.0  # seconds that a key may be late, and any part of an outage may take beyond its bound
GONE = TTL + SLACK + 1.0  # seconds after which the key of a lost host's instance must have gone
FALL = 2  # checks that must fail until HAProxy takes a server that takes connections for dead
CHECK_TIMEOUT, CHECK_TIMEOUT_EMULATED = 1.0, 10.0


def hangs(known: Times) -> Parts:
    """An instance takes connections and says nothing: only HAProxy's checks tell."""
    timeout = CHECK_TIMEOUT_EMULATED if known.emulated else CHECK_TIMEOUT
    checks = (f"{FALL} checks that fail", FALL * (CHECK[1] + timeout))
    return (checks, *nothing(known))


def out_of_touch(known: Times) -> Parts:
    """HAProxy cannot ask its servers, and takes them for dead by then: its next check finds them again."""
    return (*while_held(known), CHECK)


def reboots(known: Times) -> Parts:
    """HAProxy's host: Docker stops its containers, and a person starts them after the boot."""
    return (("docker stop", DOCKER_STOP), ("boot", known.work), *known.back())


def boots_again(known: Times) -> Parts:
    """The same without a goodbye. HAProxy's container still has its configuration."""
    return (("held for", SHORT), ("boot", known.work), *known.back())


def cold_start(known: Times) -> Parts:
    """All instances get new ports, so that their keys must be written before anybody can be asked."""
    return (
        ("held for", SHORT),
        ("boot", known.work),
        ("election", known.election),
        ("start of the instances", known.work),
        ("dockreg's look", LOOK),
        *known.back(),
    )


CELLS = (
    Cell("reboot", ON_INSTANCE, nothing),
    Cell("power-loss", ON_INSTANCE, nothing, GONE),
    Cell("partition", ON_INSTANCE, nothing, SHORT),
    Cell("pause", ON_INSTANCE, hangs, SHORT),
    Cell("mute", ON_INSTANCE, nothing, SHORT),
    Cell("deaf", ON_INSTANCE, nothing, SHORT),
    Cell("loss", ON_INSTANCE, while_held, SHORT),
    Cell("latency", ON_INSTANCE, nothing, SHORT),
    Cell("leader-lost", "leader", nothing, SHORT),
    Cell("member-stopped", "follower", nothing, SHORT),
    Cell("docker-killed", ON_INSTANCE, nothing, SHORT),
    Cell("container-killed", f"{ON_INSTANCE}:{INSTANCE}", nothing, SHORT),
    Cell("container-paused", f"{ON_INSTANCE}:{INSTANCE}", hangs, SHORT),
    Cell("process-killed", f"{ON_INSTANCE}:etcd.service", nothing, SHORT),
    Cell("disk-full", ON_INSTANCE, nothing, SHORT),
    Cell("clock-step", "follower", nothing, SHORT),
    Cell("reboot", BALANCER, reboots, SHORT, told=True),
    Cell("power-loss", BALANCER, boots_again, SHORT, told=True, night=False),
    Cell("partition", BALANCER, out_of_touch, SHORT),
    Cell("pause", BALANCER, out_of_touch, SHORT),
    Cell("process-killed", f"{BALANCER}:etcd.service", nothing, SHORT),
    Cell("docker-killed", BALANCER, docker_restarts, SHORT),
    Cell("container-killed", f"{BALANCER}:haproxy", until_healed, SHORT),
    Cell("container-paused", f"{BALANCER}:haproxy", out_of_touch, SHORT),
    Cell("blackout", "all", cold_start, SHORT, told=True),
)


@pytest.fixture(scope="module")
def site(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Dockreg:
    """Three hosts with an instance each, and HAProxy on the first."""
    made = Dockreg(lab, Reader(lab, GUIDE, tmp_path_factory.mktemp("tools")))
    made.bring_up(*HOSTS)
    made.balance()
    made.clear()
    for host in HOSTS:
        made.start(host, f"--name {INSTANCE}")
    return made


def service(site: Dockreg, cell: Cell) -> Service:
    """Whom the fault hits: HAProxy, which is found by its address, or an instance, by its key."""
    balancer = f"{BALANCER}:haproxy"
    if not cell.target.startswith(ON_INSTANCE):
        return Service(balancer, (), (balancer,))
    address = site.address(site.lab[ON_INSTANCE])
    return Service(f"{ON_INSTANCE}:{INSTANCE}", (f"/service/{address}:",), (balancer,))


def bounds(known: Times, cell: Cell) -> dict[str, Bound]:
    """What is configured. A person finds out that HAProxy has ended, and starts it: nothing bounds that."""
    checks = hangs(known)[0]
    found = {"reconfiguration": Bound(checks[1], checks[0])}
    if cell.target.startswith(ON_INSTANCE):
        found["detection"] = Bound(TTL + EXPIRY, "the key's TTL, etcd's expiry")
        found["registration"] = Bound(LOOK, "dockreg's look, every 0.5 s until it has registered")
    return found


def stack(site: Dockreg, cell: Cell) -> Stack:
    """No container is started by itself: `mend` does what a person would, the way to etcd first."""

    def start(node: Node) -> None:
        last = " haproxy" if node.name == BALANCER else ""
        command = f"docker start etcd && docker start {INSTANCE}{last}"
        eventually(
            lambda: node.run(command, timeout=site.patience).ok,
            site.patience,
            f"the containers of {node.name} are started",
            ignoring=(MachineError,),
        )

    def mend() -> None:
        with ThreadPoolExecutor(len(HOSTS)) as pool:
            list(pool.map(start, site.lab))

    def address(host: str) -> str:
        node = site.lab[host]
        port = node.output(["docker", "port", INSTANCE, "8000"]).splitlines()[0].rpartition(":")[2]
        return f"{site.address(node)}:{port}"

    def everyone_serves() -> bool:
        wanted = {address(host) for host in HOSTS}
        answers = {site.page(site.public) for _ in range(2 * len(HOSTS))}
        if site.addresses() != wanted or len(answers) != len(HOSTS):
            raise MachineError(f"{sorted(site.addresses())} are registered, {sorted(answers)} answer")
        return True

    def ready() -> None:
        mend()
        eventually(
            everyone_serves,
            TTL + site.patience,
            "all instances serve",
            ignoring=(MachineError, OSError),
        )

    return Stack(
        "dockreg",
        lambda: site.public,
        "Hello from",
        lambda: service(site, cell),
        bounds=bounds(times(site.lab), cell),
        backend=GREETING,
        # an instance that lives prolongs its key without a word to those who watch it
        key_ttl=TTL if (cell.fault, cell.target) == ("power-loss", ON_INSTANCE) else None,
        slack=SLACK,
        ready=ready,
        mend=mend,
    )


@pytest.mark.claim("F1", "F2")
@named(CELLS)
def test_clients_of_dockreg_and_haproxy(
    site: Dockreg, measured: Measured, cell: Cell, repetition: int
) -> None:
    check(site.lab, stack(site, cell), cell, measured, CHECK)
