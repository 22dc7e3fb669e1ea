"""A question and what is said to it, before it is bytes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import dns.flags
import dns.name
import dns.rcode
from dns.rdatatype import RdataType

from skydns.records import Record
from skydns.service import Path, Service

Outside = tuple[dns.name.Name, RdataType]  # a question for another server


@dataclass(frozen=True)
class Question:
    """What is asked; the name's letters are as the client wrote them."""

    name: dns.name.Name
    kind: RdataType
    chaos: bool = False


@dataclass(frozen=True)
class Reply:
    """An answer before it is bytes.

    `good_for` is for how many seconds it stays true if no key changes; `outside` is what must be asked
    elsewhere first, `forward` that all of it must; `overdue` are keys that should be gone by their TTL.
    """

    rcode: dns.rcode.Rcode = dns.rcode.NOERROR
    answer: tuple[Record, ...] = ()
    authority: tuple[Record, ...] = ()
    additional: tuple[Record, ...] = ()
    flags: dns.flags.Flag = dns.flags.AA | dns.flags.RA
    good_for: float = float("inf")
    outside: frozenset[Outside] = frozenset()
    overdue: frozenset[Path] = frozenset()
    forward: bool = False

    @property
    def rotates(self) -> bool:
        """Whether the order of its addresses may change: a chain of aliases keeps its own."""
        return len([record for record in self.answer if record.data.rdtype == RdataType.CNAME]) < 2


def select(services: Iterable[Service]) -> list[Service]:
    """Each service once (the first key wins), and those of one group where the shortest key names one."""
    once: dict[tuple[object, ...], Service] = {}
    for service in services:
        once.setdefault(service.same(), service)
    found = list(once.values())
    shortest = min((len(service.path) for service in found), default=0)
    groups = {service.group for service in found if len(service.path) == shortest}
    if len(groups) != 1 or "" in groups:
        return found
    return [service for service in found if service.group in groups or not service.group]


def merged(records: Iterable[Record]) -> list[Record]:
    """Each record once, and one CNAME for a name."""
    seen: dict[tuple[object, ...], Record] = {}
    for record in records:
        alias = record.data.rdtype == RdataType.CNAME
        seen.setdefault((record.owner, record.data.rdtype, None if alias else record.data), record)
    return list(seen.values())
