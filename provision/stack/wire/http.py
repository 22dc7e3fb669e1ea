"""One HTTP/1.1 exchange over a connected socket, bounded by a deadline as a whole.

`http.client` bounds each read, not the exchange: a peer that sends a byte a second would hold a caller for
ever. Here every read gets what is left of the deadline. TCP and Unix sockets are the same to it.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BODY_LIMIT = 64 * 1024 * 1024


@dataclass(frozen=True)
class Request:
    """What is asked: `path` with its query, `host` as the Host header wants it."""

    method: str
    path: str
    host: str = "localhost"
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def encode(self) -> bytes:
        """The request as it goes over the wire; the connection is for this one exchange."""
        lines = [f"{self.method} {self.path} HTTP/1.1", f"Host: {self.host}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        if self.body is not None:
            lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join([*lines, "", ""]).encode("ascii") + (self.body or b"")


@dataclass(frozen=True)
class Answer:
    """A whole answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class BodyTimeout(TimeoutError):
    """The head of the answer came in time, its body did not."""


class Lines:
    """An answer whose body is read line by line while it comes; `close` may be called from another thread."""

    def __init__(self, sock: socket.socket, response: http.client.HTTPResponse, source: _Source) -> None:
        self.status = response.status
        self._sock = sock
        self._response = response
        self._source = source

    def __iter__(self) -> Iterator[bytes]:
        self._source.deadline = None
        return iter(self._response.readline, b"")

    def rest(self, deadline: float) -> bytes:
        """The whole body, for an answer that is an error and not a stream."""
        self._source.deadline = deadline
        return self._response.read(BODY_LIMIT)

    def close(self) -> None:
        """End the reading: an iteration that waits for a line ends at once."""
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return


def exchange(
    sock: socket.socket, request: Request, deadline: float, *, head_deadline: float | None = None
) -> Answer:
    """Send `request`, read the whole answer; raises OSError or HTTPException.

    `deadline` is on time.monotonic()'s clock; `head_deadline`, if given, is an earlier one for the head.
    """
    source = _Source(sock, deadline if head_deadline is None else head_deadline)
    response = _begin(sock, request, source)
    source.deadline = deadline
    headers = {name.lower(): value for name, value in response.getheaders()}
    try:
        return Answer(response.status, headers, response.read(BODY_LIMIT))
    except TimeoutError as error:
        raise BodyTimeout(str(error)) from error


def lines(sock: socket.socket, request: Request, deadline: float) -> Lines:
    """Send `request`, read the head within `deadline`; the body's lines may then take their time."""
    source = _Source(sock, deadline)
    return Lines(sock, _begin(sock, request, source), source)


def _begin(sock: socket.socket, request: Request, source: _Source) -> http.client.HTTPResponse:
    sock.settimeout(source.left())
    sock.sendall(request.encode())
    # HTTPResponse asks its socket only for makefile(); the class wants a real socket by its type alone.
    response = http.client.HTTPResponse(source, method=request.method)  # type: ignore[arg-type]
    response.begin()
    return response


class _Source(io.RawIOBase):
    """A socket's reading side that gives each read what is left of a deadline (None: no bound)."""

    def __init__(self, sock: socket.socket, deadline: float | None) -> None:
        super().__init__()
        self._sock = sock
        self.deadline = deadline

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def left(self) -> float | None:
        if self.deadline is None:
            return None
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("deadline passed")
        return left

    def readinto(self, buffer: WriteableBuffer) -> int:
        self._sock.settimeout(self.left())
        return self._sock.recv_into(buffer)
