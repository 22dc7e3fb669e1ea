"""Judges a measurement: against its budget, phase by phase against what is configured, and its keys' TTLs."""

from __future__ import annotations

from collections.abc import Sequence

from lab.breakdown import FIRST_ANSWER, REGISTRATION, Share, covers
from lab.timeline import Event, ordered


def over_budget(outage_ms: float, budget_ms: float, derivation: str) -> list[str]:
    """The complaint about an outage that is longer than its budget."""
    if outage_ms <= budget_ms:
        return []
    return [f"{outage_ms:.0f} ms without an answer, {budget_ms:.0f} ms allowed ({derivation})"]


def undecided(outage_ms: float, budget_ms: float, blind_ms: float) -> list[str]:
    """Why a verdict on the budget means nothing: the probe was blind for as long as it is decided by."""
    if blind_ms <= abs(budget_ms - outage_ms):
        return []
    return [
        f"the probe itself stood still for {blind_ms:.0f} ms in all, and {abs(budget_ms - outage_ms):.0f} ms "
        f"decide between within and over the budget: the host is too busy"
    ]


def over_bounds(shares: Sequence[Share], slack_ms: float) -> list[str]:
    """Phases that took longer than what is configured allows for, and `slack_ms` for the work itself.

    An outage can stay within its budget while one part of it is wrong: a scheduler that waits twice its
    TTL, a service that is registered before it serves. The first answer is bound from the registration on:
    where none was seen, it stands for all that no event tells.
    """
    registered = any(share.name == REGISTRATION and share.seen for share in shares)
    return [
        f"{share.name} took {share.ms:.0f} ms, at most {share.bound_ms:.0f} ms by {share.source}"
        for share in shares
        if share.bound_ms is not None
        and share.overhead > slack_ms
        and (registered or share.name != FIRST_ANSWER)
    ]


def untold(shares: Sequence[Share]) -> list[str]:
    """The complaint about an outage of which no event says what it went to."""
    seen = [share.name for share in shares if share.seen and share.ms > 0]
    if len(seen) > 1:
        return []
    return [f"of the longest outage only this is known: {', '.join(seen) or 'nothing, as there was none'}"]


def stale_keys(
    events: Sequence[Event], keys: Sequence[str], at: float, until: float, ttl: float, slack: float
) -> list[str]:
    """Keys that outlive their TTL: by then nobody has prolonged, changed or removed them.

    A key may stand for many (see `Service`): each of them that was seen, or any if none was. Nothing is
    said when the timeline ends (`until`) before their time is over.
    """
    due = at + ttl + slack
    if until < due:
        return []
    last = {event.lane: event.what for event in ordered(events) if event.kind == "key" and event.at <= at}
    there = [lane for lane, what in last.items() if what not in ("expired", "deleted")]
    changed = {event.lane for event in events if event.kind == "key" and at < event.at <= due}
    found = []
    for key in keys:
        seen = sorted(one for one in there if covers(key, one))
        stale = [one for one in seen if one not in changed]
        if not seen and not any(covers(key, one) for one in changed):
            stale = [key]
        found += stale
    return [f"{key} is as it was {ttl + slack:.1f} s after the fault, its TTL is {ttl:g} s" for key in found]
