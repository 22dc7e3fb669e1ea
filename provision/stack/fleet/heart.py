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
from fleet.retries import within

log = logging.getLogger("fleet.heart")
_REGISTER_RETRY_MAX = 0.25  # seconds: where etcd is back, others wait for this machine with their plans
_TRY_SHARE = 0.25  # of etcd_request_timeout, for one try of a heartbeat, however short the TTL
_ANEW = 3  # looks at a key that is not as it was: an earlier try may have renewed it, without an answer
_LAST_TRY_MIN = 0.05  # the last one has what is left of the key's time, if that is worth it


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
        patience: float,
    ) -> None:
        self._registry = registry
        self._machine = machine
        self._describe = describe
        self._ttl = ttl
        self._step = max(_TRY_SHARE * patience, ttl / 12)  # seconds for one try of a heartbeat
        self._changed = changed  # the table of machines changed
        self._value = ""
        self._kept = 0.0  # when the last renewal that succeeded was sent, monotonic
        self._made = 0  # etcd's index at which the key was made; the same as long as it has not been gone
        self._seen = 0  # etcd's index of the key's last renewal
        self.alive = asyncio.Event()
        self.pulse = asyncio.Event()  # set when alive changes; for those that wait for other things too
        self.reborn: float | None = None  # when the key was made again after it had been lost, monotonic
        self.returned: float | None = None  # when etcd was there again after a whole TTL, key or no key
        self.lost_since: float | None = None

    @property
    def ttl(self) -> float:
        return self._ttl

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
        before = self._made
        while True:
            self._changed.clear()
            sent = time.monotonic()
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
        # That it was there proves nothing: an earlier try of ours may have made it, without an answer.
        if before and self._made != before:
            self.reborn = time.monotonic()
        if self.lost_since is not None:
            self.returned = time.monotonic()
        self._kept = sent
        log.info("registered as %s", self._machine)
        self._set(True)

    async def _try(self) -> str | None:
        """None if the key is ours now, else why not."""
        mine = self._describe()
        self._value = json.dumps(mine, separators=(",", ":"))
        try:
            self._made = await self._registry.create_machine(self._machine, self._value, self.etcd_ttl)
            self._seen = self._made
            return None
        except KeyExists:
            pass
        old = await self._registry.read_machine(self._machine)
        if old is None:
            return "the old key has just gone"
        there = read_object(old.value)
        # Same address: this machine before it was reset or before fleetd was. Another one: its twin.
        if there.get("PublicIP") != mine["PublicIP"]:
            return f"105: Key already exists: a machine at {there.get('PublicIP')} has this machine's ID"
        seen = await self._registry.renew_machine(self._machine, old.modified, self.etcd_ttl, self._value)
        if seen is None:
            return "the old key has just changed"
        self._made, self._seen = old.created, seen
        log.info("took over the key of this machine's %s", self._earlier(there, mine))
        return None

    @staticmethod
    def _earlier(there: dict[str, Any], mine: dict[str, Any]) -> str:
        return "earlier process" if there.get("BootID") == mine["BootID"] else "earlier boot"

    async def _beat_until_lost(self) -> None:
        next_beat = self._kept + self._ttl / 2
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
        """Renew the key, if need be until its end: False if it is gone or must be by then.

        Many short tries, as one that was under way when etcd lost its leader is never answered, while
        one that comes after is carried out as soon as there is a new leader.
        """
        attempt = 0
        while (left := self._kept + self._ttl - time.monotonic()) > _LAST_TRY_MIN:
            sent, attempt = time.monotonic(), attempt + 1
            try:
                kept = await within(self._renew(), min(self._step, left))
                self._kept = sent
                return kept
            except (Unavailable, EtcdError) as error:
                log.warning("heartbeat failed (attempt %d): %s", attempt, error)
            await asyncio.sleep(sent + self._step - time.monotonic())
        return False

    async def _renew(self) -> bool:
        value = json.dumps(self._describe(), separators=(",", ":"))
        for _ in range(_ANEW):
            new = value if value != self._value else None
            seen = await self._registry.renew_machine(self._machine, self._seen, self.etcd_ttl, new)
            if seen is not None:
                self._seen, self._value = seen, value
                return True
            there = await self._registry.read_machine(self._machine, quorum=True)
            if there is None or there.created != self._made or there.value not in (self._value, value):
                return False
            self._seen, self._value = there.modified, there.value
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
