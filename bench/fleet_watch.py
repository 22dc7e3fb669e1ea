"""Watching a cluster from outside, on the host's clock: fleet's keys in etcd as they change, and ports."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lab import netns
from lab.errors import MachineError
from lab.waiting import Deadline

PREFIX = "/_coreos.com/fleet"
LOOK = 0.02  # seconds between two tries of a port


@dataclass(frozen=True)
class Change:
    """A key of fleet changed; `at` is when the host heard of it, on the monotonic clock."""

    at: float
    action: str
    key: str
    value: str

    @property
    def gone(self) -> bool:
        return self.action in ("expire", "delete", "compareAndDelete")


class Watch:
    """`with Watch(namespace, address) as watch:` keeps every change of fleet's keys, in etcd's order.

    A watch of etcd's, resumed where it stopped: what it notes late by is the network and one thread.
    """

    def __init__(self, namespace: str, address: str) -> None:
        self.changes: list[Change] = []
        self._place = (address, 2379)
        self._namespace = namespace
        self._news = threading.Condition()
        self._index = 0
        self._open: http.client.HTTPConnection | None = None
        self._closed = False
        self._problem = ""
        self._thread = threading.Thread(target=self._follow, name=f"watch {address}", daemon=True)

    def __enter__(self) -> Watch:
        self._index = self._now()
        self._thread.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self._closed = True
        connection = self._open
        if connection is not None and connection.sock is not None:
            with contextlib.suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)

    def wait(self, wanted: Callable[[Change], bool], within: float, what: str) -> Change:
        """The first change that is wanted, of those that were and those that come."""
        deadline = Deadline(within)
        seen = 0
        with self._news:
            while True:
                for change in self.changes[seen:]:
                    if wanted(change):
                        return change
                seen = len(self.changes)
                if deadline.expired() or self._problem:
                    last = self.changes[-1] if self.changes else "nothing"
                    raise MachineError(
                        f"{what}: not within {within:g} s; seen last: {last} {self._problem}".rstrip()
                    )
                self._news.wait(deadline.left())

    def _connect(self) -> http.client.HTTPConnection:
        made = http.client.HTTPConnection(*self._place)
        made.sock = netns.connect(self._namespace, self._place, 10.0)
        made.sock.settimeout(60.0)
        return made

    def _now(self) -> int:
        asking = self._connect()
        with contextlib.closing(asking):
            asking.request("GET", "/v2/keys/")
            return int(asking.getresponse().headers["X-Etcd-Index"])

    def _follow(self) -> None:
        while not self._closed:
            try:
                self._open = self._connect()
                with contextlib.closing(self._open):
                    while not self._closed:
                        self._next(self._open)
            except (OSError, http.client.HTTPException):
                threading.Event().wait(LOOK)
            except Exception as problem:
                with self._news:
                    self._problem = repr(problem)
                    self._news.notify_all()
                return

    def _next(self, connection: http.client.HTTPConnection) -> None:
        path = f"/v2/keys{PREFIX}?wait=true&recursive=true&waitIndex={self._index + 1}"
        connection.request("GET", path)
        body = connection.getresponse().read()
        at = time.monotonic()
        if not body.strip():
            return  # etcd ended the watch, which it may
        document: dict[str, Any] = json.loads(body)
        if "errorCode" in document:
            raise MachineError(f"etcd: {document}")
        node = document["node"]
        self._index = int(node["modifiedIndex"])
        with self._news:
            self.changes.append(Change(at, document["action"], node["key"], node.get("value", "")))
            self._news.notify_all()


class Ports:
    """Tries a TCP port of some machines until one takes a connection; `opened` is when that was."""

    def __init__(self, namespace: str, places: list[tuple[str, int]]) -> None:
        self.opened: float | None = None
        self._namespace = namespace
        self._places = places
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._try_on, name="ports", daemon=True)

    def __enter__(self) -> Ports:
        self._thread.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self._stop.set()
        self._thread.join(5)

    def wait(self, within: float) -> float:
        self._thread.join(within)
        if self.opened is None:
            raise MachineError(f"no port is open after {within:g} s: {self._places}")
        return self.opened

    def _try_on(self) -> None:
        netns.enter(self._namespace)
        while not self._stop.is_set():
            for place in self._places:
                try:
                    socket.create_connection(place, 0.5).close()
                except OSError:
                    continue
                self.opened = time.monotonic()
                return
            self._stop.wait(LOOK)
