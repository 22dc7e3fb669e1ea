"""Checks whether what clients of a register saw could have happened one operation after another.

A small checker of our own, because the well-kept ones are Go's and Clojure's: it is the search of Wing and
Gong with Lowe's memory of places already seen, for one register with write, read and compare-and-swap. A
history over several keys is linearizable when that of each key is, so keys are checked one by one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Act = Literal["write", "read", "swap"]
Outcome = Literal["ok", "failed", "unknown"]
MOST = 2_000_000  # places looked at before the search gives up


@dataclass(frozen=True)
class Operation:
    """What a client asked of a key, from `start` to `end`, and what it was told.

    A read has `value` as its answer (None: no such key). A write has written `value`. A swap wanted to turn
    `expected` into `value`. "failed" is sure not to have had an effect; a swap that was refused because the
    key held something else is no failure but a read of that. "unknown" may have had one, at any time since.
    """

    client: str
    key: str
    act: Act
    value: str | None
    start: float
    end: float
    outcome: Outcome = "ok"
    expected: str | None = None


class GaveUp(Exception):
    """The search would take too long: nothing is known."""


def violations(history: Iterable[Operation], initial: str | None = None) -> list[str]:
    """The keys whose history is not linearizable, in words; nothing if all is well. Raises GaveUp."""
    keys: dict[str, list[Operation]] = {}
    for operation in history:
        keys.setdefault(operation.key, []).append(operation)
    found = []
    for key, operations in sorted(keys.items()):
        stuck = stuck_at(operations, initial)
        if stuck is not None:
            found.append(f"{key}: no order explains {_words(stuck)}")
    return found


def stuck_at(history: Sequence[Operation], initial: str | None = None) -> Operation | None:
    """None if one key's history is linearizable, else the operation at which the longest order ends."""
    operations = sorted(_counted(history), key=lambda operation: operation.start)
    count = len(operations)
    ends = [math.inf if one.outcome == "unknown" else one.end for one in operations]
    # those of unknown outcome may be in the order, at any time since, and may be left out of it
    needed = sum(1 << place for place in range(count) if operations[place].outcome == "ok")
    stack: list[tuple[int, str | None]] = [(0, initial)]
    seen = {(0, initial)}
    furthest, where = -1, None
    while stack:
        done, value = stack.pop()
        if done & needed == needed:
            return None
        first_end = min(ends[place] for place in range(count) if not done >> place & 1)
        progress = done.bit_count()
        if progress > furthest:
            furthest = progress
            where = min(
                (place for place in range(count) if not done >> place & 1), key=lambda place: ends[place]
            )
        for place in range(count):
            if done >> place & 1:
                continue
            operation = operations[place]
            if operation.start > first_end:
                break  # it began after another had ended: not before that one
            applied, after = _apply(operation, value)
            if applied and (following := (done | 1 << place, after)) not in seen:
                seen.add(following)
                stack.append(following)
        if len(seen) > MOST:
            raise GaveUp(f"{MOST} places, {count} operations")
    return None if where is None else operations[where]


def lost_writes(history: Iterable[Operation], present: Iterable[str]) -> list[str]:
    """Keys that were written once each, and acknowledged, and are not among those `present` at the end."""
    there = set(present)
    return [
        f"{operation.key}, acknowledged to {operation.client}, is gone"
        for operation in history
        if operation.act == "write" and operation.outcome == "ok" and operation.key not in there
    ]


def counted(history: Iterable[Operation], final: int) -> str:
    """What is wrong with a counter's last value, "" if nothing: unknown increments may count or not."""
    swaps = [operation for operation in history if operation.act == "swap"]
    sure = sum(operation.outcome == "ok" for operation in swaps)
    most = sure + sum(operation.outcome == "unknown" for operation in swaps)
    if sure <= final <= most:
        return ""
    return f"the counter is {final} after {sure} acknowledged increments and {most - sure} of unknown outcome"


def _counted(history: Sequence[Operation]) -> list[Operation]:
    """Those that say something: an unknown write whose value nobody has seen may as well not have been."""
    told = [operation for operation in history if operation.outcome != "failed"]
    observed = {operation.value for operation in told if operation.act == "read"}
    observed |= {operation.expected for operation in told if operation.act == "swap"}
    return [
        operation
        for operation in history
        if operation.outcome == "ok"
        or (operation.outcome == "unknown" and operation.act != "read" and operation.value in observed)
    ]


def _apply(operation: Operation, value: str | None) -> tuple[bool, str | None]:
    """Whether the operation fits a register that holds `value`, and what it holds then."""
    if operation.act == "read":
        return operation.value == value, value
    if operation.act == "swap":
        return operation.expected == value, operation.value
    return True, operation.value


def _words(operation: Operation) -> str:
    told = {"read": "reading", "write": "writing", "swap": f"swapping {operation.expected!r} for"}[
        operation.act
    ]
    return f"{operation.client} {told} {operation.value!r} from {operation.start:.3f} to {operation.end:.3f}"
