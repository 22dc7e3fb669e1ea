"""A real etcd on loopback for the tests of the stack: its own folder and ports, ended by its process id."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from etcdv2.sync import Client
from lab import box
from lab.progress import Progress
from lab.topology import BoxSource

START_WITHIN = 15.0
ANSWER_WITHIN = 10.0  # seconds for a call: it only bounds a wait, on hosts that may stand still for two


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on at this moment."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for sock in sockets:
            sock.bind(("127.0.0.1", 0))
        return [int(sock.getsockname()[1]) for sock in sockets]


def wait_for(check: Callable[[], bool], within: float, what: str) -> None:
    """Check at once and then every 20 ms; fail the test when `within` has passed."""
    deadline = time.monotonic() + within
    while not check():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {within} s: {what}")
        time.sleep(0.02)


@dataclass
class Etcd:
    """An etcd of one member that a test may stop and start again on the same ports and data."""

    command: list[str]
    folder: Path
    port: int
    peer_port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self) -> Client:
        return Client(self.endpoint, ANSWER_WITHIN)

    def start(self) -> None:
        peer = f"http://127.0.0.1:{self.peer_port}"
        with (self.folder / "etcd.log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *self.command,
                    *("--name=alone", "--enable-v2=true", "--data-dir", str(self.folder / "data")),
                    *("--listen-client-urls", self.endpoint, "--advertise-client-urls", self.endpoint),
                    *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer),
                    *("--initial-cluster", f"alone={peer}", "--unsafe-no-fsync"),
                    *("--heartbeat-interval=20", "--election-timeout=200"),
                ],
                stdout=log,
                stderr=log,
            )
        wait_for(self.client().health, START_WITHIN, f"etcd healthy, see {self.folder}/etcd.log")

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def etcd_command() -> list[str]:
    """etcd of the box, or of the host for a user who cannot make one."""
    if os.geteuid() != 0:  # only root can make a box
        found = shutil.which("etcd")
        return [found] if found else pytest.fail("run this with sudo, or install etcd (etcd-server)")
    return box_command("etcd")


def box_command(name: str) -> list[str]:
    """A command of the box, run on the host by the box's own loader, so that nothing need be installed."""
    libraries = next((box.ensure(BoxSource(), Progress()).root / "usr/lib").glob("*/ld-linux-*.so.*")).parent
    loader = next(libraries.glob("ld-linux-*.so.*"))
    return [str(loader), "--library-path", str(libraries), str(libraries.parents[1] / "bin" / name)]


@pytest.fixture(scope="session")
def etcd_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Etcd]:
    port, peer_port = free_ports(2)
    server = Etcd(etcd_command(), tmp_path_factory.mktemp("etcd"), port, peer_port)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def etcd(etcd_server: Etcd) -> Etcd:
    """The session's etcd, running and with no key in it."""
    if etcd_server.process is None:
        etcd_server.start()
    client = etcd_server.client()
    for node in client.get("/").node.nodes:
        client.delete(node.key, recursive=True, directory=node.directory)
    return etcd_server
