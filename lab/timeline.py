"""What happened in a run, in order and on one clock: the host's monotonic one; kept as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

Kind = Literal[
    "fault",
    "heal",
    "healed",
    "boot",
    "unit",
    "fleet",
    "leader",
    "machine",
    "target",
    "key",
    "proxy",
    "outage",
]
# unit: a state of a systemd unit; fleet: what its engine and agents say; leader: etcd's elections;
# machine, target, key: changes in etcd (fleet's list, a unit's placement, all other keys)


@dataclass(frozen=True)
class Event:
    """One moment: `lane` is the machine, unit or key it belongs to, `what` a short word, `text` a line."""

    at: float
    kind: Kind
    lane: str
    what: str
    text: str = ""
    machine: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


def write(path: Path, events: Iterable[Event]) -> None:
    """One JSON object a line, in order of time."""
    path.write_text(lines(events))


def lines(events: Iterable[Event]) -> str:
    """What `write` writes."""
    return "".join(json.dumps(asdict(event)) + "\n" for event in ordered(events))


def read(path: Path) -> list[Event]:
    """The events of a file that `write` has written."""
    return [Event(**json.loads(line)) for line in path.read_text().splitlines() if line.strip()]


def ordered(events: Iterable[Event]) -> list[Event]:
    return sorted(events, key=lambda event: event.at)


def first(
    events: Sequence[Event], after: float, *kinds: Kind, lane: str = "", what: Iterable[str] = ()
) -> Event | None:
    """The first event after a moment, of these kinds, and of this lane and one of these words if given."""
    words = set(what)
    return next(
        (
            event
            for event in ordered(events)
            if event.at >= after
            and event.kind in kinds
            and (not lane or event.lane == lane)
            and (not words or event.what in words)
        ),
        None,
    )
