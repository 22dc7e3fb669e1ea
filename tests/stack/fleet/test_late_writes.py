"""Writes that etcd carries out long after it gave no answer to them: what was wished since then stands."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import pytest

from etcdv2.aio import Client
from etcdv2.model import Unavailable
from fleet.heart import Heart
from fleet.registry import Registry
from fleet.unitfile import parse
from tests.stack.fleet.gate import gate

if TYPE_CHECKING:
    from tests.stack.fleet.conftest import Etcd

FILE = parse("[Service]\nExecStart=/bin/true\n")
OTHER = parse("[Service]\nExecStart=/bin/false\n")
LATE = 1.0  # seconds for what is not answered; what it reads first is, and has time enough in them
Wish = Callable[[Registry], Awaitable[object]]


def launch(registry: Registry) -> Awaitable[object]:
    return registry.set_desired("a.service", "launched")


def load(registry: Registry) -> Awaitable[object]:
    return registry.set_desired("a.service", "loaded")


def create(registry: Registry) -> Awaitable[object]:
    return registry.put_unit("a.service", FILE, "inactive")


def replace(registry: Registry) -> Awaitable[object]:
    return registry.put_unit("a.service", OTHER, "inactive")


def destroy(registry: Registry) -> Awaitable[object]:
    return registry.destroy("a.service")


async def carried_out(etcd: Etcd, before: list[Wish], late: Wish, since: list[Wish]) -> dict[str, str]:
    """The unit's keys after all that, where etcd had `late` only in the end."""
    async with gate(etcd.endpoint) as way:
        client, waiting = Client([way.endpoint], timeout=5), Client([way.endpoint], timeout=LATE)
        registry = Registry(client, "/late")
        for wish in before:
            await wish(registry)
        way.shut(lambda request: not request.startswith(b"GET"))
        with pytest.raises(Unavailable):
            await late(Registry(waiting, "/late"))
        way.open()
        for wish in since:
            await wish(registry)
        assert await way.deliver()
        client.close()
        waiting.close()
        return {leaf.key: leaf.value for leaf in etcd.client().get("/late/job", recursive=True).node.leaves()}


@pytest.mark.parametrize(
    ("before", "late", "since", "stands"),
    [
        ([create], load, [launch], "launched"),
        ([], create, [create, launch], "launched"),
        ([create, launch], replace, [load], "loaded"),
        ([create], destroy, [destroy, create, launch], "launched"),
    ],
    ids=["a state", "a new unit", "another content", "a destroyed unit"],
)
def test_a_late_write_undoes_nothing_newer(
    etcd: Etcd, before: list[Wish], late: Wish, since: list[Wish], stands: str
) -> None:
    keys = asyncio.run(carried_out(etcd, before, late, since))
    assert keys["/late/job/a.service/target-state"] == stands
    if late is not replace:
        numbers = json.loads(keys["/late/job/a.service/object"])["UnitHash"]
        assert bytes(numbers).hex() == FILE.hash


def test_a_destroyed_unit_leaves_nothing_though_an_agent_renews_its_claim(etcd: Etcd) -> None:
    async def both() -> None:
        client = Client([etcd.endpoint])
        registry = Registry(client, "/late")
        await create(registry)
        await registry.claim("a.service", "m", None, 30)
        renewing = asyncio.ensure_future(_renew(registry))
        assert await registry.destroy("a.service")
        await renewing
        assert await registry.destroy("a.service") is None
        client.close()

    asyncio.run(both())
    assert not list(etcd.client().get("/late/job", recursive=True).node.leaves())


def test_a_late_heartbeat_does_not_end_the_machines_key(etcd: Etcd) -> None:
    async def heartbeats() -> list[int]:
        async with gate(etcd.endpoint) as way:
            client, waiting = Client([way.endpoint], timeout=5), Client([way.endpoint], timeout=LATE)
            registry = Registry(client, "/late")
            made = await registry.create_machine("m", "{}", 60)
            way.shut()
            with pytest.raises(Unavailable):
                # etcd counts from when it came in: by now, this much is left of it.
                await Registry(waiting, "/late").renew_machine("m", made, 1)
            way.open()
            renewed = await registry.renew_machine("m", made, 60)
            assert renewed is not None
            assert renewed > made
            answers = await way.deliver()
            client.close()
            waiting.close()
            return answers

    assert asyncio.run(heartbeats()) == [412]
    assert (etcd.client().get("/late/machines/m/object").node.ttl or 0) > 50


def test_a_heartbeat_that_was_carried_out_without_an_answer_is_followed_by_the_next(etcd: Etcd) -> None:
    async def beat() -> bool:
        client = Client([etcd.endpoint])
        registry = Registry(client, "/late")
        heart = Heart(registry, "m", lambda: {"PublicIP": "10.1.0.1", "BootID": "b"}, 60, asyncio.Event(), 1)
        running = asyncio.ensure_future(heart.run())
        await asyncio.wait_for(heart.alive.wait(), 5)
        running.cancel()
        node = await registry.read_machine("m")
        assert node is not None
        await registry.renew_machine("m", node.modified, 60)  # what its own lost try would have done
        kept = await heart._renew()
        client.close()
        return kept

    assert asyncio.run(beat())


async def _renew(registry: Registry) -> None:
    for _ in range(3):
        await registry.refresh_claim("a.service", "m", 30)
