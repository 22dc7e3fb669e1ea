"""One HTTP/1.1 exchange over a connected socket, bounded by a deadline as a whole.

`http.client` bounds each read, not the exchange: a peer that sends a byte a second would hold a caller for
ever. Here every read gets what is left of the deadline. TCP and Unix sockets are the same to it. It is also a
third of what a program of the stack would import (mail headers, TLS), and software emulation makes that felt.
"""

from __future__ import annotations

import io
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BODY_LIMIT = 64 * 1024 * 1024
LINE_LIMIT = 65536
HEADERS_LIMIT = 200


class Malformed(OSError):
    """What came is no HTTP answer, or ended too early."""


class BodyTimeout(TimeoutError):
    """The head of the answer came in time, its body did not."""


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


class Lines:
    """An answer whose body is read line by line while it comes; `close` may be called from another thread."""

    def __init__(self, sock: socket.socket, response: _Response) -> None:
        self.status = response.status
        self._sock = sock
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        self._response.source.deadline = None
        rest = b""
        for piece in self._response.pieces():
            *whole, rest = (rest + piece).split(b"\n")
            yield from whole
            if len(rest) > BODY_LIMIT:
                raise Malformed("a line without an end")

    def rest(self, deadline: float) -> bytes:
        """The whole body, for an answer that is an error and not a stream."""
        self._response.source.deadline = deadline
        return self._response.body()

    def close(self) -> None:
        """End the reading: an iteration that waits for a line ends at once."""
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return


def exchange(
    sock: socket.socket, request: Request, deadline: float, *, head_deadline: float | None = None
) -> Answer:
    """Send `request`, read the whole answer; raises OSError: Malformed, TimeoutError, BodyTimeout, others.

    `deadline` is on time.monotonic()'s clock; `head_deadline`, if given, is an earlier one for the head.
    """
    response = _ask(sock, request, deadline if head_deadline is None else head_deadline)
    response.source.deadline = deadline
    try:
        return Answer(response.status, response.headers, response.body())
    except TimeoutError as error:
        raise BodyTimeout(str(error)) from error


def lines(sock: socket.socket, request: Request, deadline: float) -> Lines:
    """Send `request`, read the head within `deadline`; the body's lines may then take their time."""
    return Lines(sock, _ask(sock, request, deadline))


def _ask(sock: socket.socket, request: Request, deadline: float) -> _Response:
    source = _Source(sock, deadline)
    sock.settimeout(source.left())
    sock.sendall(request.encode())
    return _Response(source)


class _Response:
    """The head of an answer, read when it is made, and its body, read when it is asked for."""

    def __init__(self, source: _Source) -> None:
        self.source = source
        self._reader = io.BufferedReader(source)
        self.status = 100
        while 100 <= self.status < 200:
            self.status = self._status()
            self.headers = self._headers()

    def body(self) -> bytes:
        """All of the body."""
        whole = bytearray()
        for piece in self.pieces():
            whole += piece
            if len(whole) > BODY_LIMIT:
                raise Malformed(f"a body of more than {BODY_LIMIT} bytes")
        return bytes(whole)

    def pieces(self) -> Iterator[bytes]:
        """The body as it comes."""
        if self.status in (204, 304):
            return
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            while size := self._number(self._line().partition(b";")[0], 16):
                yield self._exactly(size)
                self._line()
        elif "content-length" in self.headers:
            yield self._exactly(self._number(self.headers["content-length"].encode("latin-1"), 10))
        else:
            while piece := self._reader.read1(LINE_LIMIT):
                yield piece

    def _status(self) -> int:
        words = self._line().split(None, 2)
        if len(words) < 2 or not words[0].startswith(b"HTTP/1."):
            raise Malformed("no HTTP answer")
        return self._number(words[1], 10)

    def _headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        for _ in range(HEADERS_LIMIT):
            line = self._line()
            if not line:
                return headers
            name, _colon, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        raise Malformed(f"more than {HEADERS_LIMIT} headers")

    def _line(self) -> bytes:
        line = self._reader.readline(LINE_LIMIT)
        if not line.endswith(b"\n"):
            raise Malformed("a line too long" if len(line) == LINE_LIMIT else "the answer ended too early")
        return line.rstrip(b"\r\n")

    def _exactly(self, size: int) -> bytes:
        if size > BODY_LIMIT:
            raise Malformed(f"a body of more than {BODY_LIMIT} bytes")
        piece = self._reader.read(size)
        if len(piece) < size:
            raise Malformed(f"the connection ended {size - len(piece)} bytes too early")
        return piece

    @staticmethod
    def _number(text: bytes, base: int) -> int:
        try:
            number = int(text.strip(), base)
        except ValueError:
            number = -1
        if number < 0:
            raise Malformed(f"not a number: {text[:20]!r}")
        return number


class _Source(io.RawIOBase):
    """A socket's reading side that gives each read what is left of a deadline (None: no bound)."""

    def __init__(self, sock: socket.socket, deadline: float | None) -> None:
        super().__init__()
        self._sock = sock
        self.deadline = deadline

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
