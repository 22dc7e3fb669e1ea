"""A small HTTP/1.1 server for the API: requests in, JSON out, connections kept."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote

from fleet import VERSION
from fleet.tasks import end

log = logging.getLogger("fleet.http")
_BODY_MAX = 4 * 1024 * 1024
_IDLE = 120.0
_FINISH = 1.0  # seconds that a request may take while the server is closing
_REASONS = {
    200: "OK",
    201: "Created",
    204: "No Content",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    413: "Request Entity Too Large",
    415: "Unsupported Media Type",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


class Request(NamedTuple):
    method: str
    path: tuple[str, ...]
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


class Response(NamedTuple):
    """`document` goes out as JSON; text as it is; None as no body at all."""

    status: int
    document: Any = None
    headers: tuple[tuple[str, str], ...] = ()
    last: bool = False  # the connection ends with it


Handler = Callable[[Request], Awaitable[Response]]


class BadRequest(Exception):
    """What came is no HTTP that this server takes."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def error(status: int, message: str) -> Response:
    """An error as the API's clients expect it."""
    return Response(status, {"error": {"code": status, "message": message}})


class Connections:
    """The API's connections; `close` lets each finish the request that it is at, and then ends it."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._busy: dict[asyncio.Task[None], bool] = {}
        self._closing = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection until it ends."""
        task = asyncio.ensure_future(_serve(reader, writer, self._handle))
        self._busy[task] = False
        try:
            await asyncio.wait([task])
        finally:
            del self._busy[task]

    async def close(self) -> None:
        self._closing = True
        await end(task for task, busy in self._busy.items() if not busy)
        if self._busy:
            await asyncio.wait(list(self._busy), timeout=_FINISH)
        await end(list(self._busy))

    async def _handle(self, request: Request) -> Response:
        task = asyncio.current_task()
        assert task is not None
        self._busy[task] = True
        try:
            response = await self._handler(request)
        finally:
            self._busy[task] = False
        return response._replace(last=self._closing)


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handler: Handler) -> None:
    try:
        keep = True
        while keep:
            try:
                request = await asyncio.wait_for(_read(reader), _IDLE)
                if request is None:
                    break
                keep = request.headers.get("connection", "").lower() != "close"
                response = await _handled(handler, request)
                keep = keep and not response.last
            except BadRequest as problem:
                response, keep = error(problem.status, str(problem)), False
            writer.write(_bytes(response, keep))
            await writer.drain()
    except (OSError, EOFError, asyncio.TimeoutError, asyncio.LimitOverrunError, ValueError):
        pass
    finally:
        writer.close()


async def _handled(handler: Handler, request: Request) -> Response:
    try:
        return await handler(request)
    except Exception:  # a mistake of ours must not take the daemon down
        log.exception("%s /%s", request.method, "/".join(request.path))
        return error(500, "")


async def _read(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as ended:
        if ended.partial:
            raise
        return None
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    parts = first.split(" ")
    if len(parts) != 3:
        raise BadRequest(400, "malformed request line")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    target = parts[1]
    if "://" in target.partition("?")[0]:
        target = "/" + target.partition("://")[2].partition("/")[2]
    path, _, query = target.partition("?")
    segments = tuple(unquote(each) for each in path.split("/") if each)
    return Request(parts[0], segments, dict(parse_qsl(query)), headers, await _body(reader, headers))


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() == "chunked":
        parts: list[bytes] = []
        total = 0
        while True:
            size = int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)
            total += size
            if total > _BODY_MAX:
                raise BadRequest(413, "request body too large")
            chunk = await reader.readexactly(size + 2)
            if size == 0:
                return b"".join(parts)
            parts.append(chunk[:-2])
    length = headers.get("content-length", "0")
    if not length.isdigit():
        raise BadRequest(400, "malformed Content-Length")
    if int(length) > _BODY_MAX:
        raise BadRequest(413, "request body too large")
    return await reader.readexactly(int(length))


def _bytes(response: Response, keep: bool) -> bytes:
    text = isinstance(response.document, str)
    if response.document is None:
        body = b""
    elif text:
        body = response.document.encode()
    else:
        body = json.dumps(response.document, sort_keys=True, separators=(",", ":")).encode()
    head = f"HTTP/1.1 {response.status} {_REASONS.get(response.status, 'Unknown')}\r\n"
    head += f"Server: fleetd/{VERSION}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in response.headers)
    if body:
        head += f"Content-Type: {'text/plain; charset=utf-8' if text else 'application/json'}\r\n"
    if response.status != 204:
        head += f"Content-Length: {len(body)}\r\n"
    if not keep:
        head += "Connection: close\r\n"
    return head.encode() + b"\r\n" + body
