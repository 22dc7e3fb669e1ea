"""The probe's own process: asks one HTTP address at a fixed rate and prints how each request ended.

Runs as `python -I -S asker.py JSON` inside the lab's network namespace, until its standard input ends. A
process of its own, so that nothing the tests do can hold it up; it imports next to nothing, to start at
once. Requests go out on time whether or not earlier ones were answered: a probe that waits for answers
would not see what a client sees who comes while the server hangs.
"""

from __future__ import annotations

import errno
import json
import os
import re
import resource
import selectors
import socket
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Key = tuple[float, int]

MOST = 4096  # requests under way at once: a second's worth at any sensible rate
SPARE = 16  # descriptors that are no request's


class Garbled(Exception):
    """The answer is not HTTP."""


def answer(data: bytes, ended: bool) -> tuple[int, bytes, bool] | None:
    """Status, body and whether the connection stays, of an answer read so far; None while it is not whole.

    Raises Garbled for what is not HTTP, and EOFError for one that was cut short.
    """
    head, blank, body = data.partition(b"\r\n\r\n")
    if not blank:
        if ended:
            raise EOFError if not data or data.startswith(b"HTTP/") else Garbled
        return None
    first, *lines = head.split(b"\r\n")
    status = re.match(rb"HTTP/1\.[01] (\d{3})(?: |$)", first)
    if not status:
        raise Garbled
    fields = {}
    for line in lines:
        name, _, value = line.partition(b":")
        fields[name.strip().lower()] = value.strip().lower()
    stays = fields.get(b"connection") != b"close" and first.startswith(b"HTTP/1.1")
    whole: bytes | None
    if b"chunked" in fields.get(b"transfer-encoding", b""):
        whole = unchunked(body)
    elif b"content-length" in fields:
        length = int(fields[b"content-length"])
        whole = body[:length] if len(body) >= length else None
    else:
        whole, stays = (body if ended else None), False
    if whole is None:
        if ended:
            raise EOFError
        return None
    return int(status[1]), whole, stays


def unchunked(data: bytes) -> bytes | None:
    """The content of a chunked body; None while its last chunk is missing."""
    content = b""
    while True:
        size, line, data = data.partition(b"\r\n")
        if not line:
            return None
        try:
            length = int(size.partition(b";")[0], 16)
        except ValueError:
            raise Garbled from None
        if len(data) < length + 2:
            return None
        if length == 0:
            return content
        content, data = content + data[:length], data[length + 2 :]


def why(number: int) -> str:
    """The kind of a failure that the kernel reports."""
    if number == errno.ECONNREFUSED:
        return "refused"
    if number in (errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED):
        return "reset"
    return "timeout" if number == errno.ETIMEDOUT else "unreachable"


class Request:
    """One request under way."""

    def __init__(self, start: float, connection: socket.socket) -> None:
        self.start = start
        self.connection = connection
        self.sent = False
        self.data = b""


class Asker:
    """Sends requests when they are due, and prints a line for each when it has ended."""

    def __init__(self, order: dict[str, Any]) -> None:
        self.address = (order["host"], order["port"])
        self.request = order["request"].encode()
        self.expect = order["expect"].encode()
        self.backend = re.compile(order["backend"].encode()) if order["backend"] else None
        self.interval = order["interval"]
        self.timeout = order["timeout"]
        self.kept = order["kept"]
        self.under_way: dict[int, Request] = {}
        self.idle: socket.socket | None = None
        self.selector = selectors.DefaultSelector()
        self.lines: list[str] = []
        self.most = min(MOST, descriptors() - SPARE)

    def run(self) -> None:
        self.selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
        due = time.monotonic()
        while True:
            now = time.monotonic()
            if now >= due and self.may_begin():
                self.begin(now)
                # late: the missed ones are not made up for, so the gap shows
                due = max(due + self.interval, now) if now - due < self.interval else now + self.interval
            waits = [max(0.0, due - now)] if self.may_begin() else []
            if self.under_way:
                oldest = next(iter(self.under_way.values()))
                waits.append(max(0.0, oldest.start + self.timeout - now))
            for key, _ in self.selector.select(min(waits)):
                if key.fd == sys.stdin.fileno():
                    return
                self.go_on(self.under_way[key.fd])
            self.give_up()
            if self.lines:
                sys.stdout.write("".join(self.lines))
                sys.stdout.flush()
                self.lines.clear()

    def may_begin(self) -> bool:
        """Whether there is room for one more: a kept connection has one request at a time."""
        return len(self.under_way) < (1 if self.kept else self.most)

    def begin(self, now: float) -> None:
        connection, self.idle = self.idle, None
        if connection is None:
            connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            number = connection.connect_ex(self.address)
            if number not in (0, errno.EINPROGRESS):
                connection.close()
                self.tell(now, why(number))
                return
        request = Request(now, connection)
        self.under_way[connection.fileno()] = request
        self.selector.register(connection, selectors.EVENT_WRITE)

    def go_on(self, request: Request) -> None:
        connection = request.connection
        try:
            if not request.sent:
                number = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if number:
                    return self.end(request, why(number))
                connection.sendall(self.request)  # shorter than any socket's buffer
                request.sent = True
                self.selector.modify(connection, selectors.EVENT_READ)
                return None
            part = connection.recv(1 << 16)
        except BlockingIOError:
            return None
        except OSError as problem:
            return self.end(request, why(problem.errno or 0))
        request.data += part
        try:
            whole = answer(request.data, ended=not part)
        except EOFError:
            return self.end(request, "reset")
        except (Garbled, ValueError):
            return self.end(request, "garbled")
        if whole is not None:
            status, body, stays = whole
            kind = "ok" if self.expect in body else "body"
            kind = kind if status == 200 else f"http {status}"
            found = self.backend.search(request.data) if self.backend else None
            who = found[found.re.groups and 1].decode(errors="replace") if found else ""
            self.end(request, kind, who, keep=self.kept and stays and bool(part))
        return None

    def give_up(self) -> None:
        """End the requests whose time is over; they are in the order in which they began."""
        limit = time.monotonic() - self.timeout
        for request in list(self.under_way.values()):
            if request.start > limit:
                return
            self.end(request, "timeout")

    def end(self, request: Request, kind: str, who: str = "", keep: bool = False) -> None:
        self.selector.unregister(request.connection)
        del self.under_way[request.connection.fileno()]
        self.tell(request.start, kind, who)
        if keep:
            self.idle = request.connection
        else:
            request.connection.close()

    def tell(self, start: float, kind: str, who: str = "") -> None:
        """A line: the start on the monotonic clock, how long it took, how it ended, who answered."""
        who = who.replace("\t", " ").replace("\n", " ")
        self.lines.append(f"{start:.6f}\t{time.monotonic() - start:.6f}\t{kind}\t{who}\n")


def descriptors() -> int:
    """How many files this process may have open, which it raises to all that it is allowed to."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def go_first() -> None:
    """Run before all that is not as urgent: on a busy host a probe that waits its turn measures the host.

    It needs a tenth of a processor. Without the right to do so it goes on as it is, and its lag tells.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except OSError:
        return


if __name__ == "__main__":
    go_first()
    os.set_blocking(sys.stdin.fileno(), False)
    Asker(json.loads(sys.argv[1])).run()
