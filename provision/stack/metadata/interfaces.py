"""The hardware addresses of this machine's interfaces, by the IPv4 addresses that they hold."""

from __future__ import annotations

import array
import fcntl
import socket
import struct
from pathlib import Path

SIOCGIFCONF = 0x8912
ENTRY = 40  # struct ifreq on 64-bit Linux: 16 bytes of name, then a sockaddr


def hardware_addresses() -> dict[str, str]:
    """MAC by address, for the interfaces that have one."""
    found = {}
    for name, address in _addresses():
        try:
            found[address] = (Path("/sys/class/net") / name / "address").read_text().strip()
        except OSError:
            continue
    return found


def _addresses() -> list[tuple[str, str]]:
    buffer = array.array("B", bytes(ENTRY * 128))
    start, _ = buffer.buffer_info()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        answer = fcntl.ioctl(sock, SIOCGIFCONF, struct.pack("iL", len(buffer), start))
    length = struct.unpack("iL", answer)[0]
    data = buffer.tobytes()[:length]
    entries = [data[offset : offset + ENTRY] for offset in range(0, length, ENTRY)]
    # An address of an alias is listed under the alias (eth0:1), which is no interface of its own.
    return [
        (entry[:16].partition(b"\0")[0].decode().partition(":")[0], socket.inet_ntoa(entry[20:24]))
        for entry in entries
    ]
