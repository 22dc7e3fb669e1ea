"""Trying etcd again, soon at first: what it had on hand when its leader went is never answered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from etcdv2.model import Unavailable

_T = TypeVar("_T")
_SHARES = (0.3, 0.6)  # of etcd_request_timeout, for the first tries; later ones have all of it
_PAUSES = (0.05, 0.1, 0.2, 0.5)


class Retries:
    """How patient one piece of work is with etcd: less so as long as nothing has failed."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._failures = 0

    async def answer(self, work: Awaitable[_T]) -> _T:
        """What the request answers. Raises Unavailable if that takes too long for this try."""
        if self._failures >= len(_SHARES):
            return await work
        return await within(work, _SHARES[self._failures] * self._timeout)

    def failed(self) -> float:
        """Take note of a failed try; the seconds until the next one."""
        self._failures += 1
        return _PAUSES[min(self._failures, len(_PAUSES)) - 1]

    def succeeded(self) -> None:
        self._failures = 0


async def within(work: Awaitable[_T], seconds: float) -> _T:
    """What the request answers within that time. Raises Unavailable otherwise."""
    try:
        return await asyncio.wait_for(work, seconds)
    except asyncio.TimeoutError:
        raise Unavailable(f"no answer within {seconds:g} s") from None
