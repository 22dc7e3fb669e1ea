"""dockreg as a process, beside an application that behaves as a test wants."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from etcdv2.model import KeyNotFound, Node
from tests.stack.conftest import Etcd, wait_for
from tests.stack.docker import Docker
from tests.stack.processes import Program, Start, starter

# The article's times are long for a test. A host that stands still for a second or two must neither make an
# answer late nor let a key expire, where a test says that the key stays.
TTL = 5
QUICK = f"Times(interval=0.5, limit=10, ttl={TTL}, starting=0.1, retry=0.1)"
# And where a key must go: it has been removed if it goes long before its TTL ends.
STRICT = "Times(interval=0.5, limit=0.3, ttl=60, starting=0.1, retry=0.1)"
# Longer than the TTL, and the look for expired keys that etcd takes twice a second.
PAST_TTL = TTL + 1.5
DRIVER = (
    "import sys; from dockreg.main import NAME, HELP, main; from dockreg.sidekick import Times; "
    "from program import run; run(NAME, HELP, lambda words: main(words, {times}))"
)
PORT = 49155
KEY = f"/service/10.1.0.101:{PORT}"


@dataclass
class Application:
    """An HTTP server on loopback; `behaves` is "ok", "500", "hangs", "slow" (answers after `delay`)."""

    behaves: str = "ok"
    delay: float = 0.0
    asked: list[float] = field(default_factory=list)
    _listener: socket.socket | None = None
    _held: list[socket.socket] = field(default_factory=list)
    port: int = 0

    def up(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, args=(self._listener,), daemon=True).start()

    def down(self) -> None:
        """Connections are refused from now on."""
        if self._listener is not None:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        for connection in self._held:
            connection.close()

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self.asked.append(time.monotonic())
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        connection.recv(4096)
        if self.behaves == "hangs":
            self._held.append(connection)
            return
        if self.behaves == "slow":
            time.sleep(self.delay)
        status = b"500 Internal Server Error" if self.behaves == "500" else b"200 OK"
        try:
            with connection:
                connection.sendall(b"HTTP/1.1 %s\r\nContent-Length: 2\r\n\r\nhi" % status)
        except OSError:
            return


@pytest.fixture
def application() -> Iterator[Application]:
    """One that answers."""
    made = Application()
    made.up()
    yield made
    made.down()


@pytest.fixture
def docker(tmp_path: Path) -> Iterator[Docker]:
    daemon = Docker(tmp_path / "docker.sock")
    daemon.up()
    yield daemon
    daemon.down()


@dataclass
class Container:
    """All that dockreg meets: the application, Docker, etcd; `start` runs it."""

    application: Application
    docker: Docker
    etcd: Etcd
    _start: Start

    def start(
        self, *words: str, times: str = QUICK, endpoints: str = "", ip: str = "10.1.0.101", socket: str = ""
    ) -> Program:
        """Run dockreg; `words` are further ones."""
        options = ["--etcd", endpoints or self.etcd.endpoint, "--port", str(self.application.port)]
        options += ["--docker", socket or str(self.docker.path), *(["--ip", ip] if ip else []), *words]
        return self._start("dockreg", ["-c", DRIVER.format(times=times), *options])

    def publish(self, host: str = "0.0.0.0", port: int = PORT) -> None:
        """Docker says that the application's port is published there."""
        self.docker.run(host, port, self.application.port)

    def key(self, key: str = KEY) -> Node | None:
        try:
            return self.etcd.client().get(key).node
        except KeyNotFound:
            return None

    def becomes(self, there: bool, within: float = 20, key: str = KEY) -> None:
        wait_for(
            lambda: (self.key(key) is not None) == there,
            within,
            f"{key} is {'there' if there else 'gone'}",
        )

    def keeps_its_key(self) -> None:
        """The key outlives its TTL, and is prolonged, not written again: no watcher is woken."""
        first = self.key()
        assert first is not None
        ends = time.monotonic() + PAST_TTL
        while time.monotonic() < ends:
            node = self.key()
            assert node is not None
            assert node.created == first.created
            time.sleep(0.05)


@pytest.fixture
def container(application: Application, docker: Docker, etcd: Etcd, tmp_path: Path) -> Iterator[Container]:
    """A container that runs, its port published on all addresses."""
    with starter(tmp_path) as start:
        made = Container(application, docker, etcd, start)
        made.publish()
        yield made


@pytest.fixture
def program(container: Container) -> Program:
    """dockreg, registered, with QUICK times."""
    program = container.start()
    container.becomes(there=True)
    return program


Broken = Callable[[Container], None]
