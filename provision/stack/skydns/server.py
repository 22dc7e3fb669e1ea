"""The sockets of the DNS server: datagrams in a tight loop, connections one task each, all bounded."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Sequence

import dns.rcode

from skydns.config import Address
from skydns.packet import HEADER, TCP_MAX, failure
from skydns.responder import Responder, Response

log = logging.getLogger("skydns")
BURST = 128  # datagrams in one go before events and connections have their turn
BUFFER = 4 << 20  # bytes that wait in the kernel while the server does something else
CONNECTIONS_MAX = 512
CONTROL_MAX = 256  # bytes that the kernel may add to a datagram
IDLE = 8.0  # seconds that a client may think about its next question on a connection

_IP_PKTINFO = 8  # ip(7); the socket module has no name for it
_PKTINFO = ((socket.IPPROTO_IP, _IP_PKTINFO), (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO))
Control = tuple[int, int, bytes]


class Server:
    """Answers on UDP and TCP sockets until closed. `within` (seconds) bounds each message over TCP."""

    def __init__(self, responder: Responder, within: float) -> None:
        self._responder = responder
        self._within = within
        self._datagrams: list[socket.socket] = []
        self._streams: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._connections = 0

    async def start(self, sockets: Sequence[socket.socket]) -> None:
        """Answer on these sockets from now on; they are closed by `close`."""
        for sock in sockets:
            sock.setblocking(False)
            if sock.type == socket.SOCK_DGRAM:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
                self._datagrams.append(sock)
                drain = self._drain_any if _tells_address(sock) else self._drain
                asyncio.get_running_loop().add_reader(sock, drain, sock)
            else:
                self._streams.append(await asyncio.start_server(self._serve, sock=sock, limit=TCP_MAX + 2))

    def close(self) -> None:
        """Stop answering."""
        for sock in self._datagrams:
            asyncio.get_running_loop().remove_reader(sock)
            sock.close()
        for stream in self._streams:
            stream.close()
        for task in self._tasks:
            task.cancel()

    def _drain(self, sock: socket.socket) -> None:
        """Answer what has come, most of it without a look inside."""
        receive, send, ready = sock.recvfrom, sock.sendto, self._responder.ready
        for _ in range(BURST):
            try:
                packet, client = receive(TCP_MAX)
            except BlockingIOError:
                return
            except OSError:
                continue  # an earlier reply was refused
            body = ready.get(packet[2:])
            if body is None:
                self._answer(sock, packet, client)
                continue
            try:
                send(packet[:2] + body(), client)
            except OSError:
                continue  # a lost datagram, as any other

    def _drain_any(self, sock: socket.socket) -> None:
        """The same where each reply must say which of the machine's addresses had been asked."""
        receive, send, ready = sock.recvmsg, sock.sendmsg, self._responder.ready
        for _ in range(BURST):
            try:
                packet, told, _flags, client = receive(TCP_MAX, CONTROL_MAX)
            except BlockingIOError:
                return
            except OSError:
                continue
            source = [_source(*each) for each in told if each[:2] in _PKTINFO]
            body = ready.get(packet[2:])
            if body is None:
                self._answer(sock, packet, client, source)
                continue
            try:
                send((packet[:2], body()), source, 0, client)
            except OSError:
                continue

    def _answer(
        self, sock: socket.socket, packet: bytes, client: Address, source: Sequence[Control] = ()
    ) -> None:
        response = self._respond(packet, tcp=False)
        if response is None or isinstance(response, bytes):
            _send(sock, response, client, source)
            return

        async def later() -> None:
            _send(sock, await self._settled(packet, response), client, source)

        task = asyncio.get_running_loop().create_task(later())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _respond(self, packet: bytes, tcp: bool) -> Response:
        """The responder's answer; whatever a packet does to it, the next one is answered."""
        try:
            return self._responder.respond(packet, tcp)
        except Exception as problem:
            return _broken(packet, problem)

    async def _settled(self, packet: bytes, response: Response) -> bytes | None:
        if response is None or isinstance(response, bytes):
            return response
        try:
            return await response
        except Exception as problem:
            return _broken(packet, problem)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the questions of one connection, each message within its time."""
        if self._connections >= CONNECTIONS_MAX:
            writer.transport.abort()
            return
        self._connections += 1
        try:
            while True:
                length = int.from_bytes(await asyncio.wait_for(reader.readexactly(2), IDLE), "big")
                packet = await asyncio.wait_for(reader.readexactly(length), self._within)
                reply = await self._settled(packet, self._respond(packet, tcp=True))
                if reply is None:
                    return
                writer.write(len(reply).to_bytes(2, "big") + reply)
                await asyncio.wait_for(writer.drain(), self._within)
        except (OSError, EOFError, asyncio.TimeoutError):
            return
        finally:
            self._connections -= 1
            with contextlib.suppress(OSError):
                writer.close()


def listen(address: Address) -> list[socket.socket]:
    """A UDP and a TCP socket on an address; raises OSError."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    made: list[socket.socket] = []
    try:
        datagrams = socket.socket(family, socket.SOCK_DGRAM)
        made.append(datagrams)
        datagrams.bind(address)
        # the same port for both, also where the kernel has chosen it
        made.append(
            socket.create_server((address[0], datagrams.getsockname()[1]), family=family, backlog=128)
        )
    except BaseException:
        for sock in made:
            sock.close()
        raise
    return made


def _send(sock: socket.socket, reply: bytes | None, client: Address, source: Sequence[Control]) -> None:
    if reply is not None:
        with contextlib.suppress(OSError):
            sock.sendmsg((reply,), source, 0, client)


def _tells_address(sock: socket.socket) -> bool:
    """Have a socket on all addresses tell which one was asked: a reply from another one is thrown away.

    The kernel would choose the address by the way back, and a client of Docker's bridge on the machine itself
    has its question come from somewhere else.
    """
    host = sock.getsockname()[0]
    if host == "0.0.0.0":
        sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
    elif host == "::":
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    return host in ("0.0.0.0", "::")


def _source(level: int, kind: int, told: bytes) -> Control:
    """What makes a reply leave from the address that was asked, by whatever interface."""
    if level == socket.IPPROTO_IP:
        return level, kind, bytes(4) + told[4:8] + bytes(4)
    return level, kind, told


def _broken(packet: bytes, problem: Exception) -> bytes | None:
    log.error("no answer to %s: %s: %s", packet[:300].hex(), type(problem).__name__, problem)
    return failure(packet, dns.rcode.SERVFAIL) if len(packet) >= HEADER else None
