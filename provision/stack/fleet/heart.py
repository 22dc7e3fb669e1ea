"""The machine's heart: its key in etcd, there as long as fleetd can say so."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable
from typing import Any

from etcdv2.model import EtcdError, KeyExists, Unavailable
from fleet.mirror import read_object
from fleet.registry import Registry

log = logging.getLogger("fleet.heart")
_REGISTER_RETRY_MAX = 1.0


class Heart:
    """Registers the machine and renews its key every half of the TTL.

    `alive` is set while the key is known to be there: agent, engine and API work only then.
    """

    def __init__(
        self,
        registry: Registry,
        machine: str,
        describe: Callable[[], dict[str, Any]],
        ttl: float,
        changed: asyncio.Event,
    ) -> None:
        self._registry = registry
        self._machine = machine
        self._describe = describe
        self._ttl = ttl
        self._changed = changed  # the table of machines changed
        self._value = ""
        self._created = False  # the last registration made the key, rather than find its own
        self.alive = asyncio.Event()
        self.pulse = asyncio.Event()  # set when alive changes; for those that wait for other things too
        self.reborn: float | None = None  # when the key was made again after it had been lost, monotonic
        self.lost_since: float | None = None

    @property
    def etcd_ttl(self) -> int:
        return max(1, round(self._ttl))

    async def run(self) -> None:
        while True:
            await self._register()
            await self._beat_until_lost()

    async def stop(self) -> None:
        await self._registry.drop_machine(self._machine)

    async def _register(self) -> None:
        delay, said = 0.05, ""
        first = not self._value
        while True:
            self._changed.clear()
            try:
                problem = await self._try()
            except (Unavailable, EtcdError) as error:
                problem = str(error)
            if problem is None:
                break
            if problem != said:
                log.warning("Server register machine failed: %s", problem)
                said = problem
            # Whatever ends the wait early is that some machine's key went, perhaps the one in the way.
            try:
                await asyncio.wait_for(self._changed.wait(), delay)
            except asyncio.TimeoutError:
                delay = min(delay * 2, _REGISTER_RETRY_MAX)
        if self._created and not first:  # one that was still ours was never lost to anybody
            self.reborn = time.monotonic()
        log.info("registered as %s", self._machine)
        self._set(True)

    async def _try(self) -> str | None:
        """None if the key is ours now, else why not."""
        mine = self._describe()
        self._value = json.dumps(mine, separators=(",", ":"))
        try:
            await self._registry.create_machine(self._machine, self._value, self.etcd_ttl)
            self._created = True
            return None
        except KeyExists:
            pass
        old = await self._registry.read_machine(self._machine)
        if old is None:
            return "the old key has just gone"
        there = read_object(old)
        # Same address: this machine before it was reset or before fleetd was. Another one: its twin.
        if there.get("PublicIP") != mine["PublicIP"]:
            return f"105: Key already exists: a machine at {there.get('PublicIP')} has this machine's ID"
        if not await self._registry.replace_machine(self._machine, old, self._value, self.etcd_ttl):
            return "the old key has just changed"
        self._created = False
        log.info("took over the key of this machine's %s", self._earlier(there, mine))
        return None

    @staticmethod
    def _earlier(there: dict[str, Any], mine: dict[str, Any]) -> str:
        return "earlier process" if there.get("BootID") == mine["BootID"] else "earlier boot"

    async def _beat_until_lost(self) -> None:
        next_beat = time.monotonic() + self._ttl / 2
        while True:
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), max(0.0, next_beat - time.monotonic()))
                if not await self._gone():
                    continue
                log.warning("the machine's key is gone")
                break
            except asyncio.TimeoutError:
                pass
            next_beat = time.monotonic() + self._ttl / 2
            if not await self._beat():
                break
        self._set(False)

    async def _gone(self) -> bool:
        try:
            return await self._registry.read_machine(self._machine) is None
        except (Unavailable, EtcdError):
            return False  # the next beat will tell

    async def _beat(self) -> bool:
        deadline = time.monotonic() + self._ttl / 3
        for attempt in range(5):
            try:
                value = json.dumps(self._describe(), separators=(",", ":"))
                if value != self._value:
                    replaced = await self._registry.replace_machine(
                        self._machine, self._value, value, self.etcd_ttl
                    )
                    self._value = value
                    return replaced
                return await self._registry.refresh_machine(self._machine, self.etcd_ttl)
            except (Unavailable, EtcdError) as error:
                log.warning("heartbeat failed (attempt %d): %s", attempt + 1, error)
                if time.monotonic() + self._ttl / 12 > deadline:
                    break
                await asyncio.sleep(self._ttl / 12)
        return False

    def _set(self, alive: bool) -> None:
        if alive:
            self.alive.set()
            self.lost_since = None
        else:
            self.alive.clear()
            self.lost_since = time.monotonic()
            log.error("fleet server unable to communicate with etcd; units are left as they are")
        self.pulse.set()
