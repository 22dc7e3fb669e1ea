"""Every fault against rundock: a front that finds two dashboards by name, and one InfluxDB behind them."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from requests import RequestException

from lab.breakdown import Bound, Service
from lab.errors import MachineError
from lab.measurement import Stack
from lab.running import Lab
from lab.waiting import eventually
from scenarios.failover.cells import (
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
from scenarios.failover.stacks import EXPIRY, Times
from scenarios.guide import Reader
from scenarios.rundock.article import BACKS, FRONTS, GUIDE, KEYS, PLAYBOOKS, Site
from scenarios.setting import Setting

FRONT, SPARE = FRONTS  # whose page is asked for, and one that no request goes through: it leads etcd
DATA, OTHER = BACKS  # OTHER has a dashboard alone
SERVED = "from influxdb."  # on every page of the dashboard
WHO = r"served by (\S+)-grafana"
PATIENCE = (
    4.0  # seconds that a client has: nginx waits for one for a machine that is gone, and asks the other
)
LOOK = ("the announcer's next look", 5.0)  # after one that found nobody
TWICE = 2 * 2.0  # seconds: what has begun anew must answer two looks in a row
ASKS = 3.0  # seconds that the announcer waits for an answer
FOLLOWS = 1.0  # seconds for which nginx believes a name, and between two looks of nginx-srv, beside it
TTL = 60.0  # seconds that an announcement lives
SLACK = 5.0  # seconds that it may be late, and any part of an outage may take beyond its bound
GONE = TTL + SLACK + 1.0  # seconds after which a lost machine's announcement must have gone
# A machine that has no member of its own, and was parted from all, must find one again before its SkyDNS
# knows a name: its dashboard says 503 until then, which nginx takes for an answer.
KNOWS_AGAIN = (("etcd proxy's check", 2.0), ("SkyDNS's next try", 1.0))


def parted(known: Times) -> Parts:
    return (*KNOWS_AGAIN, *nothing(known))


def lossy(known: Times) -> Parts:
    return (*while_held(known), *KNOWS_AGAIN)


def withdrawn(known: Times) -> Parts:
    """Its own check finds that InfluxDB hangs, and takes its name away."""
    return (*while_held(known), LOOK)


def starts_again(known: Times) -> Parts:
    """runit starts the container again; its name is announced when it answers."""
    return known.back()


def boots_again(known: Times) -> Parts:
    """The machine loses power, and is given it back: etcd and SkyDNS come first, then what runit keeps."""
    return (
        ("held for", SHORT),
        ("boot", known.work),
        ("election, if it led", known.election),
        *known.back(),
    )


def reboots(known: Times) -> Parts:
    return (("shutdown and boot", 2 * known.work), ("election, if it led", known.election), *known.back())


CELLS = (
    Cell("reboot", OTHER, parted),
    Cell("power-loss", OTHER, parted, GONE),
    Cell("partition", OTHER, parted, SHORT),
    Cell("pause", OTHER, while_held, SHORT),
    Cell("mute", OTHER, parted, SHORT),
    Cell("deaf", OTHER, parted, SHORT),
    Cell("loss", OTHER, lossy, SHORT),
    Cell("latency", OTHER, nothing, SHORT),
    Cell("leader-lost", "leader", nothing, SHORT),
    Cell("docker-killed", OTHER, nothing, SHORT),
    Cell("container-killed", f"{OTHER}:grafana", nothing, SHORT),
    Cell("container-paused", f"{OTHER}:grafana", while_held, SHORT),
    Cell("disk-full", OTHER, nothing, SHORT),
    Cell("clock-step", OTHER, nothing, SHORT),
    Cell("power-loss", DATA, boots_again, SHORT, told=True, night=False),
    Cell("reboot", DATA, reboots, told=True),
    Cell("partition", DATA, while_held, SHORT),
    Cell("docker-killed", DATA, docker_restarts, SHORT),
    Cell("container-killed", f"{DATA}:influxdb", starts_again),
    Cell("container-paused", f"{DATA}:influxdb", withdrawn, SHORT),
    Cell("reboot", FRONT, reboots, told=True),
    Cell("power-loss", FRONT, boots_again, SHORT, told=True),
    Cell("partition", FRONT, while_held, SHORT),
    Cell("member-stopped", FRONT, nothing, SHORT),
    Cell("pause", FRONT, while_held, SHORT),
    Cell("process-killed", f"{FRONT}:nginx.service", until_healed, SHORT),
    Cell("blackout", "all", boots_again, SHORT, told=True),
)


@pytest.fixture(scope="module")
def site(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The article as its guide builds it, with a point in InfluxDB."""
    if shutil.which("ansible-playbook") is None and not Path(sys.executable).with_name("ansible").exists():
        pytest.fail("no Ansible here: `pip install ansible-core`, or use ./run failover", pytrace=False)
    tools = tmp_path_factory.mktemp("tools")
    made = Site(lab, Reader(lab, GUIDE, tools), tools)
    made.playbook(*PLAYBOOKS)
    made.wait_for_names("grafana", *(made.address(name) for name in BACKS))
    made.write_point(0.5)
    return made


