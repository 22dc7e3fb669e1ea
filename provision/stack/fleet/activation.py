"""What systemd hands a service and wants to hear from it: sockets and readiness."""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping

_FIRST = 3


def sockets(environment: MutableMapping[str, str]) -> list[socket.socket]:
    """The listening sockets that were handed over; their variables are removed, children are not meant."""
    try:
        mine = int(environment.pop("LISTEN_PID", "0")) == os.getpid()
        count = int(environment.pop("LISTEN_FDS", "0"))
    except ValueError:
        return []
    environment.pop("LISTEN_FDNAMES", None)
    if not mine:
        return []
    found = []
    for descriptor in range(_FIRST, _FIRST + count):
        os.set_inheritable(descriptor, False)
        listening = socket.socket(fileno=descriptor)
        listening.setblocking(False)
        found.append(listening)
    return found


def notify(message: str) -> None:
    """Tell systemd; without it, nobody."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.sendto(message.encode(), address)
    except OSError:
        pass  # systemd's supervision is a help, not a need
