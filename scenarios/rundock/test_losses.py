"""What goes wrong, what it costs, and the article's two weaknesses with their cures."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from requests import RequestException

from lab import faults, judge
from lab.errors import MachineError
from lab.health import Void
from lab.probe import Probe
from lab.waiting import eventually
from scenarios.rundock.article import BACKS, DASHBOARD, FRONTS, Site

TTL = 60
LATE, LATE_EMULATED = 5.0, 30.0  # seconds that etcd and SkyDNS may add to a TTL
OUTAGE_MS, OUTAGE_MS_EMULATED = 5000, 30000
RESOLVER = 30.0  # seconds that nginx waits for a name server, which it asks every five: its own default
ENOUGH, ENOUGH_EMULATED = 40, 10  # requests from which on it shows that they are answered
# Seconds between two requests to emulated machines: those that have waited for a name server come all at once
# when it is back, and each is a question to InfluxDB, which a dashboard gives two seconds for its answer.
RARELY = 1.0
SERVED = "from influxdb."  # on every page of the dashboard, before there is a point, too
FIGURE = Callable[[str, float, str], None]


@pytest.mark.claim("D9")
def test_a_lost_machine_leaves_dns_by_its_ttl_and_the_other_one_serves(site: Site, figure: FIGURE) -> None:
    emulated = site.lab.provider.emulated
    lost, left = "node-back-2", site.address("node-back-1")
    probe = Probe(
        site.front("node-front-1"),
        site.lab.namespace,
        expect=SERVED,
        interval=site.interval,
        timeout=10.0 if emulated else 4.0,
    )
    with probe:
        probe.wait_for_answer(within=site.patience)
        with faults.power_loss(site.lab, lost) as loss:
            eventually(
                lambda: site.ask("grafana") == [left],
                TTL + site.patience,
                "DNS names the other one alone",
                ignoring=(MachineError,),
            )
            gone = loss.elapsed()
            probe.wait_for_answer(within=site.patience, after=time.monotonic())
    worst = max((gap.ms for gap in probe.outages), default=0.0)
    budget = OUTAGE_MS_EMULATED if emulated else OUTAGE_MS
    slowest = max(sample.duration for sample in probe.samples if sample.ok) * 1000
    figure("the lost machine left DNS after", gone * 1000, "ms")
    figure("failed requests at the front", len(probe.failed), "")
    figure("worst outage at the front", worst, "ms")
    figure("slowest good answer", slowest, "ms")
    assert gone <= TTL + (LATE_EMULATED if emulated else LATE)
    if void := judge.undecided(worst, budget, probe.blind * 1000):
        raise Void("; ".join(void))
    assert worst <= budget, probe.summary()
    # runit starts what is enabled when the machine is back
    site.wait_for_names("grafana", *(site.address(name) for name in BACKS))


@pytest.mark.claim("D9")
def test_an_announcement_outlives_a_crash_loop_unless_the_announcer_asks(site: Site, figure: FIGURE) -> None:
    node = site.lab["node-back-2"]
    service = {
        "name": "flaky",
        "image": DASHBOARD["image"],
        "args": "--env-file /etc/flaky.env",
        "announce": 8099,
        "port": 80,
    }
    address = site.address(node.name)
    try:
        short = (
            40 if site.lab.provider.emulated else 8
        )  # it is renewed after three quarters, which takes time
        for check, ttl in (("none", short), ("tcp", TTL)):
            node.put("INFLUXDB_HOST=influxdb\nINFLUXDB_NAME=metrics\n", "/etc/flaky.env", sudo=True)
            assert site.module(node.name, state="enabled", check=check, ttl=ttl, **service).ok
            site.wait_for_names("flaky", address)
            node.put("INFLUXDB_NAME=metrics\n", "/etc/flaky.env", sudo=True)
            before = _ends(site)
            node.run("docker kill flaky", timeout=site.patience)
            broken = time.monotonic()
            eventually(lambda before=before: _ends(site) >= before + 3, site.patience, "a crash loop")  # type: ignore[misc]
            with pytest.raises(RequestException):
                site.page(f"http://{address}:8099/")
            if check == "none":
                # the article's own weakness: nobody answers, and DNS is told again and again who should
                last = site.key("flaky", node.name).modified
                eventually(
                    lambda last=last: site.key("flaky", node.name).modified > last,  # type: ignore[misc]
                    site.patience,
                    "it is announced again",
                )
                assert site.ask("flaky") == [address]
                continue
            eventually(lambda: not site.ask("flaky"), site.patience, "it is withdrawn")
            figure("a crash loop left DNS after", (time.monotonic() - broken) * 1000, "ms")
        for line in ("the container ended with 2", f"no answer from {address}:8099, withdrawn"):
            eventually(
                lambda line=line: line in node.output("cat /var/log/docker-flaky/current", sudo=True),  # type: ignore[misc]
                site.patience,
                f"{line!r} is in the log",
            )
    finally:
        site.module(node.name, state="absent", **service)


def _ends(site: Site) -> int:
    """How often runit has seen the container end."""
    return len(site.lab["node-back-2"].run("cat /run/rundock/flaky", check=False).stdout.splitlines())


@pytest.mark.claim("D10")
def test_nginx_follows_the_ports_of_srv_records_and_a_nailed_port_stays_behind(
    site: Site, figure: FIGURE
) -> None:
    asked = Probe(
        site.front("node-front-1", 8080),
        site.lab.namespace,
        expect=SERVED,
        interval=site.interval,
        timeout=10.0,
    )
    try:
        with asked as probe:
            probe.wait_for_answer(within=site.patience)
            for host in BACKS:  # one after the other: there is always one that serves
                assert site.dashboard(host, announce=8088).changed
                here = f"node-back-{host[-1]}.grafana.s.prod.example.com."
                eventually(
                    lambda here=here: f"10 50 8088 {here}" in site.ask("grafana", "SRV"),  # type: ignore[misc]
                    site.patience,
                    f"{here} is announced with its new port",
                )
            for front in FRONTS:
                eventually(
                    lambda front=front: SERVED in site.page(site.front(front, 8080)),  # type: ignore[misc]
                    site.patience,
                    f"{front} finds the new port",
                    ignoring=(RequestException,),
                )
                with pytest.raises(RequestException):
                    site.page(site.front(front))
        servers = "grep -o ':8088' /etc/nginx/srv/grafana.conf"
        eventually(
            lambda: site.lab["node-front-1"].run(servers, check=False).stdout.split() == [":8088", ":8088"],
            site.patience,
            "nginx-srv has written both new ports",
        )
        figure("failed requests while the port moved", len(probe.failed), "")
        figure("worst outage while the port moved", max((gap.ms for gap in probe.outages), default=0.0), "ms")
    finally:
        for host in BACKS:
            site.dashboard(host)
    for front in FRONTS:
        eventually(
            lambda front=front: SERVED in site.page(site.front(front)),  # type: ignore[misc]
            site.patience,
            f"{front} serves again by the nailed port",
            ignoring=(RequestException,),
        )


@pytest.mark.claim("F1")
@pytest.mark.parametrize("what", ["the announcer", "the front's name server"])
def test_no_client_notices_the_death_of(site: Site, what: str, figure: FIGURE) -> None:
    """Whoever keeps it starts it again, and what it had said is still there."""
    node = site.lab["node-back-2" if what == "the announcer" else "node-front-1"]
    if what == "the announcer":
        find = "sv status /etc/service/docker-grafana/services/announce | sed 's/.*(pid \\([0-9]*\\)).*/\\1/'"
    else:
        find = "systemctl show --value --property=MainPID skydns"
    probe = Probe(
        site.front("node-front-1"),
        site.lab.namespace,
        expect=SERVED,
        interval=RARELY if site.lab.provider.emulated else site.interval,
        timeout=RESOLVER,
    )
    enough = ENOUGH_EMULATED if site.lab.provider.emulated else ENOUGH
    with probe:
        probe.wait_for_answer(within=site.patience)
        victim = int(node.output(find, sudo=True))
        node.run(["kill", "-KILL", str(victim)], sudo=True)
        killed = time.monotonic()
        eventually(
            lambda: int(node.output(find, sudo=True)) not in (0, victim), site.patience, "it runs again"
        )
        site.wait_for_names("grafana", *(site.address(name) for name in BACKS))
        eventually(
            lambda: sum(one.start > killed for one in list(probe.samples)) >= enough,
            site.patience,
            f"{enough} requests since its death",
        )
    figure("failed requests at the front", len(probe.failed), f"of {len(probe.samples)}")
    figure("slowest good answer", max(one.duration for one in probe.samples if one.ok) * 1000, "ms")
    assert probe.failed == [], probe.summary()