def service(cell: Cell) -> Service:
    """Whom the fault hits: the front's nginx, a dashboard, or else InfluxDB, which every page needs."""
    follows = (f"{FRONT}:nginx-srv",)
    if cell.target.startswith(FRONT):
        return Service("nginx.service", (), follows)
    name, machine = ("grafana", OTHER) if cell.target.startswith(OTHER) else ("influxdb", DATA)
    # an announcer that begins anew writes what may still be there
    return Service(f"{machine}:{name}", (f"{KEYS}/{name}/{machine}",), follows, ("set", "refreshed"))


def bounds(cell: Cell) -> dict[str, Bound]:
    """What is configured of the parts; runit starts again at once, and nginx has no key."""
    follows = {"reconfiguration": Bound(FOLLOWS, "nginx's resolver and nginx-srv, every 1 s")}
    if cell.target.startswith(FRONT):
        return follows
    lost = Bound(TTL + EXPIRY, "the announcement's TTL, etcd's expiry")
    silent = Bound(LOOK[1] + ASKS, "the announcer's look, every 5 s, and its patience of 3 s")
    return {
        "detection": silent if cell.fault == "container-paused" else lost,
        "registration": Bound(TWICE, "the announcer's look, every 2 s, twice"),
        "first answer": Bound(FOLLOWS, "it serves when it is announced; nginx's resolver, every 1 s"),
        **follows,
    }


def stack(site: Site, cell: Cell) -> Stack:
    """The front's page; `ready` when both dashboards are announced and serve."""
    url = site.front(FRONT)

    def both() -> bool:
        served = {site.page(url).partition("served by ")[2].partition("-grafana")[0] for _ in range(10)}
        if served != set(BACKS):
            raise MachineError(f"{sorted(served)} serve")
        return True

    def ready() -> None:
        site.wait_for_names("grafana", *(site.address(name) for name in BACKS))
        eventually(both, site.patience, "both dashboards serve", ignoring=(MachineError, RequestException))
        Setting(site.lab, site.reader).lead(site.lab[SPARE])

    return Stack(
        "rundock",
        lambda: url,
        SERVED,
        lambda: service(cell),
        bounds=bounds(cell),
        backend=WHO,
        key_ttl=TTL if (cell.fault, cell.target) == ("power-loss", OTHER) else None,
        slack=SLACK,
        interval=site.interval,
        timeout=PATIENCE,
        ready=ready,
    )


@pytest.mark.claim("F1", "F2")
@named(CELLS)
def test_clients_of_rundock(site: Site, measured: Measured, cell: Cell, repetition: int) -> None:
    check(site.lab, stack(site, cell), cell, measured, LOOK)
