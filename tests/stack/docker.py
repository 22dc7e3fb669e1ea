"""A Docker daemon that says what a test wants."""

from __future__ import annotations

import json
import socket
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).resolve().parents[1] / "unit" / "ambassador" / "inspect" / "apache.json"


@dataclass
class Docker:
    """A stand-in for dockerd, which cannot run on every host: real answers of Docker, changed by the test.

    The same program against the real daemon is what the scenario shows on machines.
    """

    path: Path
    container: dict[str, Any] | None = None
    hang: bool = False
    _listener: socket.socket | None = None
    _streams: list[socket.socket] = field(default_factory=list)

    def up(self) -> None:
        self.path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen()
        threading.Thread(target=self._serve, args=(self._listener,), daemon=True).start()

    def down(self) -> None:
        if self._listener is not None:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        for stream in self._streams:
            stream.close()
        self._streams.clear()

    def run(self, host: str, port: int, inside: int = 80) -> None:
        """The container runs, its port `inside` published there."""
        bindings = [{"HostIp": host, "HostPort": str(port)}]
        self.container = json.loads(RECORDED.read_text())
        self.container["NetworkSettings"]["Ports"] = {f"{inside}/tcp": bindings}
        self._tell("start")

    def stop(self) -> None:
        """The container has stopped."""
        assert self.container is not None
        self.container["State"]["Running"] = False
        self.container["NetworkSettings"]["Ports"] = {}
        self._tell("die")

    def _tell(self, action: str) -> None:
        line = json.dumps({"Type": "container", "Action": action}).encode() + b"\n"
        for stream in self._streams:
            stream.sendall(f"{len(line):x}\r\n".encode() + line + b"\r\n")

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            path = connection.recv(65536).split(b" ")[1]
            if self.hang:
                self._streams.append(connection)
            elif path.startswith(b"/events"):
                connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                self._streams.append(connection)
            else:
                body = json.dumps(self.container or {"message": "No such container: apache.service"}).encode()
                status = b"200 OK" if self.container else b"404 Not Found"
                connection.sendall(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body))
                connection.close()
