"""The asyncio transport of the etcd v2 client: requests over kept connections, and watches as streams."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from etcdv2.model import (
    EVENT_INDEX_CLEARED,
    EtcdError,
    Event,
    Request,
    Unavailable,
    basic_authorization,
    parse,
)
from wire.tcp import keep_alive

if TYPE_CHECKING:
    import ssl

_T = TypeVar("_T")
DEFAULT_ENDPOINTS = ("http://127.0.0.1:2379", "http://127.0.0.1:4001")
_BODY_MAX = 256 * 1024 * 1024
# A watch this far behind reads everything at once: etcd replays the past one event a request.
_BEHIND_MAX = 100
# etcd keeps so many events for a stream that is read slowly. One more and it forgets the watch without a
# word: the stream stays open and says nothing ever again. So none is trusted beyond what fits.
_STREAM_MAX = 100


class Lagging(EtcdError):
    """A watch cannot be resumed: what it missed is gone from etcd's history, or too much. Read again."""


class Client:
    """etcd's keys API. Endpoints are tried in turn, the one that answered last first."""

    def __init__(
        self,
        endpoints: Sequence[str] = DEFAULT_ENDPOINTS,
        *,
        timeout: float = 1.0,
        tls: ssl.SSLContext | None = None,
        credentials: tuple[str, str] | None = None,
    ) -> None:
        self._endpoints = [_Endpoint(each, tls) for each in endpoints]
        self._timeout = timeout
        self._headers = ""
        if credentials:
            self._headers = f"Authorization: {basic_authorization(*credentials)}\r\n"

    async def get(self, key: str, *, recursive: bool = False, quorum: bool = False) -> Event:
        """Read a key or a directory."""
        query = {name: True for name, on in (("recursive", recursive), ("quorum", quorum)) if on}
        return await self.request(Request.keys("GET", key, query))

    async def put(
        self,
        key: str,
        value: str | None = None,
        *,
        ttl: int | None = None,
        refresh: bool = False,
        prev_exist: bool | None = None,
        prev_value: str | None = None,
        prev_index: int | None = None,
    ) -> Event:
        """Write a key, or with `refresh` renew only its TTL, of which watchers are not told."""
        given: dict[str, str | int | bool | None] = {
            "value": value,
            "ttl": ttl,
            "refresh": True if refresh else None,
            "prevExist": prev_exist,
            "prevValue": prev_value,
            "prevIndex": prev_index,
        }
        form = {name: each for name, each in given.items() if each is not None}
        return await self.request(Request.keys("PUT", key, None, form))

    async def delete(
        self,
        key: str,
        *,
        recursive: bool = False,
        directory: bool = False,
        prev_value: str | None = None,
        prev_index: int | None = None,
    ) -> Event:
        """Delete a key; a directory if `directory` (an empty one) or `recursive`."""
        given: dict[str, str | int | bool | None] = {
            "recursive": True if recursive else None,
            "dir": True if directory else None,
            "prevValue": prev_value,
            "prevIndex": prev_index,
        }
        query = {name: each for name, each in given.items() if each is not None}
        return await self.request(Request.keys("DELETE", key, query))

    async def request(self, request: Request) -> Event:
        """Send a request. Raises EtcdError if etcd refuses it, Unavailable if no endpoint answers.

        A write that may have reached an endpoint is not sent to another one: it could be done twice.
        """
        last: Exception = Unavailable("no etcd endpoint is configured")
        for endpoint in list(self._endpoints):
            sent = False
            try:
                connection = await self._within(endpoint.connect(), "connecting")
                try:
                    sent = True
                    answer = await self._within(
                        connection.ask(request, self._headers), "waiting for an answer"
                    )
                except BaseException:
                    connection.close()
                    raise
                endpoint.keep(connection)
                self._prefer(endpoint)
                return parse(*answer)
            except (OSError, Unavailable, EOFError, ValueError) as error:
                last = Unavailable(f"{endpoint.url}: {error or type(error).__name__}")
                if sent and request.method != "GET" and not isinstance(error, Unavailable):
                    break
        raise last

    async def watch(
        self, key: str, after: int, *, resumed: Callable[[], None] | None = None
    ) -> AsyncIterator[Event]:
        """Every event below `key` after index `after`, in order, until the connection ends (Unavailable).

        `resumed` is called when etcd has taken the watch. Raises Lagging if the events cannot be had now.
        """
        streaming = True
        connection: _Connection | None = None
        try:
            while True:
                connection = connection or await self._open()
                headers, started = await self._watch(connection, key, after, streaming)
                if resumed is not None:
                    resumed()
                if not streaming:
                    event = parse(200, headers, await connection.body(headers))
                    after = max(after, event.node.modified)
                    yield event
                    streaming = event.node.modified >= started
                    continue
                told = 0
                async for line in connection.lines():
                    event = parse(200, headers, line)
                    after = max(after, event.node.modified)
                    told += 1
                    yield event
                    if event.node.modified <= started:
                        # From its history etcd gives one event a request, and then nothing more on a stream:
                        # what there still is comes by requests on one connection.
                        streaming = event.node.modified == started
                        break
                    if told == _STREAM_MAX:
                        break
                else:
                    raise Unavailable("the watch's connection ended")
                connection.close()
                connection = None
        except (OSError, EOFError, ValueError) as error:
            raise Unavailable(f"watch: {error or type(error).__name__}") from None
        finally:
            if connection is not None:
                connection.close()

    async def _watch(
        self, connection: _Connection, key: str, after: int, streaming: bool
    ) -> tuple[dict[str, str], int]:
        """Begin a watch; the answer's headers, and the etcd index at which it began."""
        query: dict[str, str | int | bool] = {"wait": True, "recursive": True, "waitIndex": after + 1}
        if streaming:
            query["stream"] = True
        connection.send(Request.keys("GET", key, query), self._headers)
        status, headers = await self._within(connection.head(), "waiting for a watch")
        if status != 200:
            body = await self._within(connection.body(headers), "waiting for a watch")
            try:
                parse(status, headers, body)
            except EtcdError as error:
                kind = Lagging if error.code == EVENT_INDEX_CLEARED else EtcdError
                raise kind(error.code, error.message, error.cause, error.index) from None
            raise Unavailable(f"HTTP {status} for a watch")
        started = int(headers.get("x-etcd-index", "0") or 0)
        if started < after or started - after > _BEHIND_MAX:
            raise Lagging(EVENT_INDEX_CLEARED, "the watch is too far behind", index=started)
        return headers, started

    def close(self) -> None:
        """Close the kept connections."""
        for endpoint in self._endpoints:
            endpoint.close()

    async def _open(self) -> _Connection:
        last: Exception = Unavailable("no etcd endpoint is configured")
        for endpoint in list(self._endpoints):
            try:
                connection = await self._within(endpoint.connect(fresh=True), "connecting")
                self._prefer(endpoint)
                return connection
            except (OSError, Unavailable) as error:
                last = Unavailable(f"{endpoint.url}: {error or type(error).__name__}")
        raise last

    def _prefer(self, endpoint: _Endpoint) -> None:
        if self._endpoints[0] is not endpoint:
            self._endpoints.remove(endpoint)
            self._endpoints.insert(0, endpoint)

    async def _within(self, work: Coroutine[Any, Any, _T], what: str) -> _T:
        try:
            return await asyncio.wait_for(work, self._timeout)
        except asyncio.TimeoutError:
            raise TimeoutError(f"timed out after {self._timeout:g} s {what}") from None


