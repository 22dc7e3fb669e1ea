"""Resource records: an owner, a TTL and the data of one type."""

from __future__ import annotations

from dataclasses import dataclass

import dns.name
import dns.rdata
import dns.rdataclass
from dns.rdatatype import RdataType

TEXT_MAX = 255  # bytes of one string of a TXT record


@dataclass(frozen=True)
class Record:
    """One resource record."""

    owner: dns.name.Name
    ttl: int
    data: dns.rdata.Rdata


def make(
    kind: RdataType, *fields: object, rdclass: dns.rdataclass.RdataClass = dns.rdataclass.IN
) -> dns.rdata.Rdata:
    """The data of a record from its fields, in the order of the type's own definition.

    A text of any length becomes several strings.
    """
    if kind == RdataType.TXT:
        raw = str(fields[0]).encode()
        fields = ([raw[at : at + TEXT_MAX] for at in range(0, len(raw), TEXT_MAX)],)
    made = dns.rdata.get_rdata_class(rdclass, kind)(rdclass, kind, *fields)
    assert isinstance(made, dns.rdata.Rdata)
    return made
