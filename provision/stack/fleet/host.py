"""What fleetd has to know of the machine it runs on: its ID, its boot, its address."""

from __future__ import annotations

import fcntl
import socket
import struct
from pathlib import Path

_SIOCGIFADDR = 0x8915


def machine_id(path: Path = Path("/etc/machine-id")) -> str:
    return path.read_text().strip()


def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def default_address(routes: Path = Path("/proc/net/route")) -> str:
    """The address of the interface that the default route goes through; empty without one."""
    try:
        lines = routes.read_text().splitlines()[1:]
    except OSError:
        return ""
    for line in lines:
        columns = line.split()
        if len(columns) > 7 and columns[1] == "00000000" and columns[7] == "00000000":
            return _address(columns[0])
    return ""


def _address(interface: str) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            request = struct.pack("256s", interface.encode()[:15])
            return socket.inet_ntoa(fcntl.ioctl(probe, _SIOCGIFADDR, request)[20:24])
        except OSError:
            return ""
