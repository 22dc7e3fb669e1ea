"""Addresses, Docker's link, and which of several registered providers counts."""

from __future__ import annotations

import pytest

from ambassador.address import Address, Resolver
from ambassador.link import endpoints, service_key
from ambassador.providers import Providers
from etcdv2.model import Event, Node
from program import Usage

LINK = {"ETCD_PORT_10000_TCP_ADDR": "172.17.0.2", "ETCD_PORT_10000_TCP_PORT": "10000"}
KEY = "/services/apache-A"


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [("172.17.42.1:4001", "172.17.42.1", 4001), ("etcd:1", "etcd", 1), ("[::1]:80", "::1", 80)],
)
def test_an_address_is_host_and_port(text: str, host: str, port: int) -> None:
    assert Address.parse(text) == Address(host, port)
    assert str(Address.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["", ":", "h", "h:", ":80", "h:0", "h:65536", "h:-1", "h:+1", "h:8o", "::1:80", "[]:80", "a b:80"]
)
def test_anything_else_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        Address.parse(text)


def test_a_number_is_its_own_address_and_a_name_is_looked_up() -> None:
    resolver = Resolver()
    assert resolver.numeric("10.1.0.101") == "10.1.0.101"
    assert resolver.numeric("localhost") in ("127.0.0.1", "::1")


def test_the_links_address_comes_first_then_its_name() -> None:
    assert endpoints(LINK) == ["172.17.0.2:10000"]
    assert endpoints(LINK, "172.17.0.3 etcd 1f993c800e49 etcd-amb-apache.service\n") == [
        "172.17.0.2:10000",
        "etcd:10000",
    ]
    assert endpoints(LINK, "# 172.17.0.3 etcd\n127.0.0.1 localhost\n") == ["172.17.0.2:10000"]


@pytest.mark.parametrize(
    "environment", [{}, {"ETCD_PORT_10000_TCP_ADDR": "172.17.0.2"}, LINK | {"ETCD_PORT_10000_TCP_PORT": "x"}]
)
def test_a_missing_link_says_how_to_make_one(environment: dict[str, str]) -> None:
    with pytest.raises(Usage, match="ETCD_PORT_10000_TCP_PORT"):
        endpoints(environment)


def test_a_key_is_a_name_below_services() -> None:
    assert service_key("apache-A") == KEY
    assert service_key("/apache-A/") == KEY


@pytest.mark.parametrize("name", ["", "/", "a//b", "..", "a/../b", "a\nb"])
def test_a_key_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(Usage, match="not a key"):
        service_key(name)


def leaf(name: str, value: str, index: int) -> Node:
    return Node(f"{KEY}/{name}", value, modified=index, created=index)


def test_no_key_is_no_provider() -> None:
    providers = Providers()
    assert providers.load(None) == []
    assert providers.current is None


def test_a_value_of_the_key_itself_is_a_provider_too() -> None:
    providers = Providers()
    providers.load(Node(KEY, "10.1.0.1:80"))
    assert providers.current == Address("10.1.0.1", 80)


def test_the_last_to_register_counts_and_its_end_brings_the_other_back() -> None:
    providers = Providers()
    providers.load(Node(KEY, directory=True, nodes=(leaf("a", "10.1.0.1:1", 7), leaf("b", "10.1.0.2:2", 5))))
    assert providers.current == Address("10.1.0.1", 1)
    providers.apply(Event("set", leaf("b", "10.1.0.3:3", 9)))
    assert providers.current == Address("10.1.0.3", 3)
    providers.apply(Event("expire", leaf("b", "", 10)))
    assert providers.current == Address("10.1.0.1", 1)


@pytest.mark.parametrize("action", ["delete", "expire", "compareAndDelete"])
@pytest.mark.parametrize("key", [KEY, f"{KEY}/a"])
def test_a_key_or_its_directory_goes_away(action: str, key: str) -> None:
    providers = Providers()
    providers.load(Node(KEY, directory=True, nodes=(leaf("a", "10.1.0.1:1", 7),)))
    providers.apply(Event(action, Node(key, directory=key == KEY)))
    assert providers.current is None


def test_a_key_with_a_like_name_is_another_one() -> None:
    providers = Providers()
    providers.apply(Event("set", leaf("ab", "10.1.0.1:1", 7)))
    providers.apply(Event("delete", leaf("a", "", 8)))
    assert providers.current == Address("10.1.0.1", 1)


def test_a_value_that_is_no_address_is_complained_of_and_is_no_provider() -> None:
    providers = Providers()
    assert providers.apply(Event("set", leaf("a", "10.1.0.1:1", 7))) == []
    (complaint,) = providers.apply(Event("set", leaf("a", "running", 8)))
    assert "/services/apache-A/a holds no ADDRESS:PORT: 'running'" in complaint
    assert providers.current is None
