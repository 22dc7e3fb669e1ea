"""Whatever a packet holds, the server lives on: it is answered, refused or dropped, and never at length."""

from __future__ import annotations

import asyncio
import json
import time

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etcdv2.aio import Client
from etcdv2.model import Node
from skydns.config import Config, load
from skydns.packet import HEADER
from skydns.responder import Responder
from skydns.upstream import Upstream

KEYS = {
    "web/a": '{"host": "10.0.0.1", "port": 80}',
    "web/b": '{"host": "10.0.0.2", "port": 81}',
    "web/c": '{"host": "fd00::3"}',
    "alias": '{"host": "web.skydns.local"}',
    "note": '{"text": "hello"}',
    "bad": "{",
}
SIZE_MAX = 65535


def responder(config: Config | None = None) -> Responder:
    """One that knows KEYS; nothing it could ask listens anywhere."""
    made = Responder(config or load({}, {}), Client(["http://127.0.0.1:9"]), Upstream((), 0.01, False))
    nodes = tuple(Node(f"/skydns/local/skydns/{name}", value) for name, value in KEYS.items())
    root = Node("/skydns", directory=True, nodes=nodes)
    asyncio.run(made.load(root, 1))
    made.away(False)
    return made


async def reply_to(made: Responder, packet: bytes, tcp: bool = False) -> bytes | None:
    response = made.respond(packet, tcp)
    return response if response is None or isinstance(response, bytes) else await response


def question(name: str, kind: str = "A") -> bytes:
    return dns.message.make_query(name, kind).to_wire()


names = st.one_of(
    st.sampled_from(["web.skydns.local.", "alias.skydns.local.", "*.skydns.local.", "nobody.skydns.local."]),
    st.lists(st.text("abc*_-0", min_size=1, max_size=20), min_size=1, max_size=8).map(
        lambda parts: ".".join(parts) + ".skydns.local."
    ),
)
kinds = st.sampled_from(
    ["A", "AAAA", "SRV", "TXT", "CNAME", "MX", "NS", "SOA", "PTR", "HINFO", "ANY", "TYPE65"]
)


@settings(deadline=None)  # the bound is in processor time, on a host that may be busy
@given(packet=st.binary(max_size=700), tcp=st.booleans())
def test_any_bytes_are_survived_and_answered_with_no_more_than_a_packet(packet: bytes, tcp: bool) -> None:
    _survives(packet, tcp)


@settings(deadline=None)  # the bound is in processor time, on a host that may be busy
@given(name=names, kind=kinds, tcp=st.booleans(), data=st.data())
def test_a_question_with_any_byte_changed_or_cut_is_survived(
    name: str, kind: str, tcp: bool, data: st.DataObject
) -> None:
    packet = bytearray(question(name, kind))
    for _ in range(data.draw(st.integers(0, 4))):
        packet[data.draw(st.integers(0, len(packet) - 1))] = data.draw(st.integers(0, 255))
    _survives(bytes(packet[: data.draw(st.integers(0, len(packet)))]), tcp)


@settings(deadline=None)
@given(name=names, kind=kinds)
def test_every_question_is_answered_in_form(name: str, kind: str) -> None:
    if "_" in name:
        return  # such names are looked up in etcd itself
    packet = question(name, kind)
    reply = dns.message.from_wire(asyncio.run(reply_to(responder(), packet)) or b"")
    asked = dns.message.from_wire(packet)
    assert asked.is_response(reply)
    assert reply.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN, dns.rcode.REFUSED)
    assert all(rrset.name == reply.question[0].name for rrset in reply.answer[:1])


@settings(deadline=None)
@given(text=st.text(), host=st.text())
def test_any_value_of_a_key_is_a_record_or_left_out_and_never_more(text: str, host: str) -> None:
    made = responder()
    values = (
        text,
        json.dumps({"host": host}),
        json.dumps({"text": text, "ttl": 1}),
        json.dumps({"port": host}),
    )
    nodes = tuple(Node(f"/skydns/local/skydns/web/{number}", value) for number, value in enumerate(values))
    good = Node("/skydns/local/skydns/web/good", '{"host": "10.0.0.1"}')
    asyncio.run(made.load(Node("/skydns", directory=True, nodes=(*nodes, good)), 1))
    for kind in ("A", "TXT", "MX"):
        reply = dns.message.from_wire(asyncio.run(reply_to(made, question("web.skydns.local.", kind))) or b"")
        assert reply.rcode() == dns.rcode.NOERROR
        if kind == "A":
            assert "10.0.0.1" in reply.to_text()


def test_an_answer_is_kept_ready_and_gives_way_to_a_change() -> None:
    made = responder()
    packet = question("web.skydns.local.")

    async def twice() -> None:
        first = await reply_to(made, packet)
        assert made.ready[packet[2:]]()[: HEADER - 2] == (first or b"")[2:HEADER]
        await made.load(None, 2)
        assert packet[2:] not in made.ready

    asyncio.run(twice())


def test_no_more_answers_are_kept_ready_than_the_setting_says() -> None:
    made = responder(load({}, {"scache": "10"}))

    async def ask() -> None:
        for number in range(100):
            await reply_to(made, question(f"n{number}.skydns.local."))
            assert len(made.ready) <= 10

    asyncio.run(ask())


@pytest.mark.parametrize(
    ("packet", "rcode"),
    [
        (b"\x12\x34\x01\x00" + bytes(8), dns.rcode.FORMERR),
        (b"\x12\x34\x28\x00\x00\x01" + bytes(6), dns.rcode.NOTIMP),
        (b"\x12\x34\x01\x00\x00\x01" + bytes(6) + b"\xc0\x0c\x00\x01\x00\x01", dns.rcode.FORMERR),
        (question("web.skydns.local.")[:-2] + b"\x00\x03", dns.rcode.SERVFAIL),
        (question("web.skydns.local.")[:-2] + b"\x00\x04", dns.rcode.REFUSED),
    ],
    ids=["no question", "update", "loop", "CHAOS", "Hesiod"],  # a packet's id is drawn anew in each process
)
def test_what_is_no_question_for_us_is_refused_with_the_right_code(packet: bytes, rcode: int) -> None:
    reply = asyncio.run(reply_to(responder(), packet))
    assert reply is not None
    assert reply[:2] == packet[:2]
    assert reply[3] & 0xF == rcode


def test_a_reply_is_never_answered() -> None:
    packet = bytearray(question("web.skydns.local."))
    packet[2] |= 0x80
    assert asyncio.run(reply_to(responder(), bytes(packet))) is None


def _survives(packet: bytes, tcp: bool) -> None:
    began = time.process_time()
    reply = asyncio.run(asyncio.wait_for(reply_to(responder(), packet, tcp), 30))
    assert time.process_time() - began < 1
    if reply is not None:
        assert HEADER <= len(reply) <= SIZE_MAX
        assert reply[:2] == packet[:2]
        assert reply[2] & 0x80
        dns.message.from_wire(reply)
