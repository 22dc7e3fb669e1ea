"""Published ports, from what Docker 20.10 answered for containers run in different ways (inspect/)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dockerapi.model import Container, NotPublished


def recorded(name: str) -> Container:
    return Container.parse(json.loads((Path(__file__).parent / "inspect" / f"{name}.json").read_text()))


def test_a_dynamic_port_of_one_address_is_found() -> None:
    container = recorded("apache")
    assert container.name == "apache.service"
    assert container.running
    assert str(container.published(80)).startswith("10.1.0.101:32")


def test_an_address_comes_before_loopback_and_tcp_is_not_udp() -> None:
    container = recorded("two")
    assert str(container.published(80)) == "10.1.0.101:8081"
    assert str(container.published(80, "10.9.9.9", protocol="udp")) == "10.9.9.9:8083"


def test_all_addresses_name_none_unless_one_is_given() -> None:
    for name in ("everywhere", "dynamic"):
        container = recorded(name)
        with pytest.raises(NotPublished, match="on all addresses"):
            container.published(80)
    assert str(recorded("everywhere").published(80, "10.1.0.7")) == "10.1.0.7:8080"


def test_an_exposed_port_is_not_a_published_one() -> None:
    with pytest.raises(NotPublished, match=r"exposed does not publish 80/tcp: run it with -p ADDRESS::80"):
        recorded("exposed").published(80)


def test_a_stopped_container_publishes_nothing() -> None:
    container = recorded("stopped")
    assert not container.running
    with pytest.raises(NotPublished):
        container.published(80)


def test_a_container_on_the_hosts_network_publishes_nothing() -> None:
    with pytest.raises(NotPublished):
        recorded("hostnet").published(80)


def test_another_port_is_not_published() -> None:
    with pytest.raises(NotPublished, match="81/tcp"):
        recorded("apache").published(81)


@pytest.mark.parametrize("document", [{}, {"message": "x"}, {"Id": "1", "Name": "/a", "State": None}])
def test_what_is_no_container_is_refused(document: dict[str, object]) -> None:
    with pytest.raises((KeyError, TypeError)):
        Container.parse(document)
