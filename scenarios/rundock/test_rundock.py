"""Ansible, runit and SkyDNS, claim by claim."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
from requests import RequestException

from lab.errors import MachineError
from lab.etcd import EtcdFailed
from lab.waiting import eventually
from scenarios.rundock.article import BACKS, DASHBOARD, DOMAIN, ETCD, FRONTS, KEYS, Site


@pytest.mark.claim("D1")
def test_the_fronts_have_a_public_address_and_the_machines_behind_them_have_none(site: Site) -> None:
    assert list(site.lab.specs) == [*FRONTS, *BACKS]
    for name in site.lab.specs:
        interfaces = site.lab[name].output("ls /sys/class/net").split()
        assert "eth1" in interfaces
        assert ("eth2" in interfaces) == (name in FRONTS), name
    assert [member.name for member in site.lab.etcd.members()] == sorted(ETCD)


@pytest.mark.claim("D3")
def test_an_announced_service_is_a_runsvdir_with_two_services(site: Site) -> None:
    node = site.lab["node-back-1"]
    assert node.output("readlink /etc/service/docker-influxdb") == "/etc/sv/docker-influxdb"
    tree = node.output("cd /etc/sv/docker-influxdb && find . -name run | sort", sudo=True)
    assert tree.split() == ["./log/run", "./run", "./services/announce/run", "./services/service/run"]
    status = node.output("sv status /etc/service/docker-influxdb/services/*", sudo=True).splitlines()
    assert [line.split(":")[0] for line in status] == ["run", "run"]


@pytest.mark.claim("D3", "D5")
def test_both_services_are_stopped_together_and_the_announcement_goes_at_once(site: Site) -> None:
    node = site.lab["node-back-2"]
    assert site.key("grafana", node.name) is not None
    assert site.dashboard(node.name, state="disabled").changed
    assert site.key("grafana", node.name) is None
    assert site.container(node, "grafana") == ""
    running = node.output("ps -eo args").splitlines()
    assert [
        line for line in running if line in ("runsv service", "runsv announce", "runsvdir -P services")
    ] == []
    site.wait_for_names("grafana", site.address("node-back-1"))
    assert site.dashboard(node.name).changed
    site.wait_for_names("grafana", site.address("node-back-1"), site.address("node-back-2"))


@pytest.mark.claim("D4")
def test_runit_starts_a_container_again_that_has_ended(site: Site) -> None:
    node = site.lab["node-back-1"]
    before = site.container(node, "grafana")
    node.run("docker kill grafana", timeout=site.patience)
    eventually(
        lambda: site.container(node, "grafana") not in ("", before), site.patience, "another container runs"
    )
    assert "the container ended with 137" in node.output("cat /var/log/docker-grafana/current", sudo=True)


@pytest.mark.claim("D4")
def test_a_stale_container_of_that_name_gives_way(site: Site) -> None:
    node = site.lab["node-back-2"]
    site.dashboard(node.name, state="disabled")
    stale = node.output("docker create --name grafana rundock/dashboard", timeout=site.patience)
    site.dashboard(node.name)
    assert site.container(node, "grafana") not in ("", stale)
    assert node.run(["docker", "inspect", stale], check=False).code != 0
    log = node.output("cat /var/log/docker-grafana/current", sudo=True)
    assert "docker.io/rundock/dashboard:latest" in log, "the image was pulled"


@pytest.mark.claim("D5")
def test_the_announcement_is_an_address_and_a_port_with_a_ttl(site: Site) -> None:
    key = site.key("influxdb", "node-back-1")
    assert json.loads(key.value) == {"host": site.address("node-back-1"), "port": 8086}
    assert 0 < key.ttl <= 60 + site.clocks


@pytest.mark.claim("D5")
def test_the_announcement_is_repeated_before_its_ttl_is_over(site: Site) -> None:
    node = site.lab["node-back-2"]
    emulated = site.lab.provider.emulated
    ttl = 40 if emulated else 8  # an emulated machine takes seconds for the announcer's curl
    service = {"name": "short", "ttl": ttl, "announce": 8098, "port": 80, **DASHBOARD}
    assert site.module(node.name, state="enabled", **service).ok
    try:
        first = site.announced("short", node.name)

        def repeated() -> int:
            key = site.key("short", node.name)
            assert key is not None, "its TTL was over before it was repeated"
            return int(key.ttl) if key.modified != first.modified else 0

        left = eventually(repeated, ttl, "it is repeated", ignoring=(EtcdFailed,))
        assert left > ttl - (10 if emulated else 2), "for the whole time again"
    finally:
        site.module(node.name, state="absent", **service)


@pytest.mark.claim("D6")
def test_names_lead_to_one_machine_or_to_all_of_them(site: Site) -> None:
    first, second = (site.address(name) for name in BACKS)
    for machine in site.lab.specs:  # each has a SkyDNS of its own
        assert site.ask("grafana", on=machine) == sorted([first, second])
        assert site.ask("node-back-1.grafana", on=machine) == [first]
        assert site.ask("node-back-2.grafana", on=machine) == [second]
    assert site.ask("grafana", "SRV") == [
        f"10 50 8087 node-back-1.grafana.{DOMAIN}.",
        f"10 50 8087 node-back-2.grafana.{DOMAIN}.",
    ]
    assert site.ask("grafana", "SRV", "+tcp") == site.ask("grafana", "SRV")
    assert site.ask("node-back-1.influxdb", "SRV") == [f"10 100 8086 node-back-1.influxdb.{DOMAIN}."]


@pytest.mark.claim("D6")
def test_a_change_in_etcd_is_in_the_next_answer_of_every_machine(
    site: Site, figure: Callable[[str, float, str], None]
) -> None:
    key = f"{KEYS}/moved/here"
    took = []
    try:
        for number, machine in enumerate(site.lab.specs):
            site.lab.etcd.set(key, json.dumps({"host": f"10.9.9.{number}"}))
            began = time.monotonic()
            site.wait_for_names("moved", f"10.9.9.{number}", on=machine)
            took.append(time.monotonic() - began)
    finally:
        site.lab.etcd.delete(key)
    figure("from a change in etcd to an answer with it, dig and SSH included", max(took) * 1000, "ms")
    site.wait_for_names("moved")


@pytest.mark.claim("D6")
def test_machines_and_their_containers_ask_skydns(site: Site) -> None:
    node = site.lab["node-front-2"]
    name = f"influxdb.{DOMAIN}"
    wanted = [site.address("node-back-1"), name]
    assert node.output(["getent", "hosts", name]).split() == wanted
    inside = node.output(
        ["docker", "run", "--rm", "debian:12", "getent", "hosts", name], timeout=site.patience
    )
    assert inside.split() == wanted


@pytest.mark.claim("D6")
def test_a_malformed_record_is_logged_and_the_others_are_served(site: Site) -> None:
    key = "/skydns/com/example/prod/s/grafana/broken"
    site.lab.etcd.set(key, "{host: me}")
    try:
        for machine in FRONTS:
            eventually(
                lambda machine=machine: (
                    key in site.lab[machine].output("journalctl -q -u skydns -n 50", sudo=True)
                ),  # type: ignore[misc]
                site.patience,
                "the record is in the log",
            )
        assert site.ask("grafana") == sorted(site.address(name) for name in BACKS)
        assert len(site.ask("grafana", "SRV")) == 2
    finally:
        site.lab.etcd.delete(key)


@pytest.mark.claim("D7")
def test_points_outlive_the_container_and_a_reinstall(site: Site) -> None:
    node = site.lab["node-back-1"]
    site.write_point(0.5)
    points = site.points()
    assert points > 0
    mounted = json.loads(node.output("docker inspect influxdb"))[0]["Mounts"]
    kept = json.loads(node.output("docker inspect data.influxdb"))[0]["Mounts"]
    assert [mount["Name"] for mount in mounted] == [mount["Name"] for mount in kept]

    before = site.container(node, "influxdb")
    node.run("docker kill influxdb", timeout=site.patience)
    eventually(lambda: site.container(node, "influxdb") not in ("", before), site.patience, "it runs again")
    eventually(
        lambda: site.points() == points, site.patience, "the points are there", ignoring=(MachineError,)
    )

    args = "--volumes-from data.influxdb -e REINSTALLED=yes"
    try:
        assert site.service("influxdb", node.name, args=args).changed
        assert "REINSTALLED=yes" in node.output("docker inspect influxdb")
    finally:
        site.service("influxdb", node.name)
    eventually(
        lambda: site.points() == points, site.patience, "the points are there", ignoring=(MachineError,)
    )


@pytest.mark.claim("D8")
def test_the_dashboard_reaches_influxdb_by_name_and_both_fronts_reach_the_dashboard(site: Site) -> None:
    site.write_point(0.64)
    for front in FRONTS:
        served: set[str] = set()

        def both(front: str = front, served: set[str] = served) -> bool:
            page = site.page(site.front(front))
            assert '<span class="last">0.64</span>' in page
            assert f"from influxdb.{DOMAIN}:8086/metrics" in page
            served.add(page.partition("served by ")[2].partition("-grafana")[0])
            return served == set(BACKS)

        eventually(both, site.patience, "both dashboards serve", ignoring=(RequestException,))


@pytest.mark.claim("D8")
def test_nginx_looks_the_name_up_again_while_it_runs(site: Site) -> None:
    node = site.lab["node-front-1"]
    began = node.output("systemctl show --property MainPID,ActiveEnterTimestampMonotonic nginx")
    (left, gone) = (f"served by {name}-grafana" for name in BACKS)
    announcer = "/etc/service/docker-grafana/services/announce"

    def pages() -> str:
        return "".join(site.page(site.front(node.name)) for _ in range(8))

    site.lab[BACKS[1]].run(f"sv -w 30 down {announcer}", sudo=True)
    try:
        eventually(
            lambda: gone not in (seen := pages()) and left in seen,
            site.patience,
            "only one dashboard serves",
            ignoring=(RequestException,),
        )
    finally:
        site.lab[BACKS[1]].run(f"sv up {announcer}", sudo=True)
    eventually(lambda: gone in pages(), site.patience, "both serve again", ignoring=(RequestException,))
    assert node.output("systemctl show --property MainPID,ActiveEnterTimestampMonotonic nginx") == began


@pytest.mark.claim("D8")
def test_the_guide_s_own_words_give_what_it_says(site: Site) -> None:
    rows = site.reader.types("service").splitlines()
    assert [row.split(":")[0] for row in rows[:3]] == ["run"] * 3
    assert len(rows) > 3, "its log has an end"
    site.reader.types("point")
    assert site.reader.types("names").split().count(site.address("node-back-1")) == 2
    assert "points</h2>" in site.reader.types("page")
