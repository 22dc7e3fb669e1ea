"""Tells the registry what systemd says of this machine's units, and keeps it from expiring."""

from __future__ import annotations

import asyncio
import logging
import time

from etcdv2.model import EtcdError, Unavailable
from fleet.backend import Condition
from fleet.cluster import State
from fleet.registry import Registry
from fleet.retries import Retries

log = logging.getLogger("fleet.publisher")
_AT_ONCE = 8


class Publisher:
    """The states of this machine's units, and the claims (job-state) of those that it launched."""

    def __init__(self, registry: Registry, machine: str, ttl: float, patience: float) -> None:
        self._registry = registry
        self._machine = machine
        self._ttl = max(1, round(ttl))
        self._every = ttl * 4 / 5 if ttl > 10 else ttl / 2
        self._wanted: dict[str, State] = {}
        self._dirty: dict[str, None] = {}
        self._claims: set[str] = set()
        self._busy: set[str] = set()
        self._wake = asyncio.Event()
        self._retries = Retries(patience)
        self._refreshing = Retries(patience)
        self._settled = asyncio.Condition()

    def publish(self, name: str, condition: Condition, hash_: str) -> None:
        state = State(condition.load, condition.active, condition.sub, hash_, self._machine)
        if self._wanted.get(name) != state:
            self._wanted[name] = state
            self._mark(name)

    def withdraw(self, name: str) -> None:
        if self._wanted.pop(name, None) is not None:
            self._mark(name)

    def claimed(self, name: str) -> None:
        self._claims.add(name)

    def released(self, name: str) -> None:
        self._claims.discard(name)

    def again(self) -> None:
        """Write everything anew: the registry may have lost it."""
        for name in self._wanted:
            self._mark(name)

    async def run(self) -> None:
        """Write what changes, refresh the rest; until cancelled."""
        refreshing = asyncio.get_running_loop().create_task(self._refresh())
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                if await self._flush():
                    self._retries.succeeded()
                else:
                    await asyncio.sleep(self._retries.failed())
                    self._wake.set()
        finally:
            refreshing.cancel()

    async def flush(self, timeout: float) -> None:
        """Wait until all is written, for as long as that."""
        async with self._settled:
            try:
                await asyncio.wait_for(
                    self._settled.wait_for(lambda: not self._dirty and not self._busy), timeout
                )
            except asyncio.TimeoutError:
                log.warning("not all states could be written: %s", ", ".join(self._dirty))

    def _mark(self, name: str) -> None:
        self._dirty[name] = None
        self._wake.set()

    async def _flush(self) -> bool:
        names = list(self._dirty)
        self._dirty.clear()
        limit = asyncio.Semaphore(_AT_ONCE)

        async def write(name: str) -> bool:
            async with limit:
                state = self._wanted.get(name)
                try:
                    if state is None:
                        await self._retries.answer(self._registry.drop_state(name, self._machine))
                    else:
                        await self._retries.answer(self._registry.put_state(name, state, self._ttl))
                except (Unavailable, EtcdError) as error:
                    log.debug("state of %s: %s", name, error)
                    self._dirty[name] = None
                    return False
                return True

        self._busy.update(names)
        done = await asyncio.gather(*(write(name) for name in names))
        self._busy.clear()
        async with self._settled:
            self._settled.notify_all()
        return all(done)

    async def _refresh(self) -> None:
        while True:
            started = time.monotonic()
            await asyncio.sleep(self._every)
            left = list(self._wanted)
            while left:
                if await self._refresh_one(left[-1]):
                    left.pop()
                    self._refreshing.succeeded()
                else:
                    await asyncio.sleep(self._refreshing.failed())
            log.debug("refreshed %d states in %.3f s", len(self._wanted), time.monotonic() - started)

    async def _refresh_one(self, name: str) -> bool:
        """False if etcd did not say: a key has time enough for further tries, not for another round."""
        try:
            if name in self._wanted:
                kept = self._registry.refresh_state(name, self._machine, self._ttl)
                if not await self._refreshing.answer(kept):
                    self._mark(name)
            if name in self._claims:
                claimed = self._registry.refresh_claim(name, self._machine, self._ttl)
                await self._refreshing.answer(claimed)
        except (Unavailable, EtcdError) as error:
            log.debug("refreshing %s: %s", name, error)
            return False
        return True
