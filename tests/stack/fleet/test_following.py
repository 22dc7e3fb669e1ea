"""The watch on etcd is resumed where it stopped, and begun anew when etcd has forgotten what followed."""

from __future__ import annotations

import asyncio
import re
import urllib.request
from collections.abc import Callable
from typing import TYPE_CHECKING

from etcdv2.aio import Client
from fleet.follow import Follower
from fleet.mirror import Mirror

if TYPE_CHECKING:
    from tests.stack.fleet.conftest import Etcd

PREFIX = "/following"
HISTORY = 1000  # events that etcd keeps
WHILE_STALLED = 400  # events of 64 KiB: more than the sockets hold, and a hundred that etcd holds itself


async def follow(etcd: Etcd, while_away: int) -> tuple[dict[str, str], bool]:
    """Follow, be cut off while keys are written, and follow again: what the mirror has in the end."""
    client = Client([etcd.endpoint], timeout=5)
    mirror = Mirror(PREFIX)
    follower = Follower(client, mirror)
    first = asyncio.ensure_future(follower.run())
    await follower.loaded.wait()
    index = (await client.put(PREFIX + "/job/a", "1")).node.modified
    await follower.reached(index)
    first.cancel()
    for each in range(while_away):
        index = (await client.put(PREFIX + "/job/a", str(each))).node.modified
    second = asyncio.ensure_future(follower.run())
    reached = await follower.reached(index, 10)
    live = (await client.put(PREFIX + "/job/b", "live")).node.modified
    reached = await follower.reached(live, 10) and reached
    second.cancel()
    await client.delete(PREFIX, recursive=True)
    client.close()
    return mirror.keys, reached


def test_a_gap_within_etcds_history_and_one_beyond_it_both_end_in_the_truth(etcd: Etcd) -> None:
    for missed in (3, HISTORY + 50):
        keys, reached = asyncio.run(follow(etcd, missed))
        assert reached
        assert keys == {PREFIX + "/job/a": str(missed - 1), PREFIX + "/job/b": "live"}


def watchers(etcd: Etcd) -> int:
    """How many watches etcd itself knows of."""
    with urllib.request.urlopen(etcd.endpoint + "/metrics", timeout=5) as answer:
        metrics = answer.read().decode()
    found = re.search(r"^etcd_debugging_store_watchers (\d+)$", metrics, re.MULTILINE)
    assert found
    return int(found[1])


async def until(check: Callable[[], bool]) -> None:
    deadline = asyncio.get_running_loop().time() + 5
    while not check():
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.02)


def test_a_watch_that_etcd_gave_up_for_its_slow_reader_is_made_again(etcd: Etcd) -> None:
    """A busy machine reads late; etcd then drops the watch, but leaves its stream open and silent."""
    value = "x" * 64 * 1024  # so that the sockets' buffers are soon full

    async def stall() -> tuple[dict[str, str], bool]:
        client = Client([etcd.endpoint], timeout=5)
        follower = Follower(client, Mirror(PREFIX))
        following = asyncio.ensure_future(follower.run())
        await until(lambda: watchers(etcd) == 1)
        writer = etcd.client()
        for _ in range(WHILE_STALLED):  # the blocking client: nothing is read meanwhile
            writer.set(PREFIX + "/job/a", value)
        await until(lambda: watchers(etcd) == 0)
        index = (await client.put(PREFIX + "/job/a", "last")).node.modified
        reached = await follower.reached(index, 5)
        following.cancel()
        await client.delete(PREFIX, recursive=True)
        client.close()
        return follower.mirror.keys, reached

    keys, reached = asyncio.run(stall())
    assert reached
    assert keys == {PREFIX + "/job/a": "last"}


def test_watching_again_at_an_index_gives_each_event_once_and_in_order(etcd: Etcd) -> None:
    async def watch() -> list[str]:
        client = Client([etcd.endpoint], timeout=5)
        start = (await client.put(PREFIX + "/job/x", "start")).node.modified
        for each in range(5):
            await client.put(PREFIX + "/job/x", str(each))
        seen: list[str] = []
        after = start
        for take in (2, 1, 2):
            async for event in client.watch(PREFIX, after):
                seen.append(event.node.value)
                after = event.node.modified
                take -= 1
                if not take:
                    break
        await client.delete(PREFIX, recursive=True)
        client.close()
        return seen

    assert asyncio.run(watch()) == list("01234")
