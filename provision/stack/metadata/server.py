"""Serves a machine's metadata over HTTP, on a socket of systemd's or one of its own."""

from __future__ import annotations

import argparse
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from metadata.interfaces import hardware_addresses
from metadata.tree import as_json, build, parse_environment, render

ENVIRONMENT = Path("/etc/lab/machine.env")
FIRST_SYSTEMD_SOCKET = 3
REQUEST_LIMIT = 8192
REQUEST_WITHIN = 2.0  # seconds for a request to come in and its answer to go out
ROOT = "/metadata/v1"


def main() -> None:
    """Answer requests until SIGTERM, or until nobody has asked for --idle seconds."""
    parser = argparse.ArgumentParser(prog="metadata", description=__doc__)
    parser.add_argument(
        "--environment",
        type=Path,
        default=ENVIRONMENT,
        metavar="FILE",
        help="what the machine is (default %(default)s); read at each request",
    )
    parser.add_argument(
        "--listen",
        type=_listen_address,
        metavar="ADDRESS:PORT",
        help="listen here instead of on the socket that systemd passes",
    )
    parser.add_argument("--idle", type=float, metavar="SECONDS", help="end after so long without a request")
    options = parser.parse_args()
    try:
        listener = _own(options.listen) if options.listen else _systemd()
    except OSError as error:
        print(f"metadata: {error}", file=sys.stderr)
        sys.exit(1)
    if listener is None:
        parser.error("no socket from systemd: start metadata.socket, or use --listen ADDRESS:PORT")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    serve(listener, lambda: respond_from(options.environment), options.idle)


def respond_from(path: Path) -> Callable[[str], tuple[int, str]]:
    """What answers a path, from the file as it is now."""
    try:
        tree = build(parse_environment(path.read_text()), hardware_addresses())
    except (OSError, ValueError) as error:
        problem = f"{path}: {error}"
        return lambda _path: (500, f"no metadata: {problem}\n")

    def respond(wanted: str) -> tuple[int, str]:
        plain = wanted.partition("?")[0]
        if plain == ROOT + ".json":
            return 200, as_json(tree)
        if plain in ("/", "/metadata", "/metadata/"):
            return 200, "metadata/" if plain == "/" else "v1/\nv1.json"
        found = render(tree, plain[len(ROOT) :]) if plain == ROOT or plain.startswith(ROOT + "/") else None
        if found is None:
            return 404, f"no such metadata: {plain} (GET {ROOT}/ lists what there is)\n"
        return 200, found

    return respond


def serve(
    listener: socket.socket, source: Callable[[], Callable[[str], tuple[int, str]]], idle: float | None = None
) -> None:
    """Answer one request after the other, each in a bounded time."""
    listener.setblocking(False)
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    while poll.poll(None if idle is None else idle * 1000):
        try:
            connection, _ = listener.accept()
        except OSError:
            continue
        with connection:
            try:
                _answer(connection, source)
            except OSError:
                continue


def _answer(connection: socket.socket, source: Callable[[], Callable[[str], tuple[int, str]]]) -> None:
    words = _request(connection).partition(b"\r\n")[0].decode("latin-1").split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1.") or not words[1].startswith("/"):
        status, body = 400, "not an HTTP request\n"
    elif words[0] not in ("GET", "HEAD"):
        status, body = 405, f"{words[0]} is not possible here: metadata is only read\n"
    else:
        status, body = source()(words[1])
    reasons = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed"}
    kind = "application/json" if body.startswith("{") else "text/plain; charset=utf-8"
    payload = body.encode()
    head = (
        f"HTTP/1.1 {status} {reasons.get(status, 'Internal Server Error')}\r\n"
        f"Content-Type: {kind}\r\nContent-Length: {len(payload)}\r\nConnection: close\r\n\r\n"
    )
    connection.settimeout(REQUEST_WITHIN)
    connection.sendall(head.encode() + (b"" if words[0] == "HEAD" else payload))


def _request(connection: socket.socket) -> bytes:
    """The head of a request, as far as it comes in time."""
    deadline = time.monotonic() + REQUEST_WITHIN
    request = b""
    while b"\r\n\r\n" not in request and len(request) < REQUEST_LIMIT:
        connection.settimeout(max(0.001, deadline - time.monotonic()))
        chunk = connection.recv(REQUEST_LIMIT)
        if not chunk:
            break
        request += chunk
    return request


def _systemd() -> socket.socket | None:
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or os.environ.get("LISTEN_FDS", "0") == "0":
        return None
    return socket.socket(fileno=FIRST_SYSTEMD_SOCKET)


def _own(address: tuple[str, int]) -> socket.socket:
    return socket.create_server(address, backlog=64)


def _listen_address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"not ADDRESS:PORT: {text!r}")
    return host, int(port)


def _end(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)
