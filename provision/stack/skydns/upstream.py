"""Questions for other servers: passed on as they came, or asked for the sake of an answer of our own."""

from __future__ import annotations

import asyncio
import errno
import random
import secrets
import socket
from collections.abc import Sequence

import dns.edns
import dns.exception
import dns.message
import dns.name
import dns.rcode
from dns.rdatatype import RdataType

from skydns.config import Address
from skydns.packet import HEADER, TCP_MAX, Query
from skydns.records import Record

LOOP_OPTION = 65011  # EDNS: this question has been through a stub zone already
_LOOP = dns.edns.GenericOption(dns.edns.OptionType.make(LOOP_OPTION), b"\x01")


class NoAnswer(Exception):
    """No server gave an answer; the text says what each one did."""


class Upstream:
    """The servers for other domains. `within` bounds each of them, in seconds."""

    def __init__(self, servers: Sequence[Address], within: float, rotate: bool) -> None:
        self.servers = tuple(servers)
        self._within = within
        self._rotate = rotate

    async def forward(
        self, query: Query, tcp: bool, servers: Sequence[Address] = (), mark: bool = False
    ) -> bytes:
        """The reply to a question, from the first server that gives one; raises NoAnswer.

        With `mark` the question says that it has been passed on once: it came by way of a stub zone.
        """
        packet = _marked(query) if mark else query.packet
        tried = []
        for server in self._order(servers or self.servers):
            try:
                reply = await asyncio.wait_for(
                    _over_tcp(server, packet) if tcp else _over_udp(server, packet, query.question_bytes),
                    self._within,
                )
                return packet[:2] + reply[2:]
            except asyncio.TimeoutError:
                tried.append(f"{server[0]}:{server[1]}: nothing within {self._within:g} s")
            except (OSError, EOFError) as error:
                tried.append(f"{server[0]}:{server[1]}: {error or type(error).__name__}")
        raise NoAnswer("; ".join(tried) or "no nameserver is configured")

    async def ask(self, name: dns.name.Name, kind: RdataType, ttl: int) -> list[Record]:
        """What other servers have in their answer to a question, each record with this TTL; [] if nothing."""
        packet = dns.message.make_query(name, kind).to_wire()
        for server in self._order(self.servers):
            try:
                section = packet[HEADER:]
                reply = await asyncio.wait_for(_over_udp(server, packet, section), self._within)
                message = dns.message.from_wire(reply, ignore_trailing=True)
            except (asyncio.TimeoutError, OSError, EOFError, ValueError, dns.exception.DNSException):
                continue
            if message.rcode() == dns.rcode.NOERROR:
                return [Record(each.name, ttl, data) for each in message.answer for data in each]
        return []

    def _order(self, servers: Sequence[Address]) -> list[Address]:
        return random.sample(servers, len(servers)) if self._rotate else list(servers)


def without_ourselves(servers: Sequence[Address], own: Address) -> list[Address]:
    """The servers that are not this one: asked by itself, it would ask itself again."""
    return [server for server in servers if server[1] != own[1] or not _is_ours(server[0], own[0])]


def _is_ours(host: str, own: str) -> bool:
    if host == own:
        return True
    if own not in ("0.0.0.0", "::"):
        return False
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((host, 0))
        except OSError as error:
            return error.errno != errno.EADDRNOTAVAIL
        return True


def _marked(query: Query) -> bytes:
    message = dns.message.from_wire(query.packet, ignore_trailing=True)
    message.use_edns(0, payload=message.payload or query.size, options=[*message.options, _LOOP])
    return message.to_wire()


class _Exchange(asyncio.DatagramProtocol):
    """One question over a socket of its own, whose port nobody could guess."""

    def __init__(self, ident: bytes, section: bytes) -> None:
        self.reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._ident = ident
        self._section = section

    def datagram_received(self, data: bytes, _address: object) -> None:
        answers = len(data) >= HEADER and data[2] & 0x80 and data[:2] == self._ident
        if answers and data[HEADER : HEADER + len(self._section)].lower() == self._section.lower():
            self._settle(None, data)

    def error_received(self, error: Exception) -> None:
        self._settle(error)

    def connection_lost(self, error: Exception | None) -> None:
        self._settle(error or EOFError("closed"))

    def _settle(self, error: Exception | None, reply: bytes = b"") -> None:
        if self.reply.done():
            return
        if error is not None:
            self.reply.set_exception(error)
        else:
            self.reply.set_result(reply)


async def _over_udp(server: Address, packet: bytes, section: bytes) -> bytes:
    ident = secrets.token_bytes(2)
    transport, exchange = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Exchange(ident, section), remote_addr=server
    )
    try:
        transport.sendto(ident + packet[2:])
        return await exchange.reply
    finally:
        if not exchange.reply.done():
            exchange.reply.cancel()
        transport.close()


async def _over_tcp(server: Address, packet: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(*server, limit=TCP_MAX + 2)
    try:
        writer.write(len(packet).to_bytes(2, "big") + packet)
        length = int.from_bytes(await reader.readexactly(2), "big")
        reply = await reader.readexactly(length)
        if len(reply) < HEADER or reply[:2] != packet[:2]:
            raise EOFError("an answer to something else")
        return reply
    finally:
        writer.transport.abort()
