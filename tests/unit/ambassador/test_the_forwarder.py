"""The forwarder over real sockets: half-closes, resets, providers that are away, slow readers."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ambassador.address import Address
from ambassador.forwarder import CONNECT_WITHIN, Forwarder

LOCAL = "127.0.0.1"


@dataclass
class Running:
    """A forwarder in a thread, and where it forwards to."""

    forwarder: Forwarder
    target: Address | None = None

    def connect(self) -> socket.socket:
        return socket.create_connection((LOCAL, self.forwarder.port), 5)


@pytest.fixture
def running() -> Iterator[Running]:
    stop = threading.Event()
    holder: list[Running] = []
    forwarder = Forwarder(0, lambda: holder[0].target, LOCAL)
    holder.append(Running(forwarder))

    def serve() -> None:
        while not stop.is_set():
            forwarder.turn(0.05)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield holder[0]
    finally:
        stop.set()
        thread.join()
        forwarder.close()


@pytest.fixture
def provider(running: Running) -> Iterator[socket.socket]:
    """A listening provider that the forwarder leads to."""
    with socket.create_server((LOCAL, 0), backlog=1024) as server:
        server.settimeout(5)
        running.target = Address(LOCAL, server.getsockname()[1])
        yield server


def accept(server: socket.socket) -> socket.socket:
    connection, _ = server.accept()
    connection.settimeout(5)
    return connection


def read_all(sock: socket.socket) -> bytes:
    return b"".join(iter(lambda: sock.recv(1 << 20), b""))


def until(check: Callable[[], bool], within: float = 5) -> None:
    deadline = time.monotonic() + within
    while not check():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.01)


def test_bytes_arrive_whole_both_ways(running: Running, provider: socket.socket) -> None:
    up, down = os.urandom(20_000_000), os.urandom(20_000_000)
    with running.connect() as consumer, accept(provider) as served:
        got: dict[str, str] = {}

        def send(sock: socket.socket, data: bytes) -> None:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)

        def receive(name: str, sock: socket.socket) -> None:
            got[name] = hashlib.sha256(read_all(sock)).hexdigest()

        threads = [
            threading.Thread(target=send, args=(consumer, up)),
            threading.Thread(target=send, args=(served, down)),
            threading.Thread(target=receive, args=("up", served)),
            threading.Thread(target=receive, args=("down", consumer)),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert got == {"up": hashlib.sha256(up).hexdigest(), "down": hashlib.sha256(down).hexdigest()}


def test_a_consumer_that_has_said_all_gets_its_answer(running: Running, provider: socket.socket) -> None:
    with running.connect() as consumer, accept(provider) as served:
        consumer.sendall(b"question")
        consumer.shutdown(socket.SHUT_WR)
        assert read_all(served) == b"question"
        served.sendall(b"answer")
        served.close()
        assert read_all(consumer) == b"answer"


def test_a_provider_that_has_said_all_still_listens(running: Running, provider: socket.socket) -> None:
    with running.connect() as consumer, accept(provider) as served:
        served.sendall(b"greeting")
        served.shutdown(socket.SHUT_WR)
        assert read_all(consumer) == b"greeting"
        consumer.sendall(b"more")
        consumer.close()
        assert read_all(served) == b"more"


def test_a_half_closed_direction_leaves_the_other_open(running: Running, provider: socket.socket) -> None:
    with running.connect() as consumer, accept(provider) as served:
        consumer.shutdown(socket.SHUT_WR)
        assert served.recv(1) == b""
        for number in range(5):
            served.sendall(bytes([number]))
            assert consumer.recv(1) == bytes([number])
        assert running.forwarder.connections == 1


@pytest.mark.parametrize("breaker", ["consumer", "provider"])
def test_a_reset_reaches_the_other_side(running: Running, provider: socket.socket, breaker: str) -> None:
    with running.connect() as consumer, accept(provider) as served:
        consumer.sendall(b"x")
        assert served.recv(1) == b"x"
        broken, other = (consumer, served) if breaker == "consumer" else (served, consumer)
        broken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        broken.close()
        with pytest.raises(ConnectionResetError):
            other.recv(1)
        until(lambda: running.forwarder.connections == 0)


def test_a_connection_without_a_provider_is_closed_at_once(running: Running) -> None:
    started = time.monotonic()
    with running.connect() as consumer:
        assert consumer.recv(1) == b""
    assert time.monotonic() - started < 0.5


def test_a_provider_that_refuses_is_tried_again_by_the_next_connection(running: Running) -> None:
    with socket.create_server((LOCAL, 0)) as server:
        address = server.getsockname()
        running.target = Address(*address)
    started = time.monotonic()
    with running.connect() as consumer, contextlib.suppress(ConnectionResetError):
        assert consumer.recv(1) == b""
    assert time.monotonic() - started < 0.5
    with socket.create_server(address) as server, running.connect() as consumer, accept(server) as served:
        consumer.sendall(b"x")
        assert served.recv(1) == b"x"


def test_a_provider_that_does_not_answer_is_given_up(running: Running) -> None:
    with contextlib.ExitStack() as stack:
        # A listener whose queue is full drops what else comes, as a machine does that has lost its power.
        server = stack.enter_context(socket.create_server((LOCAL, 0), backlog=0))
        address = server.getsockname()
        for _ in range(2):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(address)
        running.target = Address(*address)
        started = time.monotonic()
        consumer = stack.enter_context(running.connect())
        assert consumer.recv(1) == b""
        assert CONNECT_WITHIN - 0.1 < time.monotonic() - started < CONNECT_WITHIN + 1


def test_a_connection_stays_with_its_provider_and_the_next_one_follows(
    running: Running, provider: socket.socket
) -> None:
    with running.connect() as first, accept(provider) as old, socket.create_server((LOCAL, 0)) as moved:
        running.target = Address(LOCAL, moved.getsockname()[1])
        with running.connect() as second, accept(moved) as new:
            first.sendall(b"1")
            second.sendall(b"2")
            assert old.recv(1) == b"1"
            assert new.recv(1) == b"2"


def test_a_slow_reader_holds_up_its_sender_and_nobody_else(running: Running, provider: socket.socket) -> None:
    with running.connect() as slow, accept(provider) as flooding:
        flooding.setblocking(False)
        sent, chunk = 0, os.urandom(1 << 20)
        digest = hashlib.sha256()
        quiet_since = time.monotonic()
        while time.monotonic() - quiet_since < 0.5:
            try:
                taken = flooding.send(chunk)
            except BlockingIOError:
                time.sleep(0.01)
                continue
            digest.update(chunk[:taken])
            sent += taken
            quiet_since = time.monotonic()
            assert sent < 64 << 20, "nothing holds the sender up"
        with running.connect() as other, accept(provider) as served:
            other.sendall(b"x")
            assert served.recv(1) == b"x"
        flooding.setblocking(True)
        flooding.shutdown(socket.SHUT_WR)
        got = read_all(slow)
        assert len(got) == sent
        assert hashlib.sha256(got).hexdigest() == digest.hexdigest()


def test_a_thousand_connections_are_open_at_once(running: Running, provider: socket.socket) -> None:
    with contextlib.ExitStack() as stack:
        pairs = []
        for number in range(1000):
            consumer = stack.enter_context(running.connect())
            served = stack.enter_context(accept(provider))
            consumer.sendall(number.to_bytes(2, "big"))
            pairs.append((consumer, served))
        assert running.forwarder.connections == 1000
        for number, (consumer, served) in enumerate(pairs):
            assert served.recv(2) == number.to_bytes(2, "big")
            served.sendall(b"seen")
            assert consumer.recv(4) == b"seen"
    until(lambda: running.forwarder.connections == 0)


def test_closed_connections_leave_no_descriptor_behind(running: Running, provider: socket.socket) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for number in range(200):
        with running.connect() as consumer, accept(provider) as served:
            consumer.sendall(b"x")
            assert served.recv(1) == b"x"
            if number % 2:
                served.close()
    until(lambda: running.forwarder.connections == 0)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
