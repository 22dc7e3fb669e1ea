"""HOST:PORT as the ambassadors' arguments and etcd's values give it, and names turned into addresses."""

from __future__ import annotations

import ipaddress
import socket
import threading
from dataclasses import dataclass

from program.arguments import parse_port

REFRESH = 5.0  # how old the address of a name may be, in seconds


@dataclass(frozen=True)
class Address:
    """Where to connect to: a host, by name or number, and a port."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read HOST:PORT or [IPv6]:PORT; ValueError says what is wrong."""
        host, colon, port = text.strip().rpartition(":")
        if not colon or not host:
            raise ValueError(f"not HOST:PORT: {text!r}")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        elif ":" in host:
            raise ValueError(f"an IPv6 address needs brackets: {text!r}")
        if not host or any(character.isspace() or character == "/" for character in host):
            raise ValueError(f"not a host: {host!r} in {text!r}")
        return cls(host, parse_port(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Resolver:
    """Looks names up in a thread, so that a slow name server never holds up a connection that needs none.

    Numbers are answered at once. A name's address is the last one found, looked up anew every REFRESH
    seconds; None until the first answer is there.
    """

    def __init__(self) -> None:
        self._known: dict[str, str | None] = {}

    def numeric(self, host: str) -> str | None:
        """The numeric address of `host`, if it is known."""
        if host not in self._known:
            try:
                self._known[host] = str(ipaddress.ip_address(host))
            except ValueError:
                self._known[host] = None
                started = threading.Event()
                thread = threading.Thread(target=self._keep, args=(host, started), daemon=True)
                thread.start()
                started.wait(0.5)  # a name of /etc/hosts is there for the first connection already
        return self._known[host]

    def _keep(self, host: str, started: threading.Event) -> None:
        pause = threading.Event()
        while True:
            try:
                found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
                self._known[host] = str(found[0][4][0])
            except OSError:
                pass  # the last address stays: a name server's trouble is not the provider's
            started.set()
            pause.wait(REFRESH if self._known[host] else 1.0)
