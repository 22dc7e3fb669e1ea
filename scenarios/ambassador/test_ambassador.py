"""The ambassador article, claim by claim, on machines where its guide's steps have been typed."""

from __future__ import annotations

import json
import re
from ipaddress import ip_address

import pytest
from requests import RequestException

from lab.errors import MachineError
from lab.waiting import eventually
from scenarios.ambassador.article import CONSUMERS, ETCD, KEY, PAGE, PROVIDERS, Article

METADATA = "http://169.254.169.254/metadata/v1/interfaces/private/0/ipv4/address"
PLAIN_UNIT = """\
[Unit]
Description=A unit that only waits

[Service]
ExecStart=/bin/sleep infinity
"""


@pytest.mark.claim("A1")
def test_fleetctl_on_any_machine_lists_all_of_them(article: Article) -> None:
    addresses = sorted(str(spec.machine.private) for spec in article.lab.specs.values())
    for node in article.lab:
        listed = node.output("fleetctl list-machines --no-legend --fields=ip").split()
        assert sorted(listed) == addresses, f"as {node.name} sees it"


@pytest.mark.claim("A1")
def test_fleetctl_on_any_machine_steers_units_on_the_others(article: Article) -> None:
    nodes = list(article.lab)
    for node, other in zip(nodes, nodes[1:] + nodes[:1], strict=True):
        name = f"waits-{node.name}.service"
        node.put(PLAIN_UNIT + f"\n[X-Fleet]\nMachineOf={_unit_on(article, other.name)}\n", name)
        try:
            node.run(["fleetctl", "start", name], timeout=article.patience)
            assert article.lab.fleet.wait_running(name)[name].machine == article.address(other)
            assert other.output(["systemctl", "is-active", name]) == "active"
        finally:
            other.run(["fleetctl", "destroy", name, "anchor.service"])
        eventually(lambda name=name: name not in article.lab.fleet.units(), 30, f"{name} is gone")  # type: ignore[misc]


def _unit_on(article: Article, machine: str) -> str:
    """A unit that ties another one to a machine; one made for it if nothing of the article is there."""
    for name, unit in article.lab.fleet.units().items():
        if name in PROVIDERS + CONSUMERS and article.lab.node_at(unit.machine).name == machine:
            return name
    node = article.lab[machine]
    node.put(PLAIN_UNIT + f"\n[X-Fleet]\nMachineID={node.output('cat /etc/machine-id')}\n", "anchor.service")
    node.run("fleetctl start anchor.service", timeout=article.patience)
    return "anchor.service"


@pytest.mark.claim("A2")
def test_the_apache_container_serves_the_page_in_the_foreground(article: Article) -> None:
    node = article.machine_of("apache.service")
    container = json.loads(node.output("docker inspect apache.service"))[0]
    assert container["State"]["Running"]
    assert [container["Path"], *container["Args"]] == ["/usr/sbin/apache2ctl", "-D", "FOREGROUND"]
    assert "80/tcp" in container["Config"]["ExposedPorts"]
    inside = container["NetworkSettings"]["IPAddress"]
    assert node.output(["curl", "--silent", "--fail", f"http://{inside}:80/"]) == PAGE


@pytest.mark.claim("A3")
def test_haproxy_s_image_has_one_frontend_and_a_backend_with_a_placeholder(article: Article) -> None:
    node = article.machine_of("haproxy.service")
    configuration = node.output(
        "docker run --rm --entrypoint cat user_name/haproxy /etc/haproxy/haproxy.cfg",
        timeout=article.patience,
    )
    assert sections(configuration, "frontend") == {"www-http": ["bind :80", "default_backend www-backend"]}
    assert sections(configuration, "backend") == {"www-backend": ["server apache private_ipv4:80 check"]}


@pytest.mark.claim("A3")
def test_haproxy_s_start_script_has_put_in_what_the_metadata_service_says(article: Article) -> None:
    node = article.machine_of("haproxy.service")
    inside = "docker exec haproxy.service"
    told = node.output(f"{inside} curl --silent --fail {METADATA}")
    assert told == article.address(node)
    configuration = node.output(f"{inside} cat /etc/haproxy/haproxy.cfg")
    assert sections(configuration, "backend") == {"www-backend": [f"server apache {told}:80 check"]}


