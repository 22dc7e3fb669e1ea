"""The dockreg article, claim by claim: one host, an instance, a second host, more instances."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

import pytest

from lab.errors import MachineError
from lab.etcd import EtcdFailed
from lab.running import Lab
from lab.waiting import eventually
from scenarios.dockreg.article import GUIDE, INTERVAL, RUN, TTL, Dockreg, Instance
from scenarios.files import missing_targets
from scenarios.guide import Reader, steps

MEMBERS = ("host-1", "host-2")


@pytest.fixture(scope="module")
def article(fresh_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Dockreg:
    """host-1 alone, as it was at its first boot."""
    return Dockreg(fresh_lab, Reader(fresh_lab, GUIDE, tmp_path_factory.mktemp("tools")))


@pytest.fixture(scope="module")
def alone(article: Dockreg) -> str:
    """What /v2/machines says before any other host is there."""
    said = article.reader.types("alone")
    article.bring_up("host-1")
    return said


@pytest.fixture(scope="module")
def first(article: Dockreg, alone: str) -> Instance:
    """The article's first instance, registered."""
    article.reader.types("first")
    instance = article.newest("host-1")
    article.wait_registered(instance)
    return instance


@pytest.fixture(scope="module")
def joined(article: Dockreg, first: Instance) -> str:
    """What etcd on host-2 says after it has joined: its members, then the keys."""
    article.bring_up("host-2")
    return article.reader.types("both")


@pytest.fixture(scope="module")
def second(article: Dockreg, joined: str) -> Instance:
    """The article's second instance, on host-2, registered."""
    article.reader.types("second")
    instance = article.newest("host-2")
    article.wait_registered(instance)
    return instance


def hosts(machines: str) -> set[str]:
    """The addresses in what /v2/machines says: client URLs, here two a member."""
    return {str(urlsplit(url.strip()).hostname) for url in machines.split(",")}


def test_every_file_that_the_guide_points_to_is_there() -> None:
    assert missing_targets(GUIDE) == []


def test_the_guide_runs_instances_as_the_article_does() -> None:
    typed = steps(GUIDE.read_text())
    assert typed["first"].script.splitlines()[-1] == RUN.format(ip="10.1.0.101")
    assert typed["second"].script.splitlines()[-1] == RUN.format(ip="10.1.0.102")


@pytest.mark.claim("B1")
def test_host_1_is_a_cluster_of_one(alone: str) -> None:
    assert hosts(alone) == {"10.1.0.101"}


@pytest.mark.claim("B2")
def test_supervisord_keeps_the_application_and_the_sidekick(article: Dockreg, first: Instance) -> None:
    names = {"nodejs-server", "dockreg"}
    eventually(lambda: set(article.supervised(first)) == names, article.patience, "both have run a second")
    processes = article.supervised(first)
    command = article.inside(first, f"tr '\\0' ' ' < /proc/{processes['nodejs-server']}/cmdline")
    assert command.split() == ["node", "/root/server.js"]
    for name, pid in processes.items():
        article.inside(first, f"kill -KILL {pid}")
        eventually(
            lambda name=name, pid=pid: article.supervised(first).get(name, pid) != pid,  # type: ignore[misc]
            article.patience,
            f"{name} runs again",
        )
    article.wait_for_answer(first.url, f"Hello from {first.name}")


@pytest.mark.claim("B3")
def test_a_missing_flag_is_said_by_the_image_s_dockreg(article: Dockreg, first: Instance) -> None:
    with pytest.raises(MachineError, match=r"dockreg: the following arguments are required: --etcd"):
        article.inside(first, "dockreg --port 8000")
    done = article.lab["host-1"].run(["docker", "exec", first.id, "dockreg", "--port", "8000"], check=False)
    assert done.code == 2


@pytest.mark.claim("B3", "B5")
def test_without_ip_the_address_of_the_mapping_is_registered(article: Dockreg, first: Instance) -> None:
    address = article.address(article.lab["host-1"])
    run = RUN.format(ip="").replace("-e IP= ", "").replace("-p 8000", f"-p {address}::8000")
    assert "IP" not in run
    article.lab["host-1"].run(run, timeout=article.patience)
    instance = article.newest("host-1")
    article.wait_registered(instance)
    article.lab["host-1"].run(["docker", "stop", instance.id], timeout=article.patience)


@pytest.mark.claim("B4")
def test_the_key_says_running_for_twenty_seconds_at_a_time(article: Dockreg, first: Instance) -> None:
    (node,) = json.loads(article.reader.types("key"))["node"]["nodes"]
    assert (node["key"], node["value"]) == (first.key, "running")
    assert TTL - INTERVAL - article.expiry_error <= node["ttl"] <= TTL
    article.refreshed_at(first)
    key = article.lab.etcd.get(first.key)
    assert key is not None
    assert key.ttl is not None
    assert 18 <= key.ttl <= 20, "prolonged for the whole time"


@pytest.mark.claim("B5")
def test_the_host_s_address_and_the_mapped_port_are_registered(article: Dockreg, first: Instance) -> None:
    network = article.inspect(first)["NetworkSettings"]
    assert isinstance(network, dict)
    (mapped,) = {binding["HostPort"] for binding in network["Ports"]["8000/tcp"]}
    assert first.key == f"/service/10.1.0.101:{mapped}"
    assert mapped != "8000"
    assert network["IPAddress"] not in first.key


@pytest.mark.claim("B6")
def test_the_registered_address_greets_in_the_container_s_name(article: Dockreg, first: Instance) -> None:
    assert article.page(first.url) == f"Hello from {first.name}"
    assert article.reader.types("hello").strip() == f"Hello from {first.name}"


@pytest.mark.claim("B1")
def test_host_2_joins_the_running_cluster_and_lists_both(article: Dockreg, alone: str, joined: str) -> None:
    assert hosts(joined.partition("{")[0]) == {"10.1.0.101", "10.1.0.102"}
    assert [member.name for member in article.lab.etcd.members(member="host-2")] == list(MEMBERS)


@pytest.mark.claim("B7")
def test_the_key_of_host_1_reads_the_same_on_host_2(article: Dockreg, first: Instance, joined: str) -> None:
    (node,) = json.loads("{" + joined.partition("{")[2])["node"]["nodes"]
    assert (node["key"], node["value"]) == (first.key, "running")

    def same() -> bool:
        here, there = (article.lab.etcd.get(first.key, member=member) for member in MEMBERS)
        return here is not None and there is not None and here.modified == there.modified

    eventually(same, article.patience, f"{first.key} reads the same on both members", ignoring=(EtcdFailed,))


@pytest.mark.claim("B8")
def test_a_second_and_a_third_instance_give_three_keys_on_both_members(
    article: Dockreg, first: Instance, second: Instance
) -> None:
    third = article.start("host-1")
    article.wait_registered(third)
    wanted = {first.address, second.address, third.address}
    for member in MEMBERS:
        eventually(
            lambda member=member: article.addresses(member) == wanted,  # type: ignore[misc]
            article.patience,
            f"{member} has {wanted}",
            ignoring=(EtcdFailed,),
        )
    for instance in (first, second, third):
        assert article.page(instance.url) == f"Hello from {instance.name}"
