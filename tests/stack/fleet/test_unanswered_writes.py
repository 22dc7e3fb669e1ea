"""Writes that etcd never answers, as it loses them with its leader: soon made again, and no key is lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from etcdv2.aio import Client
from etcdv2.model import KeyNotFound
from fleet.backend import Condition
from fleet.heart import Heart
from fleet.publisher import Publisher
from fleet.registry import Registry
from fleet.tasks import end
from tests.stack.fleet.gate import Gate, gate

if TYPE_CHECKING:
    from tests.stack.fleet.conftest import Etcd

PREFIX = "/unanswered"
KEY = f"{PREFIX}/machines/me/object"
TTL = 3.0
LONGER_TTL = 8.0  # where the key must be kept: leaves a host that stands still more than two seconds for it
ELECTION = 1.2  # seconds without a leader, from just before a heartbeat
CLAIM = f"{PREFIX}/job/a.service/job-state"
PATIENCE = 10.0  # seconds, of which a first try has three
PROMPT = 10.0  # seconds for a state to be written although its first write was lost
NEVER = 30.0  # seconds until a write that is not tried again ends without an answer


async def until(check: Callable[[], bool], within: float) -> float:
    """The seconds that it took until `check` held."""
    started = time.monotonic()
    while not check():
        assert time.monotonic() < started + within
        await asyncio.sleep(0.02)
    return time.monotonic() - started


def lose(etcd: Etcd, key: str) -> None:
    """Remove the key, unless its time was over just now."""
    with suppress(KeyNotFound):
        etcd.client().delete(key)


@asynccontextmanager
async def beating(etcd: Etcd, ttl: float = TTL, timeout: float = 1.0) -> AsyncIterator[tuple[Heart, Gate]]:
    """A heart that has registered by way of a gate."""
    async with gate(etcd.endpoint) as way:
        client = Client([way.endpoint], timeout=timeout)
        describe = lambda: {"ID": "me", "PublicIP": "10.1.0.1", "BootID": "b"}  # noqa: E731
        heart = Heart(Registry(client, PREFIX), "me", describe, ttl, asyncio.Event(), 1.0)
        running = asyncio.ensure_future(heart.run())
        try:
            await until(heart.alive.is_set, 5)
            yield heart, way
        finally:
            await end([running])
            client.close()


def test_a_machine_outlives_an_election_of_etcd_though_its_heartbeat_was_lost(etcd: Etcd) -> None:
    async def lose_a_heartbeat() -> None:
        # The client alone would wait until the key's end for an answer to the heartbeat that was lost.
        async with beating(etcd, LONGER_TTL, LONGER_TTL) as (heart, way):
            heart.pulse.clear()
            way.shut()
            await until(lambda: way.lost > 0, LONGER_TTL)
            await asyncio.sleep(ELECTION)
            way.open()
            before = etcd.client().get(KEY).node.modified
            await until(lambda: etcd.client().get(KEY).node.modified != before, LONGER_TTL)
            assert not heart.pulse.is_set()
            assert heart.reborn is None

    asyncio.run(lose_a_heartbeat())


def test_a_key_that_was_kept_is_no_rebirth(etcd: Etcd) -> None:
    async def lose_the_heart_but_not_the_key() -> None:
        async with beating(etcd) as (heart, way):
            way.shut()
            started = time.monotonic()
            while heart.alive.is_set():
                assert time.monotonic() < started + 2 * TTL
                etcd.client().refresh(KEY, 60)
                await asyncio.sleep(0.05)
            assert heart.returned is None
            way.open()
            await until(heart.alive.is_set, 3)
            assert heart.reborn is None
            assert heart.returned is not None, "the others' keys may have gone: their machines get a moment"

    asyncio.run(lose_the_heart_but_not_the_key())


def test_a_key_that_had_expired_is_a_rebirth(etcd: Etcd) -> None:
    async def lose_both() -> None:
        async with beating(etcd) as (heart, way):
            way.shut()
            await until(lambda: not heart.alive.is_set(), 2 * TTL)
            lose(etcd, KEY)
            way.open()
            await until(heart.alive.is_set, 3)
            assert heart.reborn is not None

    asyncio.run(lose_both())


def test_a_key_that_ones_own_unanswered_write_made_anew_is_a_rebirth(etcd: Etcd) -> None:
    async def lose_it_and_find_it() -> None:
        async with beating(etcd) as (heart, way):
            value = etcd.client().get(KEY).node.value
            way.shut()
            await until(lambda: not heart.alive.is_set(), 2 * TTL)
            lose(etcd, KEY)
            etcd.client().create(KEY, value, 60)  # as etcd does with a try that it held until it had a leader
            way.open()
            await until(heart.alive.is_set, 3)
            assert heart.reborn is not None

    asyncio.run(lose_it_and_find_it())


def test_a_state_whose_first_write_was_lost_is_written_promptly(etcd: Etcd) -> None:
    async def publish() -> float:
        async with gate(etcd.endpoint) as way:
            client = Client([way.endpoint], timeout=NEVER)
            publisher = Publisher(Registry(client, PREFIX), "me", 60.0, PATIENCE)
            running = asyncio.ensure_future(publisher.run())
            way.shut(lambda request: way.lost == 0 and b"/states/" in request)
            started = time.monotonic()
            publisher.publish("a.service", Condition("loaded", "active", "running"), "0" * 40)
            await publisher.flush(2 * NEVER)
            took = time.monotonic() - started
            await end([running])
            client.close()
            assert way.lost == 1
            return took

    assert asyncio.run(publish()) < PROMPT
    assert '"active"' in etcd.client().get(f"{PREFIX}/states/a.service/me").node.value


def test_a_claim_outlives_a_renewal_that_was_lost(etcd: Etcd) -> None:
    async def renew() -> None:
        async with gate(etcd.endpoint) as way:
            client = Client([way.endpoint])
            registry = Registry(client, PREFIX)
            publisher = Publisher(registry, "me", LONGER_TTL, 1.0)
            running = asyncio.ensure_future(publisher.run())
            publisher.publish("a.service", Condition("loaded", "active", "running"), "0" * 40)
            await publisher.flush(5)
            assert await registry.claim("a.service", "me", None, round(LONGER_TTL)) is not None
            publisher.claimed("a.service")
            way.shut(lambda request: way.lost == 0 and b"/job-state" in request)
            ends = time.monotonic() + 1.5 * LONGER_TTL
            while time.monotonic() < ends:
                assert etcd.client().get(CLAIM).node.value == "me"
                await asyncio.sleep(0.05)
            await end([running])
            client.close()
            assert way.lost == 1

    asyncio.run(renew())
