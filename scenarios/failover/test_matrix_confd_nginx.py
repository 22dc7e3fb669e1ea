"""Every fault against confd with Nginx: two web servers, and a load balancer that has nowhere else to go."""

from __future__ import annotations

import pytest

from lab.breakdown import Bound, Service
from lab.measurement import Stack
from lab.running import Lab
from scenarios.balanced import PAGE
from scenarios.confd_nginx.article import BALANCER, CONNECT, ENTRIES, GUIDE, LOOK, PASS, TTL, Article
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
    reboots,
    until_healed,
    while_held,
)
from scenarios.failover.stacks import ENGINE, EXPIRY, Times, placed_by_fleet, start_dead, times
from scenarios.guide import Reader

SERVER, SIDEKICK = "apache@7777.service", "apache-discovery@7777.service"
UNITS = (SERVER, SIDEKICK, "apache@8888.service", "apache-discovery@8888.service", BALANCER)
ON_SERVER, ON_BALANCER = f"machine_of({SERVER})", f"machine_of({BALANCER})"
# Seconds until nginx's upstream is without a lost machine; fleet has no other place for its server.
GONE = TTL + EXPIRY + PASS
# A client has time for nginx to ask the other server. One who gives up as soon as nginx does is all that it
# hears of: it takes that for the end of any request, and the server for alive.
PATIENCE = 2 * CONNECT
AGAIN = ("confd's next try", 5.0)  # if there is no valid configuration yet when the container starts


def etcd_returns(known: Times) -> Parts:
    """The article's own weakness: what requires etcd is stopped along with it."""
    return (("held for", SHORT), ("election, if it led", known.election), *known.back())


def cold_start(known: Times) -> Parts:
    """Entries may run out meanwhile; a sidekick writes its own when it looks again."""
    return (
        ("held for", SHORT),
        ("boot", known.work),
        ("election", known.election),
        ("fleet.agent_ttl", known.agent_ttl),
        ("engine's pass", ENGINE),
        ("start of the servers", known.work),
        ("a sidekick's look", LOOK),
        *known.back(),
    )


CELLS = (
    Cell("reboot", ON_SERVER, nothing),
    Cell("power-loss", ON_SERVER, nothing, GONE + 2),
    Cell("partition", ON_SERVER, nothing, SHORT),
    Cell("pause", ON_SERVER, while_held, SHORT),
    Cell("mute", ON_SERVER, nothing, SHORT),
    Cell("deaf", ON_SERVER, nothing, SHORT),
    Cell("loss", ON_SERVER, while_held, SHORT),
    Cell("latency", ON_SERVER, nothing, SHORT),
    Cell("member-stopped", ON_SERVER, nothing, SHORT),
    Cell("docker-killed", ON_SERVER, nothing, SHORT),
    Cell("container-killed", f"{ON_SERVER}:apache.7777", nothing, SHORT),
    Cell("container-paused", f"{ON_SERVER}:apache.7777", while_held, SHORT),
    Cell("process-killed", f"{ON_SERVER}:{SIDEKICK}", nothing, SHORT),
    Cell("process-killed", f"{ON_SERVER}:fleet.service", nothing, SHORT),
    Cell("disk-full", ON_SERVER, nothing, SHORT),
    Cell("clock-step", "follower", nothing, SHORT),
    Cell("reboot", ON_BALANCER, reboots, told=True),
    Cell("power-loss", ON_BALANCER, boots_again, SHORT, told=True, night=False),
    Cell("partition", ON_BALANCER, cut_off, SHORT),
    Cell("pause", ON_BALANCER, while_held, SHORT),
    Cell("leader-lost", ON_BALANCER, etcd_returns, SHORT),
    Cell("docker-killed", ON_BALANCER, docker_restarts, SHORT),
    Cell("container-killed", f"{ON_BALANCER}:nginx_lb", until_healed, SHORT),
    Cell("container-paused", f"{ON_BALANCER}:nginx_lb", while_held, SHORT),
    Cell("process-killed", f"{ON_BALANCER}:fleet.service", nothing, SHORT),
    Cell("blackout", "all", cold_start, SHORT, told=True, front_boots=True),
)


@pytest.fixture(scope="module")
def site(fresh_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Article:
    """The article as its guide sets it up."""
    made = Article(fresh_lab, Reader(fresh_lab, GUIDE, tmp_path_factory.mktemp("tools")))
    made.set_up()
    return made


def hits_server(cell: Cell) -> bool:
    return cell.target.startswith(ON_SERVER)


def service(site: Article, cell: Cell) -> Service:
    """Whom the fault hits: the load balancer, which no key tells of, or a web server, by its entry."""
    if not hits_server(cell):
        return Service(BALANCER, (), (BALANCER,))
    entry = f"{ENTRIES}/{site.address(site.machine_of(SERVER))}"
    return Service(SERVER, (entry,), (BALANCER,))


def bounds(known: Times, cell: Cell) -> dict[str, Bound]:
    """What is configured of the parts."""
    if not hits_server(cell):
        again = Bound(AGAIN[1], "confd's next try, every 5 s until there is a configuration")
        if cell.fault == "blackout":  # entries have run out, and a sidekick may have looked too early
            again = Bound(LOOK + again.seconds, f"the sidekick's look, every 20 s, {again.source}")
        return {**placed_by_fleet(known), "reconfiguration": again}
    return {
        **placed_by_fleet(known),
        "registration": Bound(LOOK, "the sidekick's look, every 20 s"),
        "reconfiguration": Bound(PASS, "confd's pass, every 10 s"),
    }


def stack(site: Article, cell: Cell) -> Stack:
    """Two web servers behind nginx; `ready` when both are in its upstream again."""

    def ready() -> None:
        start_dead(site.lab, UNITS)
        everyone = (site.backend(7777), site.backend(8888))
        site.wait_for_upstream(*everyone, within=LOOK + PASS + site.patience)
        site.wait_for_all(*everyone)
        site.lead(site.machine_of(BALANCER))

    return Stack(
        "confd-nginx",
        site.public_url,
        PAGE,
        lambda: service(site, cell),
        UNITS,
        bounds(times(site.lab, AGAIN), cell),
        # a sidekick that lives writes its entry anew before that
        key_ttl=TTL if hits_server(cell) else None,
        timeout=PATIENCE,
        ready=ready,
    )


@pytest.mark.claim("F1", "F2")
@named(CELLS)
def test_clients_of_confd_and_nginx(site: Article, measured: Measured, cell: Cell, repetition: int) -> None:
    check(site.lab, stack(site, cell), cell, measured, AGAIN)
