"""Sockets, HTTP sessions and commands in another network namespace, while the process stays in its own."""

from __future__ import annotations

import ctypes
import os
import socket
import threading
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from lab.errors import MachineError

FOLDER = Path("/run/netns")
CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def path(name: str) -> Path:
    return FOLDER / name


def command(name: str, *argv: str) -> list[str]:
    """`argv`, to be run inside the namespace."""
    return ["nsenter", f"--net={path(name)}", "--", *argv]


def gone(name: str) -> MachineError:
    """The error for a namespace that is not there."""
    return MachineError(f"the network namespace {name} is gone; `lab down` and `lab up` make it anew")


def enter(name: str) -> None:
    """Move the calling thread into the namespace. Raises MachineError if it is not there."""
    try:
        descriptor = os.open(path(name), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise gone(name) from None
    try:
        if _libc.setns(descriptor, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"cannot enter the network namespace {name}")
    finally:
        os.close(descriptor)


def connect(name: str, address: tuple[str, int], timeout: float) -> socket.socket:
    """A TCP connection made inside the namespace; raises what socket.create_connection raises.

    A socket stays in the namespace it was made in, so a short-lived thread goes there to make it.
    """
    result: list[socket.socket] = []
    problem: list[BaseException] = []

    def make() -> None:
        try:
            enter(name)
            made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            result.append(made)
        except BaseException as error:
            problem.append(error)

    thread = threading.Thread(target=make, name=f"netns {name}")
    thread.start()
    thread.join()
    if problem:
        raise problem[0]
    made = result[0]
    try:
        made.settimeout(timeout)
        made.connect(address)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        made.close()
        raise
    return made


def http(name: str) -> requests.Session:
    """A requests session whose connections are made inside the namespace."""
    session = requests.Session()
    session.trust_env = False  # the host's proxies have no business in the lab
    session.mount("http://", _Adapter(name))
    return session


class _Adapter(HTTPAdapter):
    def __init__(self, name: str) -> None:
        self.namespace = name
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **keywords: Any) -> None:
        super().init_poolmanager(*args, **keywords)
        namespace = self.namespace

        class Connection(HTTPConnection):
            def _new_conn(self) -> socket.socket:
                timeout = self.timeout if isinstance(self.timeout, (int, float)) else 10.0
                try:
                    return connect(namespace, (self.host, self.port or 80), timeout)
                except TimeoutError as problem:
                    raise ConnectTimeoutError(self, f"{self.host} timed out") from problem
                except OSError as problem:
                    raise NewConnectionError(self, str(problem)) from problem

        class Pool(HTTPConnectionPool):
            ConnectionCls = Connection

        self.poolmanager.pool_classes_by_scheme = {"http": Pool}
