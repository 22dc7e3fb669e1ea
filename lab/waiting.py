"""The one way to wait: a deadline, and a poll that checks first and says what it saw last."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import TypeVar

from lab.errors import MachineError

T = TypeVar("T")
POLL = 0.1  # seconds between two looks: short against anything a person notices


def seconds(duration: float | str) -> float:
    """Seconds of a number or of a duration such as "300ms", "30s", "2m" or "1m30s"; ValueError otherwise."""
    if not isinstance(duration, str):
        return float(duration)
    units = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h)", duration.strip())
    if not parts or "".join(number + unit for number, unit in parts) != duration.strip():
        raise ValueError(f"{duration!r} is not a duration such as 300ms, 30s or 1m30s")
    return sum(float(number) * units[unit] for number, unit in parts)


class Deadline:
    """A moment on the monotonic clock by which something must have happened."""

    def __init__(self, within: float | str) -> None:
        self.within = seconds(within)
        self._end = time.monotonic() + self.within

    def left(self) -> float:
        """Seconds until the deadline, never below zero."""
        return max(0.0, self._end - time.monotonic())

    def expired(self) -> bool:
        return self.left() == 0.0


def eventually(
    check: Callable[[], T | None],
    within: float | str,
    what: str = "",
    every: float = POLL,
    ignoring: tuple[type[Exception], ...] = (),
) -> T:
    """Call `check` until it gives something true, and return that.

    `within` is seconds or a duration ("60s"). Exceptions in `ignoring` count as "not yet". Raises
    MachineError that names `what` (by default the function) and what was seen last.
    """
    __tracebackhide__ = True
    deadline = Deadline(within)
    name = what or getattr(check, "__name__", "the condition")
    while True:
        try:
            result = check()
            if result:
                return result
            seen = repr(result)
        except ignoring as problem:
            seen = f"{type(problem).__name__}: {problem}"
        if deadline.expired():
            raise MachineError(f"{name}: not within {deadline.within:g} s; seen last: {seen}")
        time.sleep(min(every, deadline.left()))
