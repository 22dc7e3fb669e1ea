"""docker-register against a real etcd: the key is true while the container runs, else gone."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from etcdv2.model import KeyNotFound
from tests.stack.ambassador.conftest import Docker, Program, Start, link
from tests.stack.conftest import Etcd, wait_for

KEY = "/services/apache-A/apache.service"
ARGUMENTS = ("docker_register", "apache.service", "80", "apache-A")
TTL = 2
# With a TTL so long, what happens within seconds is by Docker's events and not by a look at it now and then.
BY_EVENTS = pytest.mark.parametrize("program", [60], indirect=True)


def value(etcd: Etcd) -> str:
    try:
        return etcd.client().get(KEY).node.value
    except KeyNotFound:
        return ""


def becomes(etcd: Etcd, wanted: str, within: float = 5) -> None:
    wait_for(lambda: value(etcd) == wanted, within, f"{KEY} = {wanted!r}, not {value(etcd)!r}")


@pytest.fixture
def program(etcd: Etcd, docker: Docker, start: Start, request: pytest.FixtureRequest) -> Program:
    """docker-register with a container that runs, registered, with the test's TTL, and told of events."""
    docker.run("10.1.0.101", 32768)
    ttl = str(getattr(request, "param", TTL))
    program = start(*ARGUMENTS, **link(etcd), DOCKER_SOCKET=str(docker.path), DOCKER_REGISTER_TTL=ttl)
    becomes(etcd, "10.1.0.101:32768")
    listens(docker)
    return program


def listens(docker: Docker) -> None:
    """An event that Docker tells before is lost."""
    wait_for(lambda: bool(docker._streams), 5, "a stream of events")


@pytest.mark.parametrize("program", [6], indirect=True)
def test_the_key_outlives_its_ttl_while_the_program_runs(etcd: Etcd, program: Program) -> None:
    created = etcd.client().get(KEY).node.created
    ends = time.monotonic() + 8
    while time.monotonic() < ends:
        node = etcd.client().get(KEY).node
        assert node.ttl is not None
        assert node.created == created, "prolonged, not written again: no watcher is woken"
        time.sleep(0.1)


@BY_EVENTS
def test_a_container_with_a_new_port_is_registered_at_once(
    etcd: Etcd, docker: Docker, program: Program
) -> None:
    docker.run("10.1.0.101", 32769)
    becomes(etcd, "10.1.0.101:32769")


@BY_EVENTS
def test_a_container_that_stops_loses_its_key_at_once_and_gets_it_back(
    etcd: Etcd, docker: Docker, program: Program
) -> None:
    docker.stop()
    becomes(etcd, "")
    program.logged("apache.service is not running")
    docker.run("10.1.0.101", 32770)
    becomes(etcd, "10.1.0.101:32770")


def test_sigterm_removes_the_key_within_a_second(etcd: Etcd, program: Program) -> None:
    code, taken = program.stop()
    assert code == 0
    assert taken < 1
    assert value(etcd) == ""


def test_sigterm_while_etcd_is_away_ends_within_a_second(etcd: Etcd, program: Program) -> None:
    etcd.stop()
    code, taken = program.stop()
    assert code == 0
    assert taken < 1
    program.logged("is left to its TTL")


def test_a_killed_program_leaves_a_key_that_ends_by_its_ttl(etcd: Etcd, program: Program) -> None:
    program.process.kill()
    becomes(etcd, "", within=10)


def test_etcd_may_come_later_and_go_away(etcd: Etcd, docker: Docker, start: Start) -> None:
    etcd.stop()
    docker.run("10.1.0.101", 32768)
    program = start(*ARGUMENTS, **link(etcd), DOCKER_SOCKET=str(docker.path), DOCKER_REGISTER_TTL="2")
    program.logged("is not written")
    etcd.start()
    becomes(etcd, "10.1.0.101:32768")
    etcd.stop()
    docker.run("10.1.0.101", 32769)
    etcd.start()
    becomes(etcd, "10.1.0.101:32769")


def test_the_container_may_come_later(etcd: Etcd, docker: Docker, start: Start) -> None:
    program = start(*ARGUMENTS, **link(etcd), DOCKER_SOCKET=str(docker.path))
    program.logged("no container apache.service")
    docker.run("10.1.0.101", 32768)
    becomes(etcd, "10.1.0.101:32768")
    assert 15 < (etcd.client().get(KEY).node.ttl or 0) <= 20


def test_while_docker_is_silent_the_key_is_left_to_its_ttl(
    etcd: Etcd, docker: Docker, program: Program
) -> None:
    docker.hang = True
    becomes(etcd, "", within=10)
    program.logged("Docker is away")
    docker.hang = False
    becomes(etcd, "10.1.0.101:32768")


@BY_EVENTS
def test_a_docker_that_comes_back_is_listened_to_again(etcd: Etcd, docker: Docker, program: Program) -> None:
    docker.down()
    program.logged("Docker is away")
    docker.run("10.1.0.101", 32769)
    docker.up()
    becomes(etcd, "10.1.0.101:32769")
    listens(docker)
    docker.stop()
    becomes(etcd, "")


def test_a_missing_socket_is_waited_for(etcd: Etcd, start: Start, tmp_path: Path) -> None:
    program = start(*ARGUMENTS, **link(etcd), DOCKER_SOCKET=str(tmp_path / "none.sock"))
    program.logged("none.sock: [Errno 2]")
    assert program.process.poll() is None


def test_another_machines_registration_is_left_alone(etcd: Etcd, program: Program) -> None:
    etcd.client().set(KEY, "10.1.0.102:40000", ttl=60)
    program.logged("another registrar's, 10.1.0.102:40000")
    program.stop()
    assert value(etcd) == "10.1.0.102:40000"


def test_a_value_that_nobody_keeps_alive_is_put_right(etcd: Etcd, program: Program) -> None:
    etcd.client().set(KEY, "1.2.3.4:5")
    becomes(etcd, "10.1.0.101:32768")


def test_a_port_published_on_all_addresses_needs_to_be_told_which(
    etcd: Etcd, docker: Docker, start: Start
) -> None:
    docker.run("0.0.0.0", 8080)
    lost = start(*ARGUMENTS, **link(etcd), DOCKER_SOCKET=str(docker.path))
    lost.logged("on all addresses")
    start(*ARGUMENTS, **link(etcd), DOCKER_SOCKET=str(docker.path), HOST_IP="10.1.0.101")
    becomes(etcd, "10.1.0.101:8080")
