"""Sockets are made in another network namespace while this process stays where it is."""

from __future__ import annotations

import http.server
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from lab import netns, network
from lab.errors import MachineError
from lab.shell import run

NAME = "lab-t-netns"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="making a network namespace takes root")


@pytest.fixture
def namespace() -> Iterator[str]:
    network.delete(NAME)
    run(["ip", "netns", "add", NAME])
    try:
        network.batch(NAME, ["link set lo up"])
        yield NAME
    finally:
        network.delete(NAME)


@pytest.fixture
def server(namespace: str) -> Iterator[int]:
    """An HTTP server on the namespace's loopback; its port."""
    ready = threading.Event()
    ports: list[http.server.HTTPServer] = []

    def serve() -> None:
        netns.enter(namespace)
        ports.append(http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler))
        ready.set()
        ports[0].serve_forever(poll_interval=0.01)

    thread = threading.Thread(target=serve)
    thread.start()
    assert ready.wait(5)
    try:
        yield ports[0].server_address[1]
    finally:
        ports[0].shutdown()
        thread.join()
        ports[0].server_close()


def test_a_connection_reaches_what_only_the_namespace_has(namespace: str, server: int) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server), timeout=1)
    netns.connect(namespace, ("127.0.0.1", server), 1.0).close()


def test_this_thread_stays_in_its_own_namespace(namespace: str, server: int) -> None:
    before = Path("/proc/thread-self/ns/net").stat().st_ino
    netns.connect(namespace, ("127.0.0.1", server), 1.0).close()
    assert Path("/proc/thread-self/ns/net").stat().st_ino == before


def test_an_http_session_asks_inside_the_namespace(namespace: str, server: int) -> None:
    with netns.http(namespace) as session:
        assert session.get(f"http://127.0.0.1:{server}/pyproject.toml", timeout=2).ok
        assert session.get(f"http://127.0.0.1:{server}/nothing", timeout=2).status_code == 404


def test_a_closed_port_is_a_connection_error_as_requests_knows_it(namespace: str) -> None:
    with netns.http(namespace) as session, pytest.raises(requests.ConnectionError):
        session.get("http://127.0.0.1:9/", timeout=1)


def test_a_namespace_that_is_gone_is_one_clear_line() -> None:
    with pytest.raises(MachineError, match="lab-t-none is gone"):
        netns.connect("lab-t-none", ("127.0.0.1", 9), 1.0)
