"""The agent: brings this machine's units to what the registry wants of them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Coroutine
from dataclasses import dataclass
from typing import Any

from etcdv2.model import EtcdError, Unavailable
from fleet.agent_plan import Assignment, assignments, may_launch
from fleet.backend import Backend, Condition, UnitError
from fleet.cluster import LAUNCHED, LOADED, Cluster, Machine
from fleet.follow import Follower
from fleet.heart import Heart
from fleet.publisher import Publisher
from fleet.registry import Registry
from fleet.retries import Retries
from fleet.unitfile import UnitFile

log = logging.getLogger("fleet.agent")
TICK = 5.0  # what failed is tried again this often
HANDOVER_GRACE = 1.0  # how long a stopping agent waits for its units before it gives them away


@dataclass
class Held:
    """A unit that is loaded here; `launched` is None when it was there before fleetd was."""

    file: UnitFile
    launched: bool | None = False


class Agent:
    """Holds this machine's units; one pass at a time, stops and unloads beside it."""

    def __init__(
        self,
        registry: Registry,
        follower: Follower,
        heart: Heart,
        publisher: Publisher,
        backend: Backend,
        me: Machine,
        ttl: float,
        retries: Retries,
        *,
        stop_when_cut_off: bool = False,
    ) -> None:
        self._registry = registry
        self._follower = follower
        self._heart = heart
        self._publisher = publisher
        self._backend = backend
        self._me = me
        self._ttl = max(1, round(ttl))
        self._patience = ttl if stop_when_cut_off else None
        self._changed = follower.subscribe("job", "unit", "machines")
        self._retries = retries
        self._held: dict[str, Held] = {}
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._given_away: set[str] = set()  # what they do from now on is nobody's business
        self._failed: dict[str, str] = {}  # unit: hash of the content that failed; until the next tick

    async def open(self) -> None:
        """Take over the units that an earlier fleetd left behind."""
        await self._backend.open(self._on_change)
        for name, file in self._backend.present().items():
            self._held[name] = Held(file, None)
            self._publisher.publish(name, await self._backend.condition(name), file.hash)

    async def run(self) -> None:
        await self._follower.loaded.wait()
        tick = time.monotonic() + TICK
        while True:
            await self._alive()
            self._changed.clear()
            pause = TICK
            try:
                await self._pass()
                self._retries.succeeded()
            except (Unavailable, EtcdError) as error:
                pause = self._retries.failed()
                log.warning("agent pass failed: %s", error)
            except UnitError as error:
                log.warning("agent pass failed: %s", error)
            with contextlib.suppress(asyncio.TimeoutError):
                pause = min(pause, max(0.05, tick - time.monotonic()))
                await asyncio.wait_for(self._changed.wait(), pause)
            if time.monotonic() >= tick:
                tick = time.monotonic() + TICK
                self._failed.clear()

    async def stop(self) -> None:
        """Unload everything. Units that take longer than the grace to stop are given away while they do."""
        for name in self._held:
            if name not in self._busy:
                self._spawn(name, self._unload(name))
        tasks = list(self._busy.values())
        if tasks:
            await asyncio.wait(tasks, timeout=HANDOVER_GRACE)
        left = list(self._held)
        self._given_away.update(left)
        for name in left:
            self._publisher.withdraw(name)
        await asyncio.gather(*(self._quietly(self._registry.release(name, self._me.id)) for name in left))

    async def finish(self, timeout: float) -> None:
        """After `stop`: wait for the slow ones, so that nothing of fleet runs when fleetd has ended."""
        if self._busy:
            await asyncio.wait(list(self._busy.values()), timeout=timeout)

    async def _alive(self) -> None:
        """Wait for the heart; after a TTL without, if so configured, stop what may run elsewhere by now."""
        if self._patience is not None and not self._heart.alive.is_set():
            try:
                await asyncio.wait_for(self._heart.alive.wait(), self._patience)
            except asyncio.TimeoutError:
                units = self._follower.mirror.cluster().units
                for name in list(self._held):
                    if name not in self._busy and not (name in units and units[name].wanted.is_global):
                        log.warning("Unit(%s) is stopped: no etcd for longer than agent_ttl", name)
                        self._spawn(name, self._unload(name))
        await self._heart.alive.wait()

    async def _pass(self) -> None:
        cluster = self._follower.mirror.cluster()
        me = cluster.machines.get(self._me.id, self._me)
        wanted = assignments(cluster, me)
        for name in [each for each in self._held if each not in self._busy]:
            if name not in wanted or self._held[name].file.hash != wanted[name].unit.file.hash:
                self._spawn(name, self._unload(name))
        free = {name: each for name, each in wanted.items() if name not in self._busy}
        await self._load([each for name, each in free.items() if name not in self._held])
        launches = []
        for name, each in free.items():
            held = self._held.get(name)
            if held is None or self._failed.get(name) == held.file.hash:
                continue
            if held.launched is None and each.unit.launcher == self._me.id:
                held.launched = (
                    True  # an earlier fleetd launched it: once is enough, also if it has ended since
                )
                self._publisher.claimed(name)
            if each.desired == LAUNCHED and self._must_launch(each, held):
                launches.append(self._launch(each, held, cluster))
            elif each.desired == LOADED and held.launched is not False:
                self._spawn(name, self._stop(name, held))
        for outcome in await asyncio.gather(*launches, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    def _must_launch(self, each: Assignment, held: Held) -> bool:
        """Not launched yet, or launched and the claim lost (it expired while etcd was away)."""
        return not held.launched or (not each.unit.wanted.is_global and each.unit.launcher != self._me.id)

    async def _load(self, new: list[Assignment]) -> None:
        new = [each for each in new if self._failed.get(each.unit.name) != each.unit.file.hash]
        if not new:
            return

        async def one(each: Assignment) -> str | None:
            name, file = each.unit.name, each.unit.file
            try:
                await self._backend.load(name, file)
            except UnitError as error:
                log.error("Failed to load Unit(%s): %s", name, error)
                self._failed[name] = file.hash
                self._publisher.publish(name, Condition("error", "inactive", "dead"), file.hash)
                return None
            self._held[name] = Held(file)
            log.info("AgentReconciler loaded Unit(%s)", name)
            return name

        loaded = [name for name in await asyncio.gather(*(one(each) for each in new)) if name]
        await self._backend.reload()
        for name in loaded:
            self._publisher.publish(name, await self._backend.condition(name), self._held[name].file.hash)

    async def _launch(self, each: Assignment, held: Held, cluster: Cluster) -> None:
        unit = each.unit
        if not unit.wanted.is_global and unit.launcher != self._me.id:
            if not may_launch(unit, cluster, self._me.id):
                log.info("Unit(%s) waits for Machine(%s) to have stopped it", unit.name, unit.launcher)
                return  # its release wakes the next pass
            claiming = self._registry.claim(unit.name, self._me.id, unit.launcher, self._ttl)
            index = await self._retries.answer(claiming)
            if index is None:
                return  # what was quicker than this will be seen in the next pass
            await self._follower.reached(index)
        if not unit.wanted.is_global:
            self._publisher.claimed(unit.name)
        if held.launched:
            return
        try:
            await self._backend.start(unit.name)
        except UnitError as error:
            log.error("Failed to start Unit(%s): %s", unit.name, error)
            self._failed[unit.name] = held.file.hash
            # systemd itself has no state for a unit that it will not even try.
            load = (await self._backend.condition(unit.name)).load
            self._publisher.publish(unit.name, Condition(load, "failed", "failed"), held.file.hash)
            return
        held.launched = True
        log.info("AgentReconciler started Unit(%s)", unit.name)

    async def _stop(self, name: str, held: Held) -> None:
        await self._backend.stop(name)
        held.launched = False
        log.info("AgentReconciler stopped Unit(%s)", name)
        await self._release(name)

    async def _unload(self, name: str) -> None:
        try:
            await self._backend.stop(name)
        except UnitError as error:
            log.error("Failed to stop Unit(%s): %s", name, error)
            await asyncio.sleep(1.0)
            return
        await self._backend.unload(name)
        self._held.pop(name, None)
        self._publisher.withdraw(name)
        log.info("AgentReconciler unloaded Unit(%s)", name)
        await self._release(name)

    async def _release(self, name: str) -> None:
        self._publisher.released(name)
        await self._quietly(self._registry.release(name, self._me.id))

    async def _quietly(self, work: Awaitable[None]) -> None:
        """Giving up a claim may fail: another has taken it, or it will expire."""
        try:
            await work
        except (Unavailable, EtcdError) as error:
            log.debug("release: %s", error)

    def _on_change(self, name: str, condition: Condition) -> None:
        held = self._held.get(name)
        refused = (
            name in self._failed and condition.active == "inactive"
        )  # stays "failed" until a try succeeds
        if held and not refused and name not in self._given_away:
            self._publisher.publish(name, condition, held.file.hash)

    def _spawn(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        async def run() -> None:
            try:
                await work
            except UnitError as error:
                log.error("Unit(%s): %s", name, error)
                self._failed[name] = self._held[name].file.hash if name in self._held else ""
            finally:
                del self._busy[name]
                self._changed.set()

        self._busy[name] = asyncio.get_running_loop().create_task(run())
