"""dockreg against a real etcd: the key, its value and its time to live, and its end with the program."""

from __future__ import annotations

import time

import pytest

from tests.stack.conftest import wait_for
from tests.stack.dockreg.conftest import KEY, PORT, Container
from tests.stack.processes import Program

ARTICLE = "Times()"


@pytest.mark.claim("B4", "B5")
def test_the_key_is_the_hosts_address_and_the_published_port(container: Container) -> None:
    began = time.monotonic()
    container.start(times=ARTICLE)
    container.becomes(there=True)
    node = container.key()
    assert node is not None
    assert (node.key, node.value) == (f"/service/10.1.0.101:{PORT}", "running")
    assert node.ttl is not None
    assert 19 - (time.monotonic() - began) <= node.ttl <= 20


@pytest.mark.claim("B3", "B5")
def test_without_ip_the_address_of_the_mapping_is_registered(container: Container) -> None:
    container.publish("192.168.1.54", 40000)
    container.start(ip="")
    container.becomes(there=True, key="/service/192.168.1.54:40000")


@pytest.mark.claim("B3")
def test_key_names_the_directory(container: Container) -> None:
    container.start("--key", "shop/web")
    container.becomes(there=True, key=f"/shop/web/10.1.0.101:{PORT}")
    assert container.key() is None


@pytest.mark.claim("B4")
def test_the_key_outlives_its_ttl_while_the_application_answers(
    container: Container, program: Program
) -> None:
    container.keeps_its_key()
    assert program.process.poll() is None


@pytest.mark.claim("B4")
def test_the_application_is_asked_every_five_seconds(container: Container) -> None:
    container.application.behaves, container.application.delay = "slow", 2.0
    container.start(times="Times(limit=10)")
    wait_for(lambda: len(container.application.asked) >= 3, 30, "the application is asked three times")
    first, _, third = container.application.asked[:3]
    assert 9 < third - first < 13, "10 s; 14 s if a slow answer shifted the rhythm"


def test_until_the_first_answer_it_is_asked_more_often(container: Container) -> None:
    container.application.down()
    program = container.start(times="Times(interval=60)")
    program.logged("refused")
    container.application.up()
    container.becomes(there=True)  # the next check in the usual rhythm would be a minute later


@pytest.mark.claim("B9")
def test_sigterm_removes_the_key_before_the_program_ends(container: Container, program: Program) -> None:
    code, taken = program.stop()
    assert container.key() is None
    assert code == 0
    assert taken < 1
    program.logged(f"{KEY} removed")


@pytest.mark.claim("B10")
def test_a_killed_program_leaves_a_key_that_ends_by_its_ttl(container: Container, program: Program) -> None:
    node = container.key()
    assert node is not None
    program.process.kill()
    event = container.etcd.client().watch(KEY, after_index=node.modified, timeout=20)
    assert event is not None
    assert event.action == "expire", "nobody has removed it"


def test_what_a_former_container_left_at_the_same_port_goes_if_nobody_answers(container: Container) -> None:
    container.etcd.client().set(KEY, "running", ttl=60)
    container.application.down()
    program = container.start()
    container.becomes(there=False)
    program.logged("refused")


def test_a_value_that_somebody_keeps_alive_there_is_left_alone(
    container: Container, program: Program
) -> None:
    container.etcd.client().set(KEY, "maintenance", ttl=60)
    program.logged("is somebody else's, 'maintenance'")
    program.stop()
    node = container.key()
    assert node is not None
    assert node.value == "maintenance"
