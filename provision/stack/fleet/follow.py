"""Keeps the mirror true by following etcd, and wakes those that wait for a part of it."""

from __future__ import annotations

import asyncio
import logging

from etcdv2.aio import Client
from etcdv2.follow import follow
from etcdv2.model import Event, Node
from fleet.mirror import Mirror

log = logging.getLogger("fleet.follow")


class Follower:
    """Feeds a mirror and wakes those that wait for a table of it to change."""

    def __init__(self, client: Client, mirror: Mirror) -> None:
        self.mirror = mirror
        self._client = client
        self._waiting: list[tuple[frozenset[str], asyncio.Event]] = []
        self._progress = asyncio.Condition()
        self.loaded = asyncio.Event()

    def subscribe(self, *tables: str) -> asyncio.Event:
        """An event that is set whenever one of these tables has changed; whoever waits clears it."""
        event = asyncio.Event()
        self._waiting.append((frozenset(tables), event))
        return event

    async def reached(self, index: int, timeout: float = 1.0) -> bool:
        """Wait until the mirror has seen this index, so that one's own writes can be read."""
        if self.mirror.index >= index:
            return True

        async def wait() -> None:
            async with self._progress:
                await self._progress.wait_for(lambda: self.mirror.index >= index)

        try:
            await asyncio.wait_for(wait(), timeout)
        except asyncio.TimeoutError:
            return False
        return True

    async def run(self) -> None:
        """Follow etcd until cancelled, whatever etcd does."""
        await follow(self._client, self.mirror.prefix, self, log)

    @property
    def index(self) -> int:
        return self.mirror.index

    async def load(self, node: Node | None, index: int) -> None:
        """Start the mirror over."""
        async with self._progress:
            self.mirror.load(node.leaves() if node else (), index)
            self._progress.notify_all()
        self.loaded.set()
        for _, event in self._waiting:
            event.set()

    async def apply(self, event: Event) -> None:
        """Feed the mirror one event."""
        table = self.mirror.apply(event)
        for tables, waiting in self._waiting:
            if table in tables or not table:
                waiting.set()
        async with self._progress:
            self._progress.notify_all()

    def away(self, yes: bool) -> None:
        """The mirror stays as it is: fleet goes on with what it knows."""
