"""The confd article, claim by claim, on machines where its guide's steps have been typed.

Each test goes on from where the one before it has ended, as a reader does; waits of 10, 20 and 30 s are
the article's own.
"""

from __future__ import annotations

import re
import time

import pytest
from requests import RequestException

from lab import faults
from lab.errors import MachineError
from lab.waiting import eventually
from scenarios.balanced import PAGE, Figure, failed_after, report, slowest
from scenarios.confd_nginx.article import (
    AGENT_TTL,
    BALANCER,
    CONNECT,
    ENTRIES,
    LOOK,
    PASS,
    SITE,
    STOP,
    TTL,
    Article,
    Nginx,
)


@pytest.fixture(scope="module")
def at_first(article: Article) -> tuple[Nginx, int]:
    """nginx when the guide has been typed, and how often confd had said "in sync" by then."""
    return article.nginx(), article.times_in_sync()


@pytest.mark.claim("C1", "C3", "C7")
@pytest.mark.usefixtures("at_first")
def test_two_web_servers_and_the_load_balancer_have_a_machine_each(article: Article) -> None:
    rows = {row.split()[0]: row.split()[1:] for row in article.reader.types("units").splitlines()[1:]}
    assert all(states == ["active", "running"] for _, *states in rows.values()), rows
    for port in (7777, 8888):
        assert rows[f"apache@{port}.service"] == rows[f"apache-discovery@{port}.service"]
    units = ("apache@7777.service", "apache@8888.service", BALANCER)
    assert len({rows[unit][0] for unit in units}) == 3


@pytest.mark.claim("C1")
@pytest.mark.parametrize("port", [7777, 8888])
def test_a_web_server_is_on_its_port_of_the_private_address(article: Article, port: int) -> None:
    node = article.machine_of(f"apache@{port}.service")
    assert node.output(f"docker port apache.{port} 80") == f"{article.address(node)}:{port}"
    assert article.page(f"http://{article.address(node)}:{port}/") == PAGE
    with pytest.raises(RequestException):
        article.page(f"http://{article.lab.specs[node.name].machine.public}:{port}/")


@pytest.mark.claim("C2")
def test_systemd_binds_the_sidekick_to_its_server(article: Article) -> None:
    node = article.machine_of("apache@7777.service")
    for relation in ("After", "Requires", "BindsTo"):
        names = node.output(
            ["systemctl", "show", "--value", f"--property={relation}", "apache-discovery@7777.service"]
        ).split()
        assert "apache@7777.service" in names, relation


@pytest.mark.claim("C4")
def test_etcdctl_shows_the_two_entries_and_curl_gets_the_page_from_each(article: Article) -> None:
    wanted = {article.backend(port) for port in (7777, 8888)}
    listed = article.reader.types("entries").splitlines()
    assert {f"{ENTRIES}/{backend.partition(':')[0]}" for backend in wanted} <= set(listed)
    assert article.entries() == wanted
    assert article.reader.types("pages").splitlines() == [PAGE, PAGE]


@pytest.mark.claim("C2", "C4")
def test_an_entry_lives_for_thirty_seconds_at_most(article: Article) -> None:
    for key in article.lab.etcd.keys(ENTRIES):
        assert key.name == f"{ENTRIES}/{key.value.partition(':')[0]}"
        assert key.ttl is not None
        assert TTL - LOOK - article.slack < key.ttl <= TTL


@pytest.mark.claim("C7")
def test_the_load_balancer_is_on_port_80_of_the_public_address_and_leads_to_the_page(
    article: Article,
) -> None:
    node = article.balancer()
    public = str(article.lab.specs[node.name].machine.public)
    assert f"COREOS_PUBLIC_IPV4={public}\n" in article.reader.types("address")
    assert node.output("docker port nginx_lb 80") == f"{public}:80"
    assert article.reader.types("page").strip() == PAGE


@pytest.mark.claim("C9")
def test_both_backends_get_requests(article: Article) -> None:
    assert set(article.answered_by("both")) == {article.backend(7777), article.backend(8888)}


