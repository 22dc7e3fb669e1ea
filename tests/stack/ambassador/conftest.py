"""The ambassador programs as processes, and a Docker daemon that says what a test wants."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack.conftest import Etcd, free_ports
from tests.stack.docker import Docker
from tests.stack.processes import Program, Start, starter

LOCAL = "127.0.0.1"
__all__ = ["LOCAL", "Docker", "Program", "Start", "docker", "free_port", "link", "start"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a program of the ambassador package with arguments and an environment."""
    with starter(tmp_path, LISTEN_HOST=LOCAL) as go:

        def ambassador(module: str, *arguments: str, **environment: str) -> Program:
            return go(module, ["-m", f"ambassador.{module}", *arguments], **environment)

        yield ambassador


def link(etcd: Etcd) -> dict[str, str]:
    """What Docker's link to an ambassador would put into the environment."""
    return {"ETCD_PORT_10000_TCP_ADDR": LOCAL, "ETCD_PORT_10000_TCP_PORT": str(etcd.port)}


def free_port() -> int:
    return free_ports(1)[0]


@pytest.fixture
def docker(tmp_path: Path) -> Iterator[Docker]:
    daemon = Docker(tmp_path / "docker.sock")
    daemon.up()
    yield daemon
    daemon.down()