class _Endpoint:
    def __init__(self, url: str, tls: ssl.SSLContext | None) -> None:
        self.url = url
        scheme, _, rest = url.partition("://")
        authority = rest.partition("/")[0]
        host, colon, port = authority.rpartition(":")
        if scheme not in ("http", "https") or not authority or (colon and not port.isdigit()):
            raise ValueError(f"{url!r} is no URL of an etcd endpoint (http://HOST:PORT)")
        self.authority = authority
        self._host = (host if colon else authority).strip("[]")
        self._port = int(port) if colon else 2379
        self._tls = tls if scheme == "https" else None
        self._idle: list[_Connection] = []

    async def connect(self, *, fresh: bool = False) -> _Connection:
        while self._idle and not fresh:
            connection = self._idle.pop()
            if connection.usable():
                return connection
            connection.close()
        reader, writer = await asyncio.open_connection(self._host, self._port, ssl=self._tls, limit=2**20)
        keep_alive(writer.get_extra_info("socket"))
        return _Connection(reader, writer, self.authority)

    def keep(self, connection: _Connection) -> None:
        if connection.usable() and len(self._idle) < 8:
            self._idle.append(connection)
        else:
            connection.close()

    def close(self) -> None:
        for connection in self._idle:
            connection.close()
        self._idle.clear()


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> None:
        self._reader = reader
        self._writer = writer
        self._host = host
        self._ends = False

    def usable(self) -> bool:
        return not self._ends and not self._reader.at_eof() and not self._writer.is_closing()

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self._writer.transport.abort()

    def send(self, request: Request, extra: str) -> None:
        body = (request.body or "").encode()
        head = f"{request.method} {request.path} HTTP/1.1\r\nHost: {self._host}\r\n{extra}"
        head += "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
        if body or request.method == "PUT":
            head += f"Content-Length: {len(body)}\r\n"
        self._writer.write(head.encode() + b"\r\n" + body)

    async def ask(self, request: Request, extra: str) -> tuple[int, dict[str, str], bytes]:
        self.send(request, extra)
        status, headers = await self.head()
        return status, headers, await self.body(headers)

    async def head(self) -> tuple[int, dict[str, str]]:
        raw = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = raw.split("\r\n")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        self._ends = headers.get("connection", "").lower() == "close"
        return int(first.split(" ", 2)[1]), headers

    async def body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return b"".join([chunk async for chunk in self._chunks()])
        length = int(headers.get("content-length", "0"))
        if length > _BODY_MAX:
            raise ValueError(f"an answer of {length} bytes")
        return await self._reader.readexactly(length)

    async def lines(self) -> AsyncIterator[bytes]:
        """The lines of a chunked body as they come; blank ones left out."""
        rest = b""
        async for chunk in self._chunks():
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                if line.strip():
                    yield line

    async def _chunks(self) -> AsyncIterator[bytes]:
        while True:
            size = int((await self._reader.readuntil(b"\r\n")).split(b";")[0], 16)
            chunk = await self._reader.readexactly(size + 2)
            if size == 0:
                return
            yield chunk[:-2]