def sections(configuration: str, kind: str) -> dict[str, list[str]]:
    """The sections of a kind in haproxy.cfg, with the lines that say where requests come from and go."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in configuration.splitlines():
        words = line.split()
        if line[:1].isalpha():
            name = words[1] if words[0] == kind else ""
        elif name and words and words[0] in ("bind", "server", "default_backend"):
            found.setdefault(name, []).append(" ".join(words))
    return found


@pytest.mark.claim("A4")
@pytest.mark.parametrize("unit", ["apache", "haproxy"])
def test_the_machine_that_runs_an_image_has_pulled_what_was_pushed(article: Article, unit: str) -> None:
    node = article.machine_of(f"{unit}.service")
    pushed = article.lab["coreos-1"].output(
        "curl --silent --fail --head --header 'Accept: application/vnd.docker.distribution.manifest.v2+json' "
        f"https://registry-1.docker.io/v2/user_name/{unit}/manifests/latest"
    )
    digest = re.search(r"^docker-content-digest: (\S+)", pushed, re.IGNORECASE | re.MULTILINE)
    assert digest, pushed
    pulled = node.output(["docker", "inspect", "-f", "{{json .RepoDigests}}", f"user_name/{unit}"])
    assert f"user_name/{unit}@{digest[1]}" in json.loads(pulled)


@pytest.mark.claim("A4")
def test_a_machine_that_never_had_an_image_can_pull_and_run_it(article: Article) -> None:
    node = article.bystander()
    node.run("docker rmi --force user_name/apache", check=False)
    node.run("docker pull user_name/apache", timeout=article.patience)
    page = node.output(
        "docker run --rm --entrypoint cat user_name/apache /var/www/html/index.html", timeout=article.patience
    )
    assert page == PAGE


@pytest.mark.claim("A5")
@pytest.mark.parametrize(
    ("unit", "bound_to"),
    [
        ("etcd-amb-apache.service", "apache.service"),
        ("apache-docker-reg.service", "etcd-amb-apache.service"),
        ("apache-dyn-amb.service", "etcd-amb-apache2.service"),
    ],
)
def test_systemd_binds_a_helper_to_what_it_helps(article: Article, unit: str, bound_to: str) -> None:
    node = article.machine_of(unit)
    assert node.name == article.machine_of(bound_to).name
    for relation in ("After", "BindsTo"):
        names = node.output(["systemctl", "show", "--value", f"--property={relation}", unit]).split()
        assert bound_to in names, relation


@pytest.mark.claim("A5")
def test_the_second_ambassador_keeps_away_from_apache(article: Article) -> None:
    provider = article.machine_of("apache.service")
    consumer = article.machine_of("etcd-amb-apache2.service")
    assert consumer.name != provider.name
    assert article.machine_of("haproxy.service").name == consumer.name


@pytest.mark.claim("A6")
def test_apache_is_on_a_dynamic_port_of_the_private_address(article: Article) -> None:
    node = article.machine_of("apache.service")
    address, _, port = article.published().partition(":")
    first, last = node.output("cat /proc/sys/net/ipv4/ip_local_port_range").split()
    assert address == article.address(node)
    assert int(first) <= int(port) <= int(last)
    assert article.page(f"http://{address}:{port}/") == PAGE
    public = article.lab.specs[node.name].machine.public
    with pytest.raises(RequestException):
        article.page(f"http://{public}:{port}/")


@pytest.mark.claim("A7")
@pytest.mark.parametrize("unit", ["etcd-amb-apache.service", "etcd-amb-apache2.service"])
def test_the_simple_ambassador_forwards_port_10000_to_etcd(article: Article, unit: str) -> None:
    node = article.machine_of(unit)
    container = json.loads(node.output(["docker", "inspect", unit]))[0]
    assert container["Config"]["Cmd"] == [ETCD]
    inside = container["NetworkSettings"]["IPAddress"]
    key = "/scenario/through-ambassador"
    node.run(
        ["curl", "--silent", "--fail", "-XPUT", f"http://{inside}:10000/v2/keys{key}", f"-dvalue={unit}"]
    )
    try:
        answer = node.output(["curl", "--silent", "--fail", f"http://{inside}:10000/v2/keys{key}"])
        found = article.lab.etcd.get(key, quorum=True)
        assert found is not None
        assert json.loads(answer)["node"]["modifiedIndex"] == found.modified
    finally:
        article.lab.etcd.delete(key)


@pytest.mark.claim("A8")
def test_the_registrar_has_written_where_docker_published_apache(article: Article) -> None:
    key = article.lab.etcd.get(KEY, quorum=True)
    assert key is not None
    assert key.value == article.published()


@pytest.mark.claim("A8")
@pytest.mark.parametrize("damage", ["removed", "overwritten"])
def test_the_registrar_keeps_the_key_true(article: Article, damage: str) -> None:
    published = article.published()
    if damage == "removed":
        article.lab.etcd.delete(KEY)
    else:
        article.lab.etcd.set(KEY, "10.1.0.1:9")
    eventually(lambda: value(article) == published, 30, f"{KEY} is {published} again")


@pytest.mark.claim("A8", "A9")
def test_apache_comes_back_with_another_port_and_the_page_with_it(article: Article) -> None:
    node = article.machine_of("apache.service")
    before = article.published()
    proxies = [article.container(name) for name in CONSUMERS]
    node.run("docker restart -t 1 apache.service", timeout=article.patience)
    eventually(lambda: value(article) not in ("", before), article.patience, f"{KEY} is no longer {before}")
    eventually(
        lambda: value(article) == article.published(),
        article.patience,
        f"{KEY} is what Docker says",
        ignoring=(MachineError,),
    )
    article.wait_for_page()
    assert [article.container(name) for name in CONSUMERS] == proxies


@pytest.mark.claim("A9")
def test_the_dynamic_ambassador_listens_on_port_80_of_the_private_address(article: Article) -> None:
    node = article.machine_of("apache-dyn-amb.service")
    assert node.output("docker port apache-dyn-amb.service 80") == f"{article.address(node)}:80"
    assert article.page(f"http://{article.address(node)}/") == PAGE


@pytest.mark.claim("A9")
def test_the_dynamic_ambassador_follows_the_key_by_itself(article: Article) -> None:
    other = article.bystander()
    address = article.address(other)
    ambassador = f"http://{article.address(article.machine_of('apache-dyn-amb.service'))}/"
    serve = "echo elsewhere > /var/www/html/index.html; exec apache2ctl -D FOREGROUND"
    other.run(
        "docker rm --force elsewhere 2>/dev/null; docker run --detach --name elsewhere "
        f"--publish {address}:8099:80 --entrypoint sh user_name/apache -c '{serve}'",
        timeout=article.patience,
    )
    try:
        eventually(
            lambda: article.page(f"http://{address}:8099/") == "elsewhere",
            article.patience,
            "another provider answers",
            ignoring=(RequestException,),
        )
        # With a TTL it is another registrar's claim, which Apache's own registrar respects.
        article.lab.etcd.set(KEY, f"{address}:8099", ttl=300)
        eventually(
            lambda: article.page(ambassador) == "elsewhere",
            article.patience,
            "the ambassador follows",
            ignoring=(RequestException,),
        )
    finally:
        article.lab.etcd.delete(KEY)
        other.run("docker rm --force elsewhere", check=False)
    article.wait_for_page()


@pytest.mark.claim("A10")
def test_list_units_shows_all_six_running_three_by_three(article: Article) -> None:
    rows = [row.split() for row in article.reader.types("list").splitlines()]
    assert rows[0] == ["UNIT", "MACHINE", "ACTIVE", "SUB"]
    table = {row[0]: row[1:] for row in rows[1:] if row[0] in PROVIDERS + CONSUMERS}
    assert sorted(table) == sorted(PROVIDERS + CONSUMERS)
    for machine, active, sub in table.values():
        short, _, address = machine.partition(".../")
        assert re.fullmatch("[0-9a-f]{8}", short)
        assert ip_address(address) in article.lab.topology.networks.private
        assert (active, sub) == ("active", "running")
    (provider,) = {table[unit][0] for unit in PROVIDERS}
    (consumer,) = {table[unit][0] for unit in CONSUMERS}
    assert provider != consumer


@pytest.mark.claim("A11")
def test_fleetctl_ssh_leads_to_haproxy_s_machine_and_its_public_address_to_the_page(article: Article) -> None:
    address = article.reader.types("address").strip()
    node = article.machine_of("haproxy.service")
    assert address == str(article.lab.specs[node.name].machine.public)
    assert article.page(f"http://{address}/") == PAGE
    assert article.reader.types("page").strip() == PAGE


@pytest.mark.claim("A11")
def test_the_page_comes_through_haproxy_and_both_ambassadors(article: Article) -> None:
    node = article.machine_of("haproxy.service")
    url = article.public_url()
    for unit in ("haproxy.service", "apache-dyn-amb.service"):
        node.run(["docker", "pause", unit])
        try:
            with pytest.raises(RequestException), article.lab.http() as session:
                session.get(url, timeout=1).raise_for_status()
        finally:
            node.run(["docker", "unpause", unit])
        article.wait_for_page()


@pytest.mark.claim("A13")
def test_the_key_reads_the_same_on_all_members(article: Article) -> None:
    def same() -> bool:
        seen = [article.lab.etcd.get(KEY, member=node.name) for node in article.lab]
        first = seen[0]
        return first is not None and all(
            key is not None and (key.value, key.modified) == (first.value, first.modified) for key in seen
        )

    assert value(article) == article.published()
    assert article.reader.types("key").strip() == article.published()
    eventually(same, 10, f"{KEY} reads the same on all members")


def value(article: Article) -> str:
    """What the registrar's key holds, "" if it is not there."""
    key = article.lab.etcd.get(KEY, quorum=True)
    return key.value if key else ""
