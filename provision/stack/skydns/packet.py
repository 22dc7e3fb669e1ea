"""DNS packets: questions read from bytes whatever they hold, and replies as bytes in every order wanted."""

from __future__ import annotations

import itertools
import random
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.renderer
import dns.rrset
from dns.rdatatype import RdataType

from skydns.records import Record
from skydns.reply import Question, Reply

HEADER = 12
UDP_MIN = 512  # what every client takes
UDP_OURS = 4096  # what this server takes
TCP_MAX = 65535
ORDERS = 24  # in which one answer is given: all of them for up to four addresses
_QR, _RD, _TC = 0x80, 0x01, dns.flags.TC
_BADVERS = 16

Body = Callable[[], bytes]  # the reply without its id; another order of addresses at each call


class Unreadable(Exception):
    """A packet is no question; `reply` is what its sender is told, None if nothing."""

    def __init__(self, reply: bytes | None) -> None:
        super().__init__("not a question")
        self.reply = reply


@dataclass(frozen=True)
class Query:
    """A question as it came; `size` is the largest reply its sender takes, `edns` whether it said so."""

    packet: bytes
    question: Question
    recursion: bool
    edns: bool
    size: int
    options: tuple[dns.edns.Option, ...] = ()

    @property
    def question_bytes(self) -> bytes:
        """The question section."""
        return self.packet[HEADER : HEADER + len(self.question.name.to_wire() or b"") + 4]


def read(packet: bytes, tcp: bool) -> Query:
    """The question in a packet; raises Unreadable."""
    if len(packet) < HEADER or packet[2] & _QR:
        raise Unreadable(None)
    if (packet[2] >> 3) & 0xF != dns.opcode.QUERY:
        raise Unreadable(failure(packet, dns.rcode.NOTIMP))
    try:
        message = dns.message.from_wire(packet, ignore_trailing=True)
        (rrset,) = message.question
    except (dns.exception.DNSException, ValueError, struct.error, EOFError):
        raise Unreadable(failure(packet, dns.rcode.FORMERR)) from None
    if packet[4:6] != b"\0\1":  # equal questions were merged when they were read
        raise Unreadable(failure(packet, dns.rcode.FORMERR))
    if rrset.rdclass not in (dns.rdataclass.IN, dns.rdataclass.CH):
        raise Unreadable(failure(packet, dns.rcode.REFUSED))
    question = Question(rrset.name, rrset.rdtype, rrset.rdclass == dns.rdataclass.CH)
    edns = message.edns >= 0
    size = TCP_MAX if tcp else max(UDP_MIN, message.payload if edns else 0)
    query = Query(packet, question, bool(packet[2] & _RD), edns, size, tuple(message.options))
    if message.edns > 0:
        raise Unreadable(b"".join((packet[:2], render(query, Reply(flags=dns.flags.Flag(0)), _BADVERS)())))
    return query


def failure(packet: bytes, rcode: int, flags: int = 0) -> bytes:
    """A header that refuses a packet with at least a header of its own."""
    return packet[:2] + bytes((_QR | packet[2] & 0x79, (flags & 0xF0) | rcode)) + bytes(8)


def render(query: Query, reply: Reply, rcode: int | None = None, *, shuffle: bool = False) -> Body:
    """The reply's bytes behind its id: within the size that the client takes, cut where it must be.

    With `shuffle`, the addresses come in another order at each call, each of them first as often as
    the others. Too large for the client: without its additional section, then cut and marked so.
    """
    code = reply.rcode if rcode is None else rcode
    answer, additional = list(reply.answer), list(reply.additional)
    whole, spans = _bytes(query, reply, code, answer, additional)
    if len(whole) > query.size and additional:
        whole, spans = _bytes(query, reply, code, answer, [])
    if len(whole) > query.size and query.size == TCP_MAX:
        whole, spans = _bytes(query, Reply(flags=dns.flags.RA), dns.rcode.SERVFAIL, [], [])
    kept = len(answer)
    while len(whole) > query.size:
        kept = min(kept - 1, max(0, kept * query.size // len(whole)))
        if kept < 0:
            return itertools.repeat(failure(query.packet, dns.rcode.SERVFAIL)[2:]).__next__
        whole, spans = _bytes(query, reply, code, answer[:kept], [], cut=True)
    bodies = _orders(whole, spans) if shuffle else [whole]
    return itertools.cycle([body[2:] for body in bodies]).__next__


def _bytes(
    query: Query,
    reply: Reply,
    rcode: int,
    answer: Sequence[Record],
    additional: Sequence[Record],
    cut: bool = False,
) -> tuple[bytes, list[tuple[int, int]]]:
    """The packet, and where in it each address of the answer begins and ends."""
    flags = dns.flags.QR | reply.flags | (rcode & 0xF) | (dns.flags.RD if query.recursion else 0)
    renderer = dns.renderer.Renderer(0, int(flags | _TC if cut else flags), 1 << 20)
    question = query.question
    chaos = dns.rdataclass.CH if question.chaos else dns.rdataclass.IN
    renderer.add_question(question.name, question.kind, chaos)
    spans = []
    sections = (
        (dns.renderer.ANSWER, answer),
        (dns.renderer.AUTHORITY, reply.authority),
        (dns.renderer.ADDITIONAL, additional),
    )
    for section, records in sections:
        for record in records:
            start = renderer.output.tell()
            renderer.add_rrset(section, dns.rrset.from_rdata(record.owner, record.ttl, record.data))
            if section == dns.renderer.ANSWER and record.data.rdtype in (RdataType.A, RdataType.AAAA):
                spans.append((start, renderer.output.tell()))
    if query.edns:
        renderer.add_edns(0, (rcode >> 4) << 24, UDP_OURS)
    renderer.write_header()
    return renderer.get_wire(), spans


def _orders(whole: bytes, spans: Sequence[tuple[int, int]]) -> list[bytes]:
    """The packet in other orders of its addresses, if they lie side by side.

    An address's record is moved as it is: the pointers in it lead to names before all addresses.
    """
    beside = all(before[1] == after[0] for before, after in itertools.pairwise(spans))
    if len(spans) < 2 or not beside:
        return [whole]
    head, tail = whole[: spans[0][0]], whole[spans[-1][1] :]
    pieces = [whole[start:end] for start, end in spans]
    count = len(pieces)
    if count <= 4:
        orders = [list(order) for order in itertools.permutations(pieces)]
    else:
        orders = []
        while len(orders) < ORDERS:
            drawn = random.sample(pieces, count)
            orders += [drawn[at:] + drawn[:at] for at in range(count)]
    random.shuffle(orders)
    return [b"".join((head, *order, tail)) for order in orders]
