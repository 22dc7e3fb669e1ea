"""Splits an outage into what its time went to, each part beside the configured time that bounds it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lab.samples import Outage
from lab.timeline import Event, first

HEARD = 0.2  # seconds by which we may hear of a key's change later than those who act on it
REGISTRATION, FIRST_ANSWER = "registration", "first answer"
PHASES = ("detection", "rescheduling", "start", REGISTRATION, "reconfiguration", FIRST_ANSWER)


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
    """What a stack's events are called: the unit that serves, the keys it is found by, who follows them.

    A container that no unit of systemd runs, or a service of runit, is MACHINE:NAME. A key that ends with /
    or : stands for all that begin with it. `written` says what a change of a key is called that tells of a
    service that has just begun: who always writes the same value refreshes it.
    """

    unit: str
    keys: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()
    written: tuple[str, ...] = ("set",)

    def found_by(self, key: str) -> bool:
        """Whether it is this service's key."""
        return any(covers(own, key) for own in self.keys)


def covers(own: str, key: str) -> bool:
    """Whether a service's key, as it was given, means this one."""
    return key.startswith(own) if own.endswith(("/", ":")) else key == own


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
    address to follow, and the last one does. What happens after the moment `until`, at which clients were
    served again, explains nothing. Where nobody is told that a service has gone, its key's end is what
    tells it, or else its machine's boot.
    """
    found: dict[str, float | None] = dict.fromkeys(PHASES[:-1])
    inside = [event for event in events if event.at <= until]
    keys = [
        event
        for event in events
        if event.kind == "key" and service.found_by(event.lane) and event.at <= until + HEARD
    ]

    def note(phase: str, since: float, *seen: Event | None) -> float:
        moments = [event.at for event in seen if event is not None]
        if not moments:
            return since
        found[phase] = min(moments)
        return min(moments)

    told = (
        first(inside, at, "machine", what=("expired", "deleted")),
        first(inside, at, "fleet", lane=service.unit, what=("unscheduled",)),
        first(inside, at, "unit", lane=service.unit, what=("exited", "stopping", "stopped", "failed")),
    )
    gone = first(keys, at, "key", what=("expired", "deleted"))
    boot = first(inside, at, "boot")
    mark = note("detection", at, *(told if any(told) else (gone or boot,)))
    mark = note(
        "rescheduling",
        mark,
        first(inside, mark, "fleet", lane=service.unit, what=("scheduled",)),
        first(inside, mark, "target", lane=service.unit, what=("set",)),
    )
    mark = note("start", mark, first(inside, mark, "unit", lane=service.unit, what=("started",)))
    # A change of a key is known when a watcher hears of it: the proxies may have been told before us.
    begun = mark
    note(REGISTRATION, mark, first(keys, mark, "key", what=service.written))
    followed = [event.at for event in inside if event.kind == "proxy" and event.lane in service.proxies]
    found["reconfiguration"] = max((moment for moment in followed if moment >= begun), default=None)
    return found
