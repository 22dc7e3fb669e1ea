"""Keeps the mirror true: one read of everything, then one watch that is resumed where it stopped."""

from __future__ import annotations

import asyncio
import logging

from etcdv2.aio import Client, Lagging
from etcdv2.model import EtcdError, Event, KeyNotFound, Node, Unavailable
from fleet.mirror import Mirror

log = logging.getLogger("fleet.follow")
_RETRY = (0.05, 0.1, 0.2, 0.5, 1.0)


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
        failures = 0
        fresh = False
        while True:
            try:
                if not fresh:
                    await self._load()
                    fresh = True
                async for event in self._client.watch(self.mirror.prefix, self.mirror.index):
                    failures = 0
                    await self._apply(event)
            except Lagging as error:
                log.info("reading the registry again: %s", error)
                fresh = False
            except (Unavailable, EtcdError) as error:
                log.log(logging.WARNING if failures == 0 else logging.DEBUG, "etcd watch: %s", error)
                await asyncio.sleep(_RETRY[min(failures, len(_RETRY) - 1)])
                failures += 1

    async def _load(self) -> None:
        nodes: list[Node] = []
        try:
            answer = await self._client.get(self.mirror.prefix, recursive=True)
            nodes, index = list(answer.node.leaves()), answer.index
        except KeyNotFound as error:
            index = error.index
        async with self._progress:
            self.mirror.load(nodes, index)
            self._progress.notify_all()
        self.loaded.set()
        for _, event in self._waiting:
            event.set()

    async def _apply(self, event: Event) -> None:
        table = self.mirror.apply(event)
        for tables, waiting in self._waiting:
            if table in tables or not table:
                waiting.set()
        async with self._progress:
            self._progress.notify_all()
