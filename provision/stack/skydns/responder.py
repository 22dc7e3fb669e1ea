"""From a question's bytes to the reply's: what is known is ready, what must be asked elsewhere is awaited."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Sequence

import dns.flags
import dns.name
import dns.rcode
from dns.rdatatype import RdataType

from etcdv2.aio import Client
from etcdv2.model import EtcdError, Event, KeyNotFound, Node, Unavailable
from skydns import packet as packets
from skydns.answers import Answers
from skydns.config import Config
from skydns.packet import Body, Query, Unreadable
from skydns.records import Record
from skydns.reply import Outside, Reply
from skydns.service import Path, path_of
from skydns.tree import WILD, Tree
from skydns.upstream import LOOP_OPTION, NoAnswer, Upstream

log = logging.getLogger("skydns")
PACKET_MAX = 512  # bytes of a question whose answer is kept ready
SWEEP_EVERY = 0.02  # seconds by which a TTL may be shown too long
CHECK_EVERY = 0.2  # seconds between two looks at a key whose time has passed
WAITING_MAX = 1000  # questions that wait for other servers at a time
Response = bytes | None | Awaitable[bytes | None]


class Responder:
    """Answers packets. `ready` maps a question's bytes behind its id to what makes the reply's.

    The bytes stay ready until a key changes, or until the seconds in them do. Feeds on etcd's events
    (it is an `etcdv2.follow.Copy`).
    """

    def __init__(self, config: Config, client: Client, upstream: Upstream) -> None:
        self.ready: dict[bytes, Body] = {}
        self._config = config
        self._client = client
        self._upstream = upstream
        self._tree = Tree(config.path_prefix, time.monotonic, log.warning)
        self._answers = Answers(config, self._tree, time.monotonic, log.info)
        self._stubs: dict[dns.name.Name, list[tuple[str, int]]] = {}
        self._due: dict[bytes, float] = {}
        self._sweep: asyncio.TimerHandle | None = None
        self._next_sweep = 0.0
        self._kept: dict[bytes, tuple[float, bytes]] = {}
        self._waiting = 0
        self._away = True
        self._checking: set[Path] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.loaded = asyncio.Event()

    def respond(self, packet: bytes, tcp: bool) -> Response:
        """The reply, None if there is to be none, or what to await for either."""
        try:
            query = packets.read(packet, tcp)
        except Unreadable as unreadable:
            return unreadable.reply
        name, kind = query.question.name, query.question.kind
        if self._stubs and kind != RdataType.ANY and (servers := self._stub(name)):
            if any(option.otype == LOOP_OPTION for option in query.options):
                log.warning("a question for %s went in a circle of stub zones", name)
                return None
            return self._wait(query, self._forward(query, tcp, servers))
        if name.is_subdomain(self._config.zone) and (key := _hidden(path_of(name))):
            return self._wait(query, self._look_up(query, key, tcp))
        reply = self._answers.to(query.question)
        if reply.overdue:
            self._check(reply.overdue)
        if reply.forward or reply.outside:
            return self._wait(query, self._complete(query, reply, self._answers, tcp))
        body = self._body(query, reply)
        if not tcp and len(packet) <= PACKET_MAX and reply.good_for > 0:
            self._keep_ready(packet[2:], body, reply.good_for)
        return packet[:2] + body()

    @property
    def index(self) -> int:
        return self._tree.index

    async def load(self, node: Node | None, index: int) -> None:
        """Start over from a full listing."""
        self._tree.load(node, index)
        self._changed()

    async def apply(self, event: Event) -> None:
        """Follow one event."""
        if self._tree.apply(event):
            self._changed()

    def away(self, yes: bool) -> None:
        """Whether etcd is away: then nothing is said, unless the last known records are wanted (`stale`)."""
        if not yes:
            self.loaded.set()
        if yes == self._away:
            return
        log.warning("etcd is away" if yes else "etcd answers")
        self._away = yes
        self._answers.alone = yes
        self._answers.away = yes and not (self._config.stale and self.loaded.is_set())
        self._changed()

    def _body(self, query: Query, reply: Reply) -> Body:
        if self._config.verbose:
            name, kind = query.question.name, query.question.kind.name
            log.info("%s %s: %s, %d records", name, kind, reply.rcode.name, len(reply.answer))
        return packets.render(query, reply, shuffle=self._config.round_robin and reply.rotates)

    def _changed(self) -> None:
        self.ready.clear()
        self._due.clear()
        self._stubs = self._answers.stub_zones() if self._config.stubzones else {}

    def _keep_ready(self, question: bytes, body: Body, good_for: float) -> None:
        if len(self.ready) >= self._config.scache:
            self.ready.clear()
            self._due.clear()
        self.ready[question] = body
        if good_for < float("inf"):
            due = time.monotonic() + good_for
            self._due[question] = due
            self._sweep_at(due)

    def _sweep_at(self, due: float) -> None:
        if self._sweep is not None:
            if self._next_sweep <= due:
                return
            self._sweep.cancel()
        self._next_sweep = due
        pause = max(SWEEP_EVERY, due - time.monotonic())
        self._sweep = asyncio.get_running_loop().call_later(pause, self._sweep_up)

    def _sweep_up(self) -> None:
        """Drop what is due."""
        now = time.monotonic()
        for question in [each for each, due in self._due.items() if due <= now]:
            self.ready.pop(question, None)
            del self._due[question]
        self._sweep = None
        if self._due:
            self._sweep_at(min(self._due.values()))

    async def _wait(self, query: Query, work: Awaitable[bytes | None]) -> bytes | None:
        """Await the work, unless too many wait already."""
        if self._waiting >= WAITING_MAX:
            close = getattr(work, "close", None)
            if close is not None:
                close()
            return self._refused(query)
        self._waiting += 1
        try:
            return await work
        finally:
            self._waiting -= 1

    async def _complete(self, query: Query, reply: Reply, answers: Answers, tcp: bool) -> bytes | None:
        """The reply with what other servers say, once or for each name that the answer then leads to."""
        external: dict[Outside, Sequence[Record]] = {}
        while reply.outside - external.keys():
            wanted = list(reply.outside - external.keys())
            ttl = self._config.rcache_ttl
            found = await asyncio.gather(*(self._upstream.ask(name, kind, ttl) for name, kind in wanted))
            external.update(zip(wanted, found, strict=True))
            reply = answers.to(query.question, external)
        if reply.forward:
            return await self._forward(query, tcp)
        return query.packet[:2] + self._body(query, reply)()

    async def _forward(
        self, query: Query, tcp: bool, servers: Sequence[tuple[str, int]] = ()
    ) -> bytes | None:
        if not servers:
            if self._config.no_rec:
                return packets.failure(query.packet, dns.rcode.SERVFAIL)
            labels = len(query.question.name.labels) - 1
            if not self._upstream.servers or labels < self._config.ndots:
                return self._refused(query)
        question = query.packet[2:] + bytes([tcp])
        kept_until, kept = self._kept.get(question, (0.0, b""))
        if kept_until > time.monotonic():
            return query.packet[:2] + kept
        try:
            reply = await self._upstream.forward(query, tcp, servers, mark=bool(servers))
        except NoAnswer as problem:
            log.warning("no answer for %s: %s", query.question.name, problem)
            return self._refused(query)
        if self._config.rcache:
            if len(self._kept) >= self._config.rcache:
                self._kept.clear()
            self._kept[question] = time.monotonic() + self._config.rcache_ttl, reply[2:]
        return reply

    def _refused(self, query: Query) -> bytes:
        reply = Reply(dns.rcode.SERVFAIL, flags=dns.flags.RA)
        return query.packet[:2] + packets.render(query, reply)()

    def _stub(self, name: dns.name.Name) -> list[tuple[str, int]]:
        """The servers of the smallest stub zone that holds a name."""
        while name != dns.name.root:
            if name in self._stubs:
                return self._stubs[name]
            name = name.parent()
        return []

    async def _look_up(self, query: Query, key: Path, tcp: bool) -> bytes | None:
        """Answer from etcd itself: a key that begins with _ is in none of its listings, nor in its events."""
        tree = Tree(self._config.path_prefix, time.monotonic, log.warning)
        answers = Answers(self._config, tree, time.monotonic, log.info)
        try:
            answer = await self._client.get("/".join((tree.prefix, *key)), recursive=True)
            tree.load(answer.node)
            answers.away = False
        except KeyNotFound:
            answers.away = False
        except (EtcdError, Unavailable) as error:
            log.warning("%s: %s", query.question.name, error)
        return await self._complete(query, answers.to(query.question), answers, tcp)

    def _check(self, overdue: frozenset[Path]) -> None:
        """Ask etcd for keys whose time has passed: renewed without an event (`refresh`), or about to go."""
        for path in overdue - self._checking:
            self._checking.add(path)
            task = asyncio.get_running_loop().create_task(self._renew(path))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _renew(self, path: Path) -> None:
        try:
            answer = await self._client.get("/".join((self._tree.prefix, *path)))
            if self._tree.renew(answer.node):
                self._changed()
        except (EtcdError, Unavailable) as error:
            log.debug("a key whose time has passed: %s", error)
        finally:
            await asyncio.sleep(CHECK_EVERY)  # its end is on the way as an event
            self._checking.discard(path)


def _hidden(path: Path) -> Path:
    """The key to ask etcd for if a query's name leads through a hidden one; () if it does not."""
    wild = next((at for at, part in enumerate(path) if part in WILD), len(path))
    return path[:wild] if any(part.startswith("_") for part in path[:wild]) else ()
