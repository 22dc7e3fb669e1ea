"""The article with the data volume, claim by claim, on machines where its guide's steps have been typed.

Each test goes on from where the one before it has ended, as a reader does; the waits of 60 s for confd
are the article's own, and a confd that is started looks at once.
"""

from __future__ import annotations

import json
import re
import time

import pytest

from lab import faults
from lab.errors import MachineError
from lab.waiting import eventually
from scenarios.balanced import PAGE, Figure, failed_after, report
from scenarios.coreos_lb.article import BALANCER, CONFD, KEYS, PASS, TTL, Article

HANG = 1.0  # seconds: a request that takes longer has been to a machine that is not there


@pytest.mark.claim("E1")
def test_every_machine_s_environment_has_its_own_addresses(article: Article) -> None:
    lines = article.reader.types("environment").split()
    machines = [spec.machine for spec in article.lab.specs.values()]
    assert lines == [
        line
        for machine in machines
        for line in (f"COREOS_PUBLIC_IPV4={machine.public}", f"COREOS_PRIVATE_IPV4={machine.private}")
    ]


@pytest.mark.claim("E2")
def test_every_machine_has_the_same_image_and_the_registry_has_none(article: Article) -> None:
    ids = {node.output("docker inspect -f '{{.Id}}' dash/apache") for node in article.lab}
    assert len(ids) == 1
    answer = article.lab["coreos-1"].output(
        "curl --silent --output /dev/null --write-out '%{http_code}' "
        "https://registry-1.docker.io/v2/dash/apache/manifests/latest"
    )
    assert answer == "404"


@pytest.mark.claim("E3")
def test_a_web_server_s_key_says_where_it_is_published(article: Article) -> None:
    wanted = {}
    for port in (8001, 8002):
        node = article.machine_of(f"apache@{port}.service")
        wanted[f"{KEYS}/apache-{port}"] = node.output(f"docker port apache-{port} 80")
        assert wanted[f"{KEYS}/apache-{port}"] == article.backend(port)
    shown = dict(line.split() for line in article.reader.types("keys").splitlines())
    assert shown == wanted


@pytest.mark.claim("E4")
def test_confdata_has_ended_and_left_a_volume_with_nginx_s_configuration(article: Article) -> None:
    unit = article.lab.fleet.units()["confdata.service"]
    assert (unit.active, unit.sub) == ("active", "exited")
    node = article.balancer()
    state = json.loads(node.output("docker inspect conf-data"))[0]["State"]
    assert (state["Status"], state["ExitCode"]) == ("exited", 0)
    folder = article.configuration()
    assert folder.parent.name in node.output("docker volume ls --quiet").split()
    assert {"nginx.conf", "mime.types", "conf.d"} <= set(node.output(f"ls {folder}", sudo=True).split())


@pytest.mark.claim("E5")
def test_confd_has_the_volume_and_docker_s_socket_and_has_written_the_upstream(article: Article) -> None:
    node = article.machine_of(CONFD)
    assert node.name == article.machine_of("confdata.service").name
    mounts = {
        mount["Destination"]: mount["Source"]
        for mount in json.loads(node.output(f"docker inspect {CONFD}"))[0]["Mounts"]
    }
    assert mounts["/etc/nginx"] == str(article.configuration())
    assert "/var/run/docker.sock" in mounts
    shown = re.findall(r"server (\S+);", article.reader.types("upstream"))
    assert sorted(shown) == sorted(article.backend(port) for port in (8001, 8002))


@pytest.mark.claim("E6")
def test_nginx_has_the_same_volume_and_port_80(article: Article) -> None:
    node = article.balancer()
    assert node.name == article.machine_of("confdata.service").name
    mounts = json.loads(node.output(f"docker inspect {BALANCER}"))[0]["Mounts"]
    assert [(mount["Destination"], mount["Source"]) for mount in mounts] == [
        ("/etc/nginx", str(article.configuration()))
    ]
    assert "0.0.0.0:80" in node.output(f"docker port {BALANCER} 80").splitlines()


@pytest.mark.claim("E7")
def test_list_units_shows_five_and_the_public_address_gives_the_page(article: Article) -> None:
    rows = {row.split()[0]: row.split()[1:] for row in article.reader.types("units").splitlines()[1:]}
    states = {unit: tuple(state) for unit, (_, *state) in rows.items()}
    assert states == {
        "apache@8001.service": ("active", "running"),
        "apache@8002.service": ("active", "running"),
        "confd.service": ("active", "running"),
        "confdata.service": ("active", "exited"),
        "nginx.service": ("active", "running"),
    }
    assert len({machine for machine, *_ in rows.values()}) == 3
    assert article.reader.types("page").strip() == PAGE


@pytest.mark.claim("E8")
def test_a_capture_on_nginx_s_machine_shows_a_request_on_its_way_to_a_backend(article: Article) -> None:
    packet = article.reader.types("capture")
    way = re.search(r"IP (\S+)\.\d+ > ([0-9.]+)\.(\d+): ", packet)
    assert way, packet
    assert way[1] == article.address(article.balancer())
    assert f"{way[2]}:{way[3]}" in {article.backend(8001), article.backend(8002)}
    assert "GET /?which-way HTTP/1.0" in packet


