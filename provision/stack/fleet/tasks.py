"""Ending tasks for certain."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

_ANEW = 0.05


async def end(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel the tasks and wait until they have ended, whatever they ended with.

    Up to Python 3.11 `wait_for` loses a cancellation that comes together with what it waits for, and
    the task goes on: so it is told again until it has heard.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_ANEW)