@pytest.mark.claim("C8")
def test_the_journal_shows_confd_at_work_and_where_each_request_went(article: Article) -> None:
    journal = article.reader.types("journal")
    first = [
        journal.index(f"Target config {SITE} {what}")
        for what in ("out of sync", "has been updated", "in sync")
    ]
    assert first == sorted(first)
    passed = re.findall(
        r"passed to: (\S+): GET /\S* HTTP/1.1 Upstream Response Time: [\d.]+ Request", journal
    )
    assert {article.backend(7777), article.backend(8888)} <= set(passed)


@pytest.mark.claim("C6")
def test_confd_watch_tries_every_five_seconds_until_etcd_is_there(article: Article) -> None:
    with article.balancer_beside("ETCD_PORT=9") as said:
        eventually(lambda: len(said("tries again")) >= 2, 5 + article.patience, "confd-watch has tried twice")
        tried = said("tries again")
        assert said("starting nginx") == []
    assert 5 <= tried[1] - tried[0] <= 5 + article.slack


@pytest.mark.claim("C6")
def test_confd_watch_finds_etcd_where_its_environment_says(article: Article) -> None:
    node = article.machine_of("apache@7777.service")
    address = article.address(node)
    with article.balancer_beside(f"HOST_IP={address}", "ETCD_PORT=2379"):
        article.wait_for_answer(f"http://{address}:8081/", PAGE)


@pytest.mark.claim("C5")
def test_while_all_is_in_sync_neither_the_site_nor_nginx_is_touched(
    article: Article, at_first: tuple[Nginx, int]
) -> None:
    nginx, passes = at_first
    eventually(lambda: article.times_in_sync() >= passes + 2, 2 * PASS + article.slack, "two passes of confd")
    assert article.nginx() == nginx


@pytest.mark.claim("C11")
def test_a_third_web_server_fits_nowhere_and_fleetctl_says_so(article: Article) -> None:
    said = article.reader.types("third")
    assert re.search(r"^Unit apache@9999\.service inactive$", said, re.MULTILINE)
    assert len(re.findall(r"conflict", said)) >= 3, said
    unit = article.lab.fleet.ctl(
        "list-unit-files", "--no-legend", "--fields=unit,dstate,state,target"
    ).stdout.splitlines()
    assert ["apache@9999.service", "launched", "inactive", "-"] in [row.split() for row in unit]
    assert "apache@9999.service" not in article.lab.fleet.units()


@pytest.mark.claim("C10", "C11")
def test_a_stopped_backend_leaves_at_once_and_a_new_one_takes_its_place(
    article: Article, figure: Figure
) -> None:
    old, other = article.backend(7777), article.backend(8888)
    with article.asked("stop") as probe:
        start = time.monotonic()
        article.lab.fleet.ctl("stop", "--no-block", "apache@7777.service")
        eventually(lambda: article.entries() == {other}, article.slack, "the entry is gone")
        figure("entry gone after", (time.monotonic() - start) * 1000, "ms")
        article.wait_for_upstream(other, within=PASS + article.slack)
        figure("upstream without it after", (time.monotonic() - start) * 1000, "ms")
        gone = time.monotonic()
        later = article.answered_by("stopped")
        article.reader.types("first")
        article.lab.fleet.wait_running("apache@9999.service", within=article.patience)
        new = article.backend(9999)
        article.wait_for_upstream(new, other, within=STOP + LOOK + PASS + article.slack + article.patience)
        figure("another one in its place after", (time.monotonic() - start) * 1000, "ms")
    report(figure, probe)
    assert gone - start <= PASS + 2 * article.slack
    assert set(later) == {other}
    assert old not in article.answered_by("replaced")
    assert probe.failed == []


