"""Every failure that dockreg can meet: what becomes of the key, what the log says, and that it goes on."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from tests.stack.conftest import free_ports, wait_for
from tests.stack.dockreg.conftest import KEY, STRICT, TTL, Container
from tests.stack.processes import Program


@pytest.fixture
def strict(container: Container) -> Program:
    """dockreg, registered: a key that goes has been removed."""
    program = container.start(times=STRICT)
    container.becomes(there=True)
    return program


def works_again(container: Container, program: Program) -> None:
    """The application answers again, and has its key again."""
    container.application.behaves = "ok"
    container.becomes(there=True)
    assert program.process.poll() is None


@pytest.mark.claim("B4")
@pytest.mark.parametrize(
    ("behaves", "said"),
    [("500", "it answers 500"), ("hangs", "no answer within"), ("slow", "no answer within")],
)
def test_an_application_that_fails_loses_its_key_and_gets_it_back(
    container: Container, strict: Program, behaves: str, said: str
) -> None:
    container.application.delay = 0.6
    container.application.behaves = behaves
    container.becomes(there=False)
    strict.logged(f"{KEY} is not there: port {container.application.port} of the application: {said}")
    works_again(container, strict)


@pytest.mark.claim("B4")
def test_an_application_that_refuses_loses_its_key_and_gets_it_back(
    container: Container, strict: Program
) -> None:
    container.application.down()
    container.becomes(there=False)
    strict.logged("Connection refused")
    container.application.up()
    works_again(container, strict)


@pytest.mark.claim("B4")
def test_an_application_that_is_slow_but_in_time_keeps_its_key(container: Container) -> None:
    container.application.behaves, container.application.delay = "slow", 0.6
    container.start()
    container.becomes(there=True)
    container.keeps_its_key()


@pytest.mark.claim("B11")
def test_an_application_that_hangs_loses_its_key_before_its_ttl_ends(container: Container) -> None:
    container.start(times="Times()")
    container.becomes(there=True)
    container.application.behaves = "hangs"
    hung = time.monotonic()
    container.becomes(there=False, within=18)  # of 20; the unit tests say 5 + 3 s, by a clock of their own
    assert time.monotonic() - hung > 3, "it had its time to answer"


def test_etcd_may_come_later_and_go_away(container: Container) -> None:
    container.etcd.stop()
    program = container.start()
    program.logged(f"{KEY} is not written: 127.0.0.1:{container.etcd.port}: [Errno 111] Connection refused")
    container.etcd.start()
    container.becomes(there=True)
    before = container.key()
    assert before is not None
    container.etcd.stop()
    program.logged(f"{KEY} is not written", times=2)
    container.etcd.start()
    wait_for(
        lambda: (node := container.key()) is not None and node.modified > before.modified,
        20,
        f"{KEY} is kept again, not only remembered by etcd",
    )
    assert program.process.poll() is None


def test_an_application_that_fails_while_etcd_is_away_has_no_key_when_etcd_is_back(
    container: Container,
) -> None:
    program = container.start(times=STRICT)
    container.becomes(there=True)
    container.etcd.stop()
    container.application.behaves = "500"
    program.logged("is not removed, and left to its TTL")
    container.etcd.start()
    container.becomes(there=False)


@pytest.mark.parametrize("gone", ["refusing", "silent"])
def test_one_endpoint_of_two_that_is_away_is_passed_over(container: Container, gone: str) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=8) as silent:
        port = silent.getsockname()[1] if gone == "silent" else free_ports(1)[0]
        program = container.start(endpoints=f"http://127.0.0.1:{port},{container.etcd.endpoint}")
        container.becomes(there=True)
        container.keeps_its_key()
        code, taken = program.stop()
        assert (code, container.key()) == (0, None)
        assert taken < 1


def test_sigterm_while_etcd_is_away_ends_the_program_and_leaves_the_key_to_its_ttl(
    container: Container, program: Program
) -> None:
    container.etcd.stop()
    code, taken = program.stop()
    assert code == 0
    assert taken < 1
    program.logged(f"{KEY} is left to its TTL of {TTL} s")


def test_a_key_that_cannot_be_written_is_said(container: Container) -> None:
    container.etcd.client().set("/service", "no directory")
    program = container.start()
    program.logged(f"{KEY} is not written: 104: Not a directory (/service)")
    container.etcd.client().delete("/service")
    container.becomes(there=True)


def test_a_missing_socket_is_waited_for(container: Container, tmp_path: Path) -> None:
    place = tmp_path / "later.sock"
    program = container.start(socket=str(place))
    program.logged(f"nothing is registered, Docker is away: {place}: [Errno 2] No such file or directory")
    container.docker.path.rename(place)
    container.becomes(there=True)


def test_a_socket_that_refuses_is_asked_again(container: Container) -> None:
    container.docker.down()
    program = container.start()
    program.logged("Docker is away: ")
    program.logged("Connection refused")
    container.docker.up()
    container.becomes(there=True)


def test_a_docker_that_hangs_is_asked_again(container: Container) -> None:
    container.docker.hang = True
    program = container.start()
    program.logged("Docker is away")
    container.docker.hang = False
    container.becomes(there=True)


def test_a_docker_that_goes_away_later_changes_nothing(container: Container, program: Program) -> None:
    container.docker.down()
    container.keeps_its_key()
    assert program.process.poll() is None


def test_a_container_that_docker_does_not_know_is_said(container: Container) -> None:
    container.docker.container = None
    program = container.start()
    program.logged("nothing is registered, no container ")


def test_a_port_without_a_mapping_is_said(container: Container) -> None:
    container.docker.run("0.0.0.0", 40000, inside=81)
    program = container.start()
    program.logged(f"does not publish {container.application.port}/tcp: run it with -p ADDRESS::")
    container.publish()
    container.becomes(there=True)


def test_a_mapping_on_all_addresses_needs_ip(container: Container) -> None:
    program = container.start(ip="")
    program.logged("on all addresses, which names none")
    assert container.key() is None
