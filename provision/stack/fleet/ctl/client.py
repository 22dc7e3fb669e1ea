"""The client of fleetd's HTTP API over a Unix socket, TCP or a tunnel through SSH; one connection, kept."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from typing import Any

from fleet.ctl.failure import ApiError, Unreachable

_MANY = 5
_AT_ONCE = 8


class Client:
    """One fleetd. `dial` opens a connection to it."""

    def __init__(self, dial: Callable[[], socket.socket], timeout: float) -> None:
        self._dial = dial
        self._timeout = timeout
        self._socket: socket.socket | None = None
        self._buffer = b""

    def each(self, work: Callable[[Client, str], None], names: list[str]) -> None:
        """Do the work for each name, for many of them several at a time over connections of their own."""
        if len(names) < _MANY:
            for name in names:
                work(self, name)
            return
        from concurrent.futures import ThreadPoolExecutor

        def share(part: list[str]) -> None:
            client = Client(self._dial, self._timeout)
            for name in part:
                work(client, name)

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(share, [names[at::_AT_ONCE] for at in range(_AT_ONCE)]))

    def some(self, names: list[str]) -> dict[str, dict[str, Any]]:
        """Those of the units that exist, by name."""
        if len(names) >= _MANY:
            wanted = set(names)
            return {each["name"]: each for each in self.units() if each["name"] in wanted}
        found = ((name, self.unit(name)) for name in names)
        return {name: unit for name, unit in found if unit is not None}

    def machines(self) -> dict[str, dict[str, Any]]:
        return {str(each["id"]): each for each in self._all("machines", "machines")}

    def units(self) -> list[dict[str, Any]]:
        return sorted(self._all("units", "units"), key=lambda each: str(each["name"]))

    def states(self, unit: str = "") -> list[dict[str, Any]]:
        query = f"unitName={_quoted(unit)}" if unit else ""
        return self._all("state", "states", query)

    def unit(self, name: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._ask("GET", f"units/{_quoted(name)}")
            return found
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def create(self, name: str, options: list[dict[str, str]], desired: str) -> None:
        body = {"name": name, "desiredState": desired, "options": options}
        self._ask("PUT", f"units/{_quoted(name)}", body)

    def set_desired(self, name: str, desired: str) -> None:
        self._ask("PUT", f"units/{_quoted(name)}", {"name": name, "desiredState": desired})

    def destroy(self, name: str) -> None:
        self._ask("DELETE", f"units/{_quoted(name)}")

    def _all(self, path: str, key: str, query: str = "") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        token = ""
        while True:
            words = [
                each
                for each in ("alt=json", query, f"nextPageToken={_quoted(token)}" if token else "")
                if each
            ]
            page = self._ask("GET", f"{path}?{'&'.join(words)}")
            found += page.get(key, [])
            token = page.get("nextPageToken", "")
            if not token:
                return found

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        data = b"" if body is None else json.dumps(body).encode()
        head = f"{method} /fleet/v1/{path} HTTP/1.1\r\nHost: domain-sock\r\n"
        if body is not None:
            head += f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n"
        for fresh in (False, True):
            reused = self._socket is not None
            try:
                if self._socket is None:
                    self._socket = self._dial()
                    self._socket.settimeout(self._timeout)
                    self._buffer = b""
                self._socket.sendall(head.encode() + b"\r\n" + data)
                status, answer = self._read()
                break
            except (OSError, EOFError, ValueError) as error:
                self._socket = None
                # A kept connection that the server has closed meanwhile proves nothing: once more.
                if reused and not fresh and not isinstance(error, TimeoutError):
                    continue
                verb = {"GET": "Get", "PUT": "Put", "DELETE": "Delete"}[method]
                raise Unreachable(f"{verb} http://domain-sock/fleet/v1/{path}: {_reason(error)}") from None
        if status >= 400:
            try:
                message = json.loads(answer)["error"]["message"]
            except (ValueError, KeyError, TypeError):
                message = answer.decode(errors="replace").strip() or f"got HTTP response code {status}"
            raise ApiError(status, str(message))
        return json.loads(answer) if answer else {}

    def _read(self) -> tuple[int, bytes]:
        head, _, self._buffer = self._until(b"\r\n\r\n").partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        status = int(first.split(" ")[1])
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip().lower()
        body = b""
        if headers.get("transfer-encoding") == "chunked":
            while True:
                line_, _, self._buffer = self._until(b"\r\n").partition(b"\r\n")
                size = int(line_, 16)
                body += self._exactly(size + 2)[:-2]
                if size == 0:
                    break
        elif status not in (204, 304):
            body = self._exactly(int(headers.get("content-length", "0")))
        if headers.get("connection") == "close" and self._socket:
            self._socket.close()
            self._socket = None
        return status, body

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._buffer:
            self._fill()
        return self._buffer

    def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._fill()
        found, self._buffer = self._buffer[:size], self._buffer[size:]
        return found

    def _fill(self) -> None:
        assert self._socket is not None
        data = self._socket.recv(65536)
        if not data:
            raise EOFError("EOF")
        self._buffer += data


def endpoint(url: str) -> Callable[[], socket.socket]:
    """How to connect to `unix:///path` or `http://host:port`. Raises ValueError."""
    scheme, separator, rest = url.partition("://")
    if scheme in ("unix", "file") and rest:

        def unix() -> socket.socket:
            link = socket.socket(socket.AF_UNIX)
            try:
                link.connect("/" + rest.lstrip("/"))
            except OSError as error:
                link.close()
                raise OSError(
                    f"dial unix /{rest.lstrip('/')}: {(error.strerror or str(error)).lower()}"
                ) from None
            return link

        return unix
    if scheme == "http" and separator:
        host, colon, port = rest.rstrip("/").rpartition(":")
        if not colon:
            host, port = rest.rstrip("/"), "80"
        if host and port.isdigit():
            return lambda: socket.create_connection((host.strip("[]"), int(port)), 3.0)
    raise ValueError(f"--endpoint {url}: must be unix:///PATH or http://HOST:PORT")


def _reason(error: Exception) -> str:
    return "timed out" if isinstance(error, TimeoutError) else str(error) or type(error).__name__


def _quoted(text: str) -> str:
    safe = "-._~:@"
    return "".join(
        each
        if each.isascii() and (each.isalnum() or each in safe)
        else "".join(f"%{byte:02X}" for byte in each.encode())
        for each in text
    )
