"""What a TCP connection needs that says nothing for hours."""

from __future__ import annotations

import socket


def keep_alive(sock: socket.socket) -> None:
    """Let the kernel find out within some ten seconds that the other side is gone without a word."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 5), ("TCP_KEEPINTVL", 2), ("TCP_KEEPCNT", 3)):
        sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
