"""Keeps a copy of a directory of etcd true: one read of all of it, then one watch that is resumed."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from etcdv2.aio import Client, Lagging
from etcdv2.model import EtcdError, Event, KeyNotFound, Node, Unavailable

_RETRY = (0.05, 0.1, 0.2, 0.5, 1.0)


class Copy(Protocol):
    """What is kept true; `index` is the etcd index up to which it is."""

    @property
    def index(self) -> int: ...

    async def load(self, node: Node | None, index: int) -> None:
        """Start over from a full listing; None if the directory is not there."""

    async def apply(self, event: Event) -> None:
        """Take in one event, the next one in order."""

    def away(self, yes: bool) -> None:
        """Whether every endpoint fails to answer, so that the copy may be old."""


async def follow(client: Client, prefix: str, copy: Copy, log: logging.Logger) -> None:
    """Follow the directory `prefix` until cancelled, whatever etcd does."""
    failures = 0
    fresh = False

    def resumed() -> None:
        nonlocal failures
        failures = 0
        copy.away(False)

    while True:
        try:
            if not fresh:
                await _load(client, prefix, copy)
                fresh = True
            async for event in client.watch(prefix, copy.index, resumed=resumed):
                await copy.apply(event)
        except Lagging as error:
            log.info("reading %s again: %s", prefix, error)
            fresh = False
        except (Unavailable, EtcdError) as error:
            log.log(logging.WARNING if failures == 0 else logging.DEBUG, "etcd watch: %s", error)
            # The end of a connection is no loss: the next endpoint may take the watch on within _RETRY[0].
            copy.away(failures > 0 or not fresh)
            await asyncio.sleep(_RETRY[min(failures, len(_RETRY) - 1)])
            failures += 1


async def _load(client: Client, prefix: str, copy: Copy) -> None:
    node: Node | None = None
    try:
        answer = await client.get(prefix, recursive=True)
        node, index = answer.node, answer.index
    except KeyNotFound as error:
        index = error.index
    await copy.load(node, index)
