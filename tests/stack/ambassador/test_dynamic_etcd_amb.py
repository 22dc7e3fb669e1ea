"""dynamic-etcd-amb against a real etcd: each new connection goes to whom the key names at that moment."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from tests.stack.ambassador.conftest import LOCAL, Program, Start, free_port, link
from tests.stack.conftest import Etcd, wait_for

KEY = "/services/web/a"


@contextlib.contextmanager
def provider(name: bytes) -> Iterator[str]:
    """A server that says its name to whoever connects; its address."""
    with socket.create_server((LOCAL, 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        connection.sendall(name)

        threading.Thread(target=serve, daemon=True).start()
        yield f"{LOCAL}:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


class Ambassador:
    """The program on a port of its own."""

    def __init__(self, start: Start, etcd: Etcd) -> None:
        self.port = free_port()
        self.program: Program = start("dynamic_etcd_amb", "web", str(self.port), **link(etcd))
        self.program.logged("forwarding port")

    def says(self) -> bytes:
        """What a new connection is told; empty if it is closed without a word."""
        with socket.create_connection((LOCAL, self.port), 5) as sock:
            try:
                return sock.recv(100)
            except ConnectionResetError:
                return b""

    def leads_to(self, name: bytes) -> None:
        wait_for(lambda: self.says() == name, 5, f"a connection to {name!r}")


@pytest.fixture
def ambassador(etcd: Etcd, start: Start) -> Ambassador:
    return Ambassador(start, etcd)


def test_without_a_provider_a_connection_is_closed(ambassador: Ambassador) -> None:
    ambassador.program.logged("/services/web: no provider")
    assert ambassador.says() == b""
    ambassador.program.logged("connection closed: no provider of /services/web")


def test_it_follows_the_key_by_itself(etcd: Etcd, ambassador: Ambassador) -> None:
    with provider(b"one") as one, provider(b"two") as two:
        etcd.client().set(KEY, one)
        ambassador.leads_to(b"one")
        etcd.client().set(KEY, two)
        ambassador.leads_to(b"two")
        etcd.client().delete(KEY)
        ambassador.leads_to(b"")
        etcd.client().set(KEY, one)
        ambassador.leads_to(b"one")
        etcd.client().refresh(KEY, 1)
        ambassador.leads_to(b"")


def test_a_provider_that_was_there_before_is_found(etcd: Etcd, start: Start) -> None:
    with provider(b"one") as one:
        etcd.client().set(KEY, one)
        Ambassador(start, etcd).leads_to(b"one")


def test_it_catches_up_after_more_changes_than_etcd_remembers(etcd: Etcd, ambassador: Ambassador) -> None:
    with provider(b"one") as one, provider(b"two") as two:
        etcd.client().set(KEY, one)
        ambassador.leads_to(b"one")
        for number in range(1100):
            etcd.client().set("/elsewhere", str(number))
        etcd.client().set(KEY, two)
        ambassador.leads_to(b"two")


def test_the_last_provider_stays_while_etcd_is_away(etcd: Etcd, ambassador: Ambassador) -> None:
    with provider(b"one") as one, provider(b"two") as two:
        etcd.client().set(KEY, one)
        ambassador.leads_to(b"one")
        etcd.stop()
        ambassador.program.logged("etcd is away")
        assert ambassador.says() == b"one"
        etcd.start()
        etcd.client().set(KEY, two)
        ambassador.leads_to(b"two")


def test_a_value_that_is_no_address_is_said_and_not_used(etcd: Etcd, ambassador: Ambassador) -> None:
    etcd.client().set(KEY, "running")
    ambassador.program.logged("/services/web/a holds no ADDRESS:PORT: 'running'")
    assert ambassador.says() == b""


def test_sigterm_ends_it_within_a_second(etcd: Etcd, ambassador: Ambassador) -> None:
    code, taken = ambassador.program.stop()
    assert code == 0
    assert taken < 1


def test_simple_amb_forwards_etcd_itself(etcd: Etcd, start: Start) -> None:
    port = free_port()
    simple = start("simple_amb", f"{LOCAL}:{etcd.port}", LISTEN_PORT=str(port))
    simple.logged("forwarding port")
    behind = Etcd(etcd.command, etcd.folder, port, 0)
    assert behind.client().set("/key", "1").node.value == "1"
    ambassador = Ambassador(start, behind)
    with provider(b"one") as one:
        etcd.client().set(KEY, one)
        ambassador.leads_to(b"one")
    code, taken = simple.stop()
    assert code == 0
    assert taken < 1
