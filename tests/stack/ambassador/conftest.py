"""The ambassador programs as processes, and a Docker daemon that says what a test wants."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.stack.conftest import Etcd, free_ports, wait_for

STACK = Path(__file__).resolve().parents[3] / "provision" / "stack"
RECORDED = Path(__file__).resolve().parents[2] / "unit" / "ambassador" / "inspect" / "apache.json"
LOCAL = "127.0.0.1"


@dataclass
class Program:
    """A running program and what it has logged."""

    process: subprocess.Popen[bytes]
    log: Path

    def logged(self, text: str, within: float = 5) -> None:
        wait_for(lambda: text in self.log.read_text(), within, f"{text!r} in\n{self.log.read_text()}")

    def stop(self) -> tuple[int, float]:
        """SIGTERM; the exit code and how long it took."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(5), time.monotonic() - started


Start = Callable[..., Program]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a program of the ambassador package with arguments and an environment."""
    running: list[Program] = []

    def go(module: str, *arguments: str, **environment: str) -> Program:
        log = tmp_path / f"{module}-{len(running)}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-S", "-m", f"ambassador.{module}", *arguments],
                env={**os.environ, "PYTHONPATH": str(STACK), "LISTEN_HOST": LOCAL, **environment},
                stderr=out,
            )
        running.append(Program(process, log))
        return running[-1]

    yield go
    for program in running:
        program.process.kill()
        program.process.wait()


def link(etcd: Etcd) -> dict[str, str]:
    """What Docker's link to an ambassador would put into the environment."""
    return {"ETCD_PORT_10000_TCP_ADDR": LOCAL, "ETCD_PORT_10000_TCP_PORT": str(etcd.port)}


def free_port() -> int:
    return free_ports(1)[0]


@dataclass
class Docker:
    """A stand-in for dockerd, which cannot run on every host: real answers of Docker, changed by the test.

    The same program against the real daemon is what the scenario shows on machines.
    """

    path: Path
    container: dict[str, Any] | None = None
    hang: bool = False
    _listener: socket.socket | None = None
    _streams: list[socket.socket] = field(default_factory=list)

    def up(self) -> None:
        self.path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen()
        threading.Thread(target=self._serve, args=(self._listener,), daemon=True).start()

    def down(self) -> None:
        if self._listener is not None:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        for stream in self._streams:
            stream.close()
        self._streams.clear()

    def run(self, host: str, port: int) -> None:
        """The container runs, published there."""
        self.container = json.loads(RECORDED.read_text())
        self.container["NetworkSettings"]["Ports"] = {"80/tcp": [{"HostIp": host, "HostPort": str(port)}]}
        self._tell("start")

    def stop(self) -> None:
        """The container has stopped."""
        assert self.container is not None
        self.container["State"]["Running"] = False
        self.container["NetworkSettings"]["Ports"] = {}
        self._tell("die")

    def _tell(self, action: str) -> None:
        line = json.dumps({"Type": "container", "Action": action}).encode() + b"\n"
        for stream in self._streams:
            stream.sendall(f"{len(line):x}\r\n".encode() + line + b"\r\n")

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            path = connection.recv(65536).split(b" ")[1]
            if self.hang:
                self._streams.append(connection)
            elif path.startswith(b"/events"):
                connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                self._streams.append(connection)
            else:
                body = json.dumps(self.container or {"message": "No such container: apache.service"}).encode()
                status = b"200 OK" if self.container else b"404 Not Found"
                connection.sendall(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body))
                connection.close()


@pytest.fixture
def docker(tmp_path: Path) -> Iterator[Docker]:
    daemon = Docker(tmp_path / "docker.sock")
    daemon.up()
    yield daemon
    daemon.down()
