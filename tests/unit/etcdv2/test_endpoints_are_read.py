"""Endpoints of the blocking client: what is accepted, and what is refused at once."""

from __future__ import annotations

import pytest

from etcdv2.sync import Client


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://10.1.0.101:4001",
        "http://10.1.0.101:4001/",
        "10.1.0.101:4001",
        "coreos-1",
        "[::1]:2379",
        "[::1]",
    ],
)
def test_an_endpoint_is_a_url_or_host_and_port(endpoint: str) -> None:
    Client(endpoint)


@pytest.mark.parametrize(
    "endpoint",
    ["", "https://10.1.0.101:4001", "http://h:4001/v2", ":4001", "h:port", "h:0", "h:65536", "h:²"],
)
def test_anything_else_is_refused(endpoint: str) -> None:
    with pytest.raises(ValueError, match="not an etcd endpoint"):
        Client(endpoint)


def test_no_endpoint_is_refused() -> None:
    with pytest.raises(ValueError, match="no etcd endpoint"):
        Client([])
