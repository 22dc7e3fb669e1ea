"""Splits an outage into what its time went to, each part beside the configured time that bounds it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lab.samples import Outage
from lab.timeline import Event, first

PHASES = ("detection", "rescheduling", "start", "registration", "reconfiguration", "first answer")


@dataclass(frozen=True)
class Bound:
    """The configured time that a phase may take, in seconds, and where it is configured."""

    seconds: float
    source: str


@dataclass(frozen=True)
class Share:
    """A phase's part of an outage, in ms; not `seen` means that nothing marked its end: it gets no time."""

    name: str
    ms: float
    bound_ms: float | None = None
    source: str = ""
    seen: bool = True

    @property
    def configured(self) -> float:
        """What of it a configured time allows for, in ms."""
        return min(self.ms, self.bound_ms or 0.0)

    @property
    def overhead(self) -> float:
        """All else, in ms."""
        return self.ms - self.configured


@dataclass(frozen=True)
class Service:
    """What a stack's events are called: the unit that serves, the keys it is found by, who follows them."""

    unit: str
    keys: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()


def split(outage: Outage, ends: Mapping[str, float | None], bounds: Mapping[str, Bound]) -> list[Share]:
    """The phases of an outage, whose times add up to it.

    `ends` says when each phase was over, None or nothing where that was not seen. An end before the phase
    before it, or outside the outage, counts as at its edge.
    """
    shares = []
    mark = outage.start
    for name in PHASES:
        end = outage.end if name == PHASES[-1] else ends.get(name)
        bound = bounds.get(name)
        until = mark if end is None else min(max(end, mark), outage.end)
        shares.append(
            Share(
                name,
                (until - mark) * 1000,
                None if bound is None else bound.seconds * 1000,
                "" if bound is None else bound.source,
                end is not None,
            )
        )
        mark = until
    return shares


def ends(
    events: Sequence[Event], at: float, service: Service, until: float = math.inf
) -> dict[str, float | None]:
    """When each phase after a fault at the moment `at` was over, as far as events tell.

    Each phase is looked for after the one before it: a proxy's word counts only once there is a new
    address to follow, and the last one before the moment `until` does.
    """
    found: dict[str, float | None] = dict.fromkeys(PHASES[:-1])

    def note(phase: str, since: float, *seen: Event | None) -> float:
        moments = [event.at for event in seen if event is not None]
        if not moments:
            return since
        found[phase] = min(moments)
        return min(moments)

    mark = note(
        "detection",
        at,
        first(events, at, "machine", what=("expired", "deleted")),
        first(events, at, "fleet", lane=service.unit, what=("unscheduled",)),
        first(events, at, "unit", lane=service.unit, what=("exited", "stopping", "stopped", "failed")),
    )
    mark = note(
        "rescheduling",
        mark,
        first(events, mark, "fleet", lane=service.unit, what=("scheduled",)),
        first(events, mark, "target", lane=service.unit, what=("set",)),
    )
    mark = note("start", mark, first(events, mark, "unit", lane=service.unit, what=("started",)))
    # A change of a key is known when a watcher hears of it: the proxies may have been told before us.
    begun = mark
    mark = note(
        "registration", mark, *(first(events, mark, "key", lane=key, what=("set",)) for key in service.keys)
    )
    told = [
        event.at
        for event in events
        if event.kind == "proxy" and event.lane in service.proxies and begun <= event.at <= until
    ]
    found["reconfiguration"] = max(told, default=None)
    return found
