"""The answers that no key of etcd is behind: the server about itself, and the zone's SOA."""

from __future__ import annotations

import random
from collections.abc import Sequence

import dns.flags
import dns.name
import dns.rcode
import dns.rdataclass
from dns.rdatatype import RdataType

from skydns import VERSION
from skydns.config import Config
from skydns.records import Record, make
from skydns.reply import Question, Reply

HOUR = 3600
_AUTHORS = ("Erik St. Martin", "Brian Ketelsen", "Miek Gieben", "Michael Crosby")
_HOSTNAME = "localhost"


def chaos(question: Question, zone: dns.name.Name) -> Reply:
    """The reply to a question of class CHAOS: version, authors, host name."""
    text = question.name.to_text().lower().rstrip(".")
    answers: Sequence[str] = ()
    if question.kind == RdataType.TXT:
        if text in ("version.bind", "version.server"):
            answers = (VERSION,)
        elif text == "authors.bind" or question.name == zone:
            answers = random.sample(_AUTHORS, len(_AUTHORS))
        elif text in ("hostname.bind", "id.server"):
            answers = (_HOSTNAME,)
    if not answers:
        return Reply(dns.rcode.SERVFAIL, flags=dns.flags.RA, good_for=HOUR)
    made = (make(RdataType.TXT, each, rdclass=dns.rdataclass.CH) for each in answers)
    return Reply(answer=tuple(Record(question.name, 0, data) for data in made), good_for=0)


def soa(config: Config, wall: float) -> Record:
    """The SOA of the domain at a moment in seconds since 1970: its serial is the hour."""
    server = dns.name.from_text("ns.dns", config.zone)
    mailbox = dns.name.from_text(config.hostmaster)
    serial = int(wall) // HOUR * HOUR
    data = make(RdataType.SOA, server, mailbox, serial, 28800, 7200, 604800, config.min_ttl)
    return Record(config.zone, config.min_ttl, data)