@pytest.mark.claim("C10")
def test_a_killed_backend_leaves_at_once(article: Article, figure: Figure) -> None:
    dead, other = article.backend(8888), article.backend(9999)
    machine = article.machine_of("apache@8888.service").name
    killed = faults.inject(article.lab, faults.kind("container-killed"), f"{machine}:apache.8888")
    with article.asked("kill") as probe, killed as fault:
        dead_at = time.monotonic()
        eventually(lambda: article.entries() == {other}, article.slack, "the entry is gone")
        figure("entry gone after", fault.elapsed() * 1000, "ms")
        article.wait_for_upstream(other, within=PASS + article.slack)
        figure("upstream without it after", fault.elapsed() * 1000, "ms")
        later = article.answered_by("killed")
    report(figure, probe)
    assert dead not in later
    # What was under way in it may be lost; the next connection is refused, and nginx asks another one.
    assert failed_after(probe, dead_at) == []


@pytest.mark.claim("C2", "C6", "C10")
def test_a_restarted_backend_joins_although_confd_was_killed(article: Article, figure: Figure) -> None:
    unit, other = "apache@8888.service", article.backend(9999)
    node = article.machine_of(unit)
    address = article.address(node)
    with article.asked("confd") as probe:
        killed = article.confd()
        article.balancer().run(["kill", "-9", str(killed)], sudo=True)
        start = time.monotonic()
        article.lab.fleet.ctl("stop", unit)
        # somebody's mistake; made earlier, the sidekick's next look could put it right before it is stopped
        article.lab.etcd.set(f"{ENTRIES}/{address}", f"{address}:1", ttl=300)
        article.lab.fleet.ctl("start", unit, "apache-discovery@8888.service")
        eventually(
            lambda: article.sidekick_removed(node, f"{address}:1"),
            article.patience,
            "the sidekick removes what is not true",
        )
        article.wait_for_upstream(
            f"{address}:8888", other, within=LOOK + PASS + article.slack + article.patience
        )
        figure("in the upstream again after", (time.monotonic() - start) * 1000, "ms")
        assert article.confd() != killed
    report(figure, probe)
    assert probe.failed == []


def test_etcd_s_leader_is_killed_on_the_load_balancer_s_machine(article: Article, figure: Figure) -> None:
    node = article.balancer()
    article.lead(node)
    before = article.container_on(node, "nginx_lb")
    # Not "leader-lost", which keeps etcd away: systemd would stop nginx_lb for good.
    killed = faults.inject(article.lab, faults.kind("process-killed"), f"{node.name}:etcd.service")
    with article.asked("leader") as probe, killed as fault:
        eventually(
            lambda: article.container_on(node, "nginx_lb") != before,
            STOP + article.patience,
            "systemd has restarted nginx_lb with etcd",
            ignoring=(MachineError,),
        )
        probe.wait_for_answer(within=article.patience, after=time.monotonic())
        figure("page back after", fault.elapsed() * 1000, "ms")
    report(figure, probe)
    # etcd's own restart (0.5 s); nginx_lb's: `docker stop`, pull, run, confd's first pass (tried again
    # after 5 s if etcd was not ready), nginx.
    budget = STOP + 5 + 2 * article.slack
    assert sum(outage.ms for outage in probe.outages) <= budget * 1000


@pytest.mark.claim("C10")
def test_a_backend_whose_machine_loses_power_leaves_by_its_time_to_live(
    article: Article, figure: Figure
) -> None:
    dead, other = article.backend(8888), article.backend(9999)
    article.wait_for_upstream(dead, other, within=LOOK + PASS + article.slack)
    with (
        article.asked("crash") as probe,
        faults.power_loss(article.lab, article.machine_of("apache@8888.service").name) as loss,
    ):
        dead_at = time.monotonic()
        eventually(lambda: article.entries() == {other}, TTL + article.slack, "the entry is gone")
        figure("entry gone after", loss.elapsed() * 1000, "ms")
        article.wait_for_upstream(other, within=PASS + article.slack)
        figure("upstream without it after", loss.elapsed() * 1000, "ms")
        later = article.answered_by("crashed")
        eventually(
            lambda: "apache@8888.service" not in article.lab.fleet.units(),
            AGENT_TTL + article.slack,
            "fleet has no place for it: one machine has another web server, one the load balancer",
        )
    report(figure, probe)
    assert dead not in later
    # What was under way in it is lost; later ones get no connection for a second, then nginx asks another.
    assert failed_after(probe, dead_at) == []
    assert slowest(probe) <= CONNECT + article.slack
