"""Every fault against nginx with a data volume: keys without a TTL, and a confd that looks once a minute."""

from __future__ import annotations

import pytest

from lab.breakdown import Bound, Service
from lab.measurement import Stack
from lab.running import Lab
from lab.waiting import eventually
from scenarios.balanced import PAGE
from scenarios.coreos_lb.article import BALANCER, CONFD, GUIDE, KEYS, PASS, Article
from scenarios.failover.cells import (
    SHORT,
    Cell,
    Measured,
    Parts,
    boots_again,
    check,
    cut_off,
    docker_restarts,
    named,
    nothing,
    while_held,
)
from scenarios.failover.stacks import ENGINE, Times, placed_by_fleet, start_dead, times
from scenarios.guide import Reader

PORTS = (8001, 8002)
SERVER = "apache@8001.service"
OTHER = "apache@8002.service"
UNITS = (SERVER, OTHER, CONFD, BALANCER)  # those that run; confdata.service has ended, as it is to
ON_SERVER, ON_BALANCER = f"machine_of({SERVER})", f"machine_of({BALANCER})"
CONNECT = 60.0  # seconds that nginx waits for a connection: its own default
PATIENCE = 5.0  # seconds that a client has: the kernel says after three that there is no such machine
STOP = 20.0  # seconds after which systemd kills what it stops, on the lab's machines
# systemd's RestartSec, its own default; the unit has Restart=on-failure
RESTART = ("systemd's restart", 0.1)


def lost(known: Times) -> Parts:
    """A server's machine is gone, and nginx waits for it as long as its default says."""
    return (("proxy_connect_timeout", CONNECT), *nothing(known))


def away_for_a_boot(known: Times) -> Parts:
    """The key goes at once, and the upstream does not: requests hang until the machine is there to refuse."""
    return (("boot", known.work), *nothing(known))


def restarts(known: Times) -> Parts:
    return (RESTART, *known.back())


def docker_waits(known: Times) -> Parts:
    """Docker's restart waits for the stop of confd, whose own restart waits for Docker: systemd ends that."""
    return docker_restarts(known, ("DefaultTimeoutStopSec", STOP))


def cold_start(known: Times) -> Parts:
    """The volume is made anew, with the image's own configuration in it until confd has looked."""
    return (
        ("held for", SHORT),
        ("boot", known.work),
        ("election", known.election),
        ("fleet.agent_ttl", known.agent_ttl),
        ("engine's pass", ENGINE),
        ("confd's pass", PASS),
        *known.back(),
    )


def new_volume(known: Times) -> Parts:
    """The same on nginx's machine alone."""
    return (*boots_again(known), ("confd's pass", PASS))


# Not here: a reboot of nginx's machine. fleet moves nginx then, to an address that no client has been told.
CELLS = (
    Cell("reboot", ON_SERVER, away_for_a_boot),
    Cell("power-loss", ON_SERVER, lost),
    Cell("partition", ON_SERVER, while_held, SHORT),
    Cell("pause", ON_SERVER, while_held, SHORT),
    Cell("mute", ON_SERVER, while_held, SHORT),
    Cell("deaf", ON_SERVER, while_held, SHORT),
    Cell("loss", ON_SERVER, while_held, SHORT),
    Cell("latency", ON_SERVER, nothing, SHORT),
    Cell("leader-lost", ON_BALANCER, nothing, SHORT),
    Cell("member-stopped", ON_SERVER, nothing, SHORT),
    Cell("docker-killed", ON_SERVER, nothing, SHORT),
    Cell("container-killed", f"{ON_SERVER}:apache-8001", nothing, SHORT),
    Cell("container-paused", f"{ON_SERVER}:apache-8001", while_held, SHORT),
    Cell("process-killed", f"{ON_SERVER}:{SERVER}", nothing, SHORT),
    Cell("process-killed", f"{ON_SERVER}:fleet.service", nothing, SHORT),
    Cell("disk-full", ON_SERVER, nothing, SHORT),
    Cell("clock-step", "follower", nothing, SHORT),
    Cell("power-loss", ON_BALANCER, new_volume, SHORT, told=True, night=False, front_boots=True),
    Cell("partition", ON_BALANCER, cut_off, SHORT),
    Cell("pause", ON_BALANCER, while_held, SHORT),
    Cell("docker-killed", ON_BALANCER, docker_waits, SHORT),
    Cell("container-killed", BALANCER, restarts),
    Cell("container-killed", CONFD, nothing, SHORT),
    Cell("container-paused", BALANCER, while_held, SHORT),
    Cell("blackout", "all", cold_start, SHORT, told=True, front_boots=True),
)


@pytest.fixture(scope="module")
def site(fresh_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Article:
    """The article as its guide sets it up."""
    made = Article(fresh_lab, Reader(fresh_lab, GUIDE, tmp_path_factory.mktemp("tools")))
    made.set_up()
    return made


def service(cell: Cell) -> Service:
    """Whom the fault hits: nginx, which no key tells of, or a web server, by its key, which has no TTL."""
    if not cell.target.startswith(ON_SERVER):
        return Service(BALANCER, (), (CONFD, BALANCER))
    return Service(SERVER, (f"{KEYS}/apache-{PORTS[0]}",), (CONFD, BALANCER))


def stack(site: Article, cell: Cell) -> Stack:
    """Two web servers behind nginx; `ready` when each of the three has a machine, and nginx knows both."""

    def apart() -> None:
        """A server that fleet has moved beside another goes to the empty machine, which fleet takes first."""
        for unit in (SERVER, OTHER):
            others = {site.machine_of(other).name for other in (BALANCER, SERVER, OTHER) if other != unit}
            if site.machine_of(unit).name in others:
                site.lab.fleet.ctl("unload", unit)
                site.lab.fleet.ctl("start", unit)
                site.lab.fleet.wait_running(unit, within=site.patience)

    def ready() -> None:
        start_dead(site.lab, UNITS)
        apart()
        wanted = {site.backend(port) for port in PORTS}
        if site.upstream() != wanted:
            eventually(lambda: site.entries() == wanted, site.patience, "both keys are there")
            site.kill_confd()  # rather than wait a minute for its next pass
            site.wait_for_upstream(*wanted, within=site.slack + site.patience)
        site.wait_for_all(*wanted)
        site.lead(site.machine_of(BALANCER))

    return Stack(
        "coreos-lb",
        site.public_url,
        PAGE,
        lambda: service(cell),
        UNITS,
        {
            **placed_by_fleet(times(site.lab)),
            "reconfiguration": Bound(PASS, "confd's pass, every 60 s"),
        },
        timeout=PATIENCE,
        ready=ready,
    )


@pytest.mark.claim("F1", "F2")
@named(CELLS)
def test_clients_of_nginx_with_a_data_volume(
    site: Article, measured: Measured, cell: Cell, repetition: int
) -> None:
    check(site.lab, stack(site, cell), cell, measured)