@pytest.mark.claim("E3", "E9")
def test_a_web_server_more_and_one_less_change_the_upstream_and_not_nginx(
    article: Article, figure: Figure
) -> None:
    before = article.nginx()
    stopped, kept = article.backend(8001), article.backend(8002)
    with article.asked("change") as probe:
        start = time.monotonic()
        article.reader.types("another")
        article.lab.fleet.wait_running("apache@8003.service", within=article.patience)
        new = article.backend(8003)
        article.reader.types("less")
        assert article.entries() == {kept, new}
        article.wait_for_upstream(kept, new, within=PASS + article.slack)
        figure("upstream changed after", (time.monotonic() - start) * 1000, "ms")
        later = article.answered_by("changed")
        now = eventually(
            lambda: found if not (found := article.nginx()).workers & before.workers else None,
            article.patience,
            "the old workers have ended",
        )
    report(figure, probe)
    assert (now.container, now.master) == (before.container, before.master)
    assert set(later) == {kept, new}
    assert stopped not in later
    assert probe.failed == []


@pytest.mark.claim("E9")
def test_a_killed_confd_is_started_again_and_looks_at_once(article: Article, figure: Figure) -> None:
    article.reader.types("again")
    article.lab.fleet.wait_running("apache@8001.service", within=article.patience)
    before = article.nginx()
    everywhere = [article.backend(port) for port in (8001, 8002, 8003)]
    with article.asked("confd") as probe:
        start = time.monotonic()
        article.kill_confd()
        article.wait_for_upstream(*everywhere, within=article.slack + article.patience)
        figure("upstream true after", (time.monotonic() - start) * 1000, "ms")
        answered = article.answered_by("confd-is-back")
    report(figure, probe)
    now = article.nginx()
    assert (now.container, now.master) == (before.container, before.master)
    assert set(answered) == set(everywhere)
    assert probe.failed == []


def test_etcd_s_leader_is_killed_and_nobody_notices(article: Article, figure: Figure) -> None:
    article.lead(article.balancer())
    before = article.nginx()
    lost = faults.inject(article.lab, faults.kind("leader-lost"))
    with article.asked("leader") as probe, lost as fault:
        eventually(
            lambda: article.lab.etcd.leader() not in ("", fault.machine),
            article.patience,
            "the others have elected one of them",
            ignoring=(MachineError,),
        )
        figure("another leader after", fault.elapsed() * 1000, "ms")
    report(figure, probe)
    assert article.nginx() == before
    assert probe.failed == []


@pytest.mark.claim("E10")
def test_a_killed_container_leaves_its_key_and_a_client_hardly_notices(
    article: Article, figure: Figure
) -> None:
    dead = article.backend(8001)
    node = article.machine_of("apache@8001.service")
    killed = faults.inject(article.lab, faults.kind("container-killed"), f"{node.name}:apache-8001")
    with article.asked("kill") as probe, killed as fault:
        dead_at = time.monotonic()
        eventually(
            lambda: not article.lab.fleet.units()["apache@8001.service"].running,
            article.patience,
            "fleet shows that the unit has failed",
        )
        figure("failed in fleet's list after", fault.elapsed() * 1000, "ms")
        later = article.answered_by("killed")
        assert article.key(8001) == dead
        assert dead in article.upstream()
    report(figure, probe)
    assert dead not in later
    # What was under way in it may be lost; the next connection is refused, and nginx asks another one.
    assert failed_after(probe, dead_at) == []
    article.lab.fleet.ctl("stop", "apache@8001.service")
    article.lab.fleet.ctl("start", "apache@8001.service")
    article.lab.fleet.wait_running("apache@8001.service", within=article.patience)


@pytest.mark.claim("E10")
def test_a_lost_machine_leaves_a_key_for_good_and_with_a_time_to_live_it_does_not(
    article: Article, figure: Figure
) -> None:
    article.reader.types("cure")
    eventually(lambda: has_ttl(article, 8003), article.patience, "the key of apache@8003 has a time to live")
    lost = article.machine_of("apache@8003.service")
    stale = next(
        port for port in (8001, 8002) if article.machine_of(f"apache@{port}.service").name == lost.name
    )
    backends = {port: article.backend(port) for port in (8001, 8002, 8003)}
    (left,) = backends.keys() - {stale, 8003}

    with article.asked("crash") as probe, faults.power_loss(article.lab, lost.name) as loss:
        # Else fleet would start them elsewhere, which writes the keys anew.
        article.destroy("apache-key@8003.service", "apache@8003.service", f"apache@{stale}.service")
        eventually(lambda: not article.key(8003), TTL + article.slack, "the key with a time to live is gone")
        figure("key with a time to live gone after", loss.elapsed() * 1000, "ms")
        assert article.key(stale) == backends[stale]
        article.kill_confd()
        article.wait_for_upstream(backends[stale], backends[left], within=article.slack + article.patience)
        figure("upstream without it after", loss.elapsed() * 1000, "ms")
        during = probe.samples[-1].end
    report(figure, probe)
    hung = [sample for sample in probe.samples if sample.duration > HANG and sample.start < during]
    figure("requests that hung", len(hung), f"of {len(probe.samples)}")
    figure("seconds lost in them", sum(sample.duration for sample in hung), "s")
    assert hung, "the stale backends cost the client nothing"
    assert article.key(stale) == backends[stale], "the key is there for good, also when the machine is back"
    assert not article.key(8003)


def has_ttl(article: Article, port: int) -> bool:
    key = article.lab.etcd.get(f"{KEYS}/apache-{port}")
    return key is not None and key.ttl is not None
