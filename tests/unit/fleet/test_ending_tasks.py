"""A task that lost its cancellation is ended all the same."""

from __future__ import annotations

import asyncio
import contextlib

from fleet.tasks import end


def test_a_task_that_missed_its_cancellation_is_cancelled_again() -> None:
    async def deaf_once() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await asyncio.Event().wait()

    async def run() -> bool:
        task = asyncio.ensure_future(deaf_once())
        await asyncio.sleep(0)
        await asyncio.wait_for(end([task]), 5)
        return task.cancelled()

    assert asyncio.run(run())


def test_one_that_has_failed_already_is_no_trouble() -> None:
    async def fails() -> None:
        raise ValueError

    async def run() -> None:
        task = asyncio.ensure_future(fails())
        await asyncio.wait([task])
        await asyncio.wait_for(end([task]), 5)
        assert isinstance(task.exception(), ValueError)
        await end([])

    asyncio.run(run())
