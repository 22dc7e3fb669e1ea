"""Addresses and SRV records: the system's resolver for the former, a question over UDP for the latter."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

TIMEOUT = 2.0  # seconds a name server has for an answer
ATTEMPTS = 2
_SRV = 33


@dataclass(frozen=True)
class Service:
    """An SRV record."""

    target: str
    port: int
    priority: int
    weight: int
    go_type: ClassVar[str] = "*net.SRV"
    go_fields: ClassVar[Mapping[str, str]] = {
        name: name.lower() for name in ("Target", "Port", "Priority", "Weight")
    }


class NoAnswer(Exception):
    """The name has no such record, or no name server said so in time."""


def addresses(name: str, *families: socket.AddressFamily) -> list[str]:
    """The addresses of a name, sorted as text; none if it has none."""
    found: set[str] = set()
    for family in families or (socket.AF_INET, socket.AF_INET6):
        with contextlib.suppress(OSError, UnicodeError):
            found |= {str(each[4][0]) for each in socket.getaddrinfo(name, None, family, socket.SOCK_STREAM)}
    return sorted(found)


def services(name: str, servers: Sequence[tuple[str, int]] = ()) -> list[Service]:
    """The SRV records of a name, the ones to try first in front. Raises NoAnswer.

    The name servers are those of /etc/resolv.conf if none are given.
    """
    said: list[str] = []
    for candidate in _candidates(name):
        for server in servers or _servers():
            try:
                found = _ask(candidate, server)
            except (OSError, ValueError, IndexError, struct.error) as error:
                said.append(f"{server[0]}: {error or type(error).__name__}")
                continue
            if found:
                return sorted(found, key=lambda each: (each.priority, -each.weight, each.target, each.port))
            said.append("no such host")
            break
    raise NoAnswer(f"lookup {name}: {said[-1] if said else 'no name server is configured'}")


def _ask(name: str, server: tuple[str, int]) -> list[Service]:
    identity = os.urandom(2)
    question = b"".join(bytes((len(label),)) + label for label in _labels(name)) + b"\0"
    packet = identity + struct.pack(">5H", 0x0100, 1, 0, 0, 0) + question + struct.pack(">2H", _SRV, 1)
    family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.connect(server)
        for _ in range(ATTEMPTS):
            sock.send(packet)
            deadline = time.monotonic() + TIMEOUT
            while (left := deadline - time.monotonic()) > 0:
                sock.settimeout(left)
                with contextlib.suppress(TimeoutError):
                    answer = sock.recv(65535)
                    if answer[:2] == identity:
                        return read_answer(answer)
    raise TimeoutError("i/o timeout")


def read_answer(answer: bytes) -> list[Service]:
    """The SRV records of a name server's answer. ValueError, IndexError, struct.error: nonsense."""
    flags, questions, answers = struct.unpack_from(">3H", answer, 2)
    if flags & 0x0200:
        raise ValueError("an answer too long for UDP")
    if flags & 0xF not in (0, 3):
        raise ValueError("server misbehaving")
    at = 12
    for _ in range(questions):
        at = _name(answer, at)[1] + 4
    found = []
    for _ in range(answers):
        at = _name(answer, at)[1]
        kind, _class, _ttl, length = struct.unpack_from(">2HIH", answer, at)
        at += 10
        if kind == _SRV:
            priority, weight, port = struct.unpack_from(">3H", answer, at)
            found.append(Service(_name(answer, at + 6)[0], port, priority, weight))
        at += length
    return found


def _name(packet: bytes, at: int) -> tuple[str, int]:
    """The name at this place, with a dot at its end, and where it is over."""
    labels: list[str] = []
    end = 0
    for _ in range(128):
        length = packet[at]
        if length >= 0xC0:
            end = end or at + 2
            at = (length & 0x3F) << 8 | packet[at + 1]
        elif length == 0:
            return ".".join(labels) + ".", end or at + 1
        else:
            labels.append(packet[at + 1 : at + 1 + length].decode("latin-1"))
            at += 1 + length
    raise ValueError("a name that never ends")


def _labels(name: str) -> list[bytes]:
    labels = [label.encode("ascii") for label in name.rstrip(".").split(".")]
    if not all(0 < len(label) < 64 for label in labels):
        raise ValueError("no such host")
    return labels


def _configuration() -> list[list[str]]:
    try:
        text = Path("/etc/resolv.conf").read_text(errors="replace")
    except OSError:
        return []
    return [line.split() for line in text.splitlines()]


def _servers() -> list[tuple[str, int]]:
    return [(words[1], 53) for words in _configuration() if len(words) > 1 and words[0] == "nameserver"]


def _candidates(name: str) -> list[str]:
    """The name itself, and below the domains to search unless a dot ends it."""
    if name.endswith("."):
        return [name]
    searched = [words[1:] for words in _configuration() if words and words[0] in ("search", "domain")]
    return [name, *(f"{name}.{domain}" for domain in (searched[-1] if searched else []))]
