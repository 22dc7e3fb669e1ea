"""etcd's v2 API for threads and scripts: blocking calls, a deadline on each, fail-over between endpoints."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from etcdv2.model import EtcdError, Event, Request, Unavailable, basic_authorization, parse
from wire import http as wire
from wire.tcp import keep_alive

if TYPE_CHECKING:
    import ssl

DEFAULT_TIMEOUT = 1.0


@dataclass(frozen=True)
class Member:
    """A member of the cluster as /v2/members lists it; `name` is empty until it has started once."""

    id: str
    name: str
    peer_urls: tuple[str, ...]
    client_urls: tuple[str, ...]


class Client:
    """Asks one endpoint after the other, the last one that answered first.

    `timeout` bounds a call to one endpoint, connecting included: the whole call takes at most `timeout`
    times the number of endpoints. All calls raise Unavailable if no endpoint gave a usable answer, and
    EtcdError (KeyNotFound, KeyExists) if etcd refused. A write with a condition goes to another endpoint only
    if it cannot have reached the first one: asked twice, it would fail on its own success. A deletion goes on
    to the next endpoint: asked twice, it finds nothing left to do (KeyNotFound). An instance may be used by
    several threads. `tls` is for endpoints whose URL begins with https://, `credentials` are a user and a
    password.
    """

    def __init__(
        self,
        endpoints: str | Iterable[str],
        timeout: float = DEFAULT_TIMEOUT,
        *,
        tls: ssl.SSLContext | None = None,
        credentials: tuple[str, str] | None = None,
    ) -> None:
        given = [endpoints] if isinstance(endpoints, str) else list(endpoints)
        headers = {"Authorization": basic_authorization(*credentials)} if credentials else {}
        self._endpoints = tuple(_Endpoint.parse(endpoint, tls, headers) for endpoint in given)
        if not self._endpoints:
            raise ValueError("no etcd endpoint given")
        self._timeout = timeout
        self._first = 0

    def within(self, timeout: float) -> Client:
        """The same endpoints with another time limit, beginning with the one that answered last."""
        other = Client([str(endpoint) for endpoint in self._endpoints], timeout)
        other._first = self._first
        return other

    def get(self, key: str, *, recursive: bool = False, sorted: bool = False, quorum: bool = False) -> Event:
        """The key or directory; `quorum` asks for a value that the whole cluster agrees on."""
        query = _true(recursive=recursive, sorted=sorted, quorum=quorum)
        return self._keys(Request.keys("GET", key, query))

    def set(
        self,
        key: str,
        value: str,
        ttl: int | None = None,
        *,
        prev_value: str | None = None,
        prev_index: int | None = None,
        prev_exist: bool | None = None,
    ) -> Event:
        """Write `value`, for `ttl` seconds if given, on the conditions that are given."""
        form: dict[str, str | int | bool] = {"value": value}
        if ttl is not None:
            form["ttl"] = ttl
        conditions = _given(prevValue=prev_value, prevIndex=prev_index, prevExist=prev_exist)
        return self._keys(Request.keys("PUT", key, form=form | conditions), once=bool(conditions))

    def create(self, key: str, value: str, ttl: int | None = None) -> Event:
        """Write a key that must not be there yet; KeyExists otherwise."""
        return self.set(key, value, ttl, prev_exist=False)

    def refresh(self, key: str, ttl: int, *, prev_value: str | None = None) -> Event:
        """Give an existing key another `ttl` seconds: the value stays and no watcher wakes."""
        form: dict[str, str | int | bool] = {"refresh": True, "prevExist": True, "ttl": ttl}
        return self._keys(Request.keys("PUT", key, form=form | _given(prevValue=prev_value)))

    def delete(
        self,
        key: str,
        *,
        recursive: bool = False,
        directory: bool = False,
        prev_value: str | None = None,
        prev_index: int | None = None,
    ) -> Event:
        """Remove a key, or a directory: an empty one with `directory`, with all below it with `recursive`."""
        conditions = _given(prevValue=prev_value, prevIndex=prev_index)
        query = _true(recursive=recursive, dir=directory) | conditions
        return self._keys(Request.keys("DELETE", key, query))

    def make_directory(self, key: str, ttl: int | None = None) -> Event:
        """Create a directory that must not be there yet."""
        form = {"dir": True, "prevExist": False} | _given(ttl=ttl)
        return self._keys(Request.keys("PUT", key, form=form), once=True)

    def watch(self, key: str, *, recursive: bool = False, after_index: int, timeout: float) -> Event | None:
        """The first change of `key` after `after_index`, or None if none came within `timeout` seconds.

        The next call goes on from the event's `node.modified`. EtcdError with EVENT_INDEX_CLEARED means
        that etcd no longer knows what came after `after_index`: read the key again and watch from there.
        """
        query = {"wait": True, "waitIndex": after_index + 1} | _true(recursive=recursive)
        request = Request.keys("GET", key, query)
        try:
            answer = self._ask(request, wait=timeout)
        except _NothingYet:
            return None
        return parse(answer.status, answer.headers, answer.body)

    def members(self) -> tuple[Member, ...]:
        """The members of the cluster."""
        answer = self._ask(Request("GET", "/v2/members"))
        try:
            return tuple(_member(member) for member in json.loads(answer.body)["members"])
        except (ValueError, KeyError, TypeError):
            raise Unavailable(f"HTTP {answer.status} with no list of members") from None

    def health(self) -> bool:
        """True if an endpoint says that its member has a leader and can commit."""
        for endpoint in self._endpoints:
            try:
                answer = endpoint.exchange(Request("GET", "/health"), self._timeout)
                if json.loads(answer.body).get("health") in ("true", True):
                    return True
            except (OSError, ValueError, AttributeError):
                continue
        return False

    def _keys(self, request: Request, *, once: bool = False) -> Event:
        """Ask the keys API; an endpoint that has no leader is passed over like one that is away."""
        failures: list[tuple[str, Exception]] = []
        for number in self._order():
            try:
                answer = self._endpoints[number].exchange(request, self._timeout)
                event = parse(answer.status, answer.headers, answer.body)
            except EtcdError:
                self._first = number
                raise
            except (OSError, Unavailable) as error:
                failures.append((self._endpoints[number].url, error))
                if once and not isinstance(error, NotSent):
                    break
                continue
            self._first = number
            return event
        raise _unavailable(failures)

    def _ask(self, request: Request, wait: float | None = None) -> wire.Answer:
        failures: list[tuple[str, Exception]] = []
        for number in self._order():
            try:
                answer = self._endpoints[number].exchange(request, self._timeout, wait)
            except OSError as error:
                failures.append((self._endpoints[number].url, error))
                continue
            except _NothingYet:
                self._first = number
                raise
            self._first = number
            return answer
        raise _unavailable(failures)

    def _order(self) -> list[int]:
        count = len(self._endpoints)
        return [(self._first + step) % count for step in range(count)]


class NotSent(OSError):
    """The request cannot have reached etcd; its cause is what the connection failed by."""


class _NothingYet(Exception):
    """A watch was accepted, and its time passed without an event."""


@dataclass(frozen=True)
class _Endpoint:
    host: str
    port: int
    tls: ssl.SSLContext | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(
        cls, text: str, tls: ssl.SSLContext | None = None, headers: Mapping[str, str] | None = None
    ) -> _Endpoint:
        """Read `http://HOST:PORT` or `HOST:PORT` (port 2379 if none is given), or with `tls` also https."""
        rest = text.strip().rstrip("/").removeprefix("http://")
        secure = tls is not None and rest.startswith("https://")
        if secure:
            rest = rest.removeprefix("https://")
        if "://" in rest or "/" in rest:
            raise ValueError(f"not an etcd endpoint: {text!r} (expected http://HOST:PORT)")
        host, colon, port = rest.rpartition(":")
        if not colon or rest.endswith("]"):
            host, port = rest, "2379"
        if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
            raise ValueError(f"not an etcd endpoint: {text!r} (expected http://HOST:PORT)")
        return cls(host.strip("[]"), int(port), tls if secure else None, headers or {})

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self}"

    def exchange(self, request: Request, timeout: float, wait: float | None = None) -> wire.Answer:
        """One request; `wait` is the longer time that a watch's body may take once its head is there.

        etcd sends a watch's head at once, so an endpoint that is cut off is found out within `timeout`.
        """
        started = time.monotonic()
        try:
            sock = socket.create_connection((self.host, self.port), timeout)
            if self.tls:
                sock = self.tls.wrap_socket(sock, server_hostname=self.host)
        except OSError as error:
            raise NotSent(_reason(error)) from error
        body = request.body.encode("ascii") if request.body is not None else None
        asked = wire.Request(
            request.method, request.path, str(self), body, {**self.headers, **request.headers}
        )
        with sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if wait is None:
                return wire.exchange(sock, asked, started + timeout)
            keep_alive(sock)
            try:
                return wire.exchange(sock, asked, time.monotonic() + wait, head_deadline=started + timeout)
            except wire.BodyTimeout:
                raise _NothingYet from None


def _unavailable(failures: list[tuple[str, Exception]]) -> Unavailable:
    text = "; ".join(f"{url.partition('://')[2]}: {_reason(error)}" for url, error in failures)
    return Unavailable(text, tuple(failures))


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def _true(**flags: bool) -> dict[str, str | int | bool]:
    return {name: True for name, flag in flags.items() if flag}


def _given(**values: str | int | bool | None) -> dict[str, str | int | bool]:
    return {name: value for name, value in values.items() if value is not None}


def _member(document: dict[str, Any]) -> Member:
    return Member(
        id=str(document["id"]),
        name=str(document.get("name", "")),
        peer_urls=tuple(document.get("peerURLs") or ()),
        client_urls=tuple(document.get("clientURLs") or ()),
    )
