"""The engine: one of the cluster's, by a lease in etcd, gives each unit a machine."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from itertools import groupby

from etcdv2.model import EtcdError, Unavailable
from fleet.engine_plan import Move, plan
from fleet.follow import Follower
from fleet.heart import Heart
from fleet.registry import Registry
from fleet.retries import Retries

log = logging.getLogger("fleet.engine")
# After etcd itself was away every machine's key has expired: the others get this long to be back before
# their units are given away.
REBIRTH_GRACE = 3.0
RETURN_SHARE = 0.25  # of the TTL, where this machine's own key was kept
_AT_ONCE = 8


def grace(now: float, ttl: float, reborn: float | None, returned: float | None) -> float:
    """Seconds for which other machines may still be on their way back to an etcd that has returned.

    A key that was kept although etcd was away for its whole TTL was kept because nobody expired any: the
    others' go first now that somebody does, and their machines need a moment to make them again.
    """
    ends = [now]
    if reborn is not None:
        ends.append(reborn + REBIRTH_GRACE)
    if returned is not None:
        ends.append(returned + min(ttl * RETURN_SHARE, REBIRTH_GRACE))
    return max(ends) - now


class Engine:
    """A candidate: follows the holder of the lease, and takes its place when that goes."""

    def __init__(
        self,
        registry: Registry,
        follower: Follower,
        heart: Heart,
        machine: str,
        interval: float,
        retries: Retries,
    ) -> None:
        self._registry = registry
        self._follower = follower
        self._heart = heart
        self._machine = machine
        self._interval = interval
        self._changed = follower.subscribe("job", "unit", "machines", "lease")
        self._value = json.dumps({"MachineID": machine, "Version": 1}, separators=(",", ":"))
        self._retries = retries
        self._renewed = 0.0
        self._planned = False
        self.leads = False

    @property
    def _lease_ttl(self) -> int:
        return max(1, round(5 * self._interval))

    async def run(self) -> None:
        await self._follower.loaded.wait()
        while True:
            await self._heart.alive.wait()
            pause = self._interval
            try:
                leads, left = await self._lead(), self._grace()
                if leads and not left:
                    await self._reconcile()
                pause = min(pause, left or pause)
                self._retries.succeeded()
            except (Unavailable, EtcdError) as error:
                self.leads = False
                pause = min(pause, self._retries.failed())
                log.warning("engine pass failed: %s", error)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._changed.wait(), pause)
            # Not only after a wait that succeeded: the change may have come together with its end.
            if self._changed.is_set():
                self._planned = False
            self._changed.clear()

    async def stop(self) -> None:
        """Give the lease back, so that another engine need not wait for its end."""
        if self.leads:
            self.leads = False
            await self._registry.drop_lease(self._value)

    async def _lead(self) -> bool:
        """Whether the lease is ours, after having done what there is to be done about it."""
        holder = self._follower.mirror.leader()
        if holder and holder[0] == self._machine:
            if time.monotonic() - self._renewed < self._interval * 0.9:
                return self.leads
            now = time.monotonic()
            renewal = self._registry.renew_lease(self._value, self._lease_ttl)
            leads = await self._retries.answer(renewal)
            self._renewed = now if leads else 0.0
        elif holder is None or holder[0] not in self._follower.mirror.machines():
            # A holder whose machine's key has gone is dead: to wait for its lease's end would only cost time.
            old = holder[1] if holder else None
            taking = self._registry.take_lease(self._value, old, self._lease_ttl)
            index = await self._retries.answer(taking)
            leads = index is not None
            if index is not None:
                self._renewed = time.monotonic()
                self._planned = False
                log.info("leading the cluster's engine%s", f" in place of {holder[0]}" if holder else "")
                await self._registry.ensure_version()
                await self._follower.reached(index)
        else:
            leads = False
        if leads and not self.leads:
            self._planned = False
        self.leads = leads
        return leads

    def _grace(self) -> float:
        heart = self._heart
        return grace(time.monotonic(), heart.ttl, heart.reborn, heart.returned)

    async def _reconcile(self) -> None:
        """Plan and carry out until there is nothing to do; without a change since then there is not."""
        while not self._planned:
            self._planned = True
            moves = plan(self._follower.mirror.cluster())
            if not moves:
                return
            last = 0
            for _, wave in groupby(moves, key=lambda move: move.wave):
                last = max(last, await self._carry_out(list(wave)))
            # The next plan must see what this one did.
            await self._follower.reached(last)
            self._planned = False
            if time.monotonic() - self._renewed > self._interval:
                return  # renew the lease first

    async def _carry_out(self, moves: list[Move]) -> int:
        limit = asyncio.Semaphore(_AT_ONCE)

        async def one(move: Move) -> int:
            async with limit:
                index = await self._retries.answer(self._registry.move(move.unit, move.old, move.new))
            if move.new is None:
                log.info("EngineReconciler unscheduled Unit(%s): %s", move.unit, move.reason)
            else:
                log.info("EngineReconciler scheduled Unit(%s) to Machine(%s)", move.unit, move.new)
            return index or 0

        return max(await asyncio.gather(*(one(move) for move in moves)))
