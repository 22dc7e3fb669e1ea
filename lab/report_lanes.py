"""Turns a measurement's events into lanes: what each machine, unit and key was doing, and when."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from lab.measurement import Measurement
from lab.samples import Sample
from lab.timeline import Event

GROUPS = ("machines", "units", "keys")
UP = {"running", "started"}
DOWN = {"stopped", "exited", "failed"}
NOTED = {  # what is a mark on a machine's lane, by kind and word
    ("boot", "boot"): "boots",
    ("leader", "elected"): "leads etcd",
    ("fleet", "leads"): "leads fleet's engine",
    ("machine", "expired"): "gone from fleet's list",
    ("machine", "deleted"): "leaves fleet's list",
    ("fleet", "registered"): "in fleet's list",
}


@dataclass(frozen=True)
class Bar:
    """A stretch of a lane; `style` says what it means, `text` is what a reader who points at it sees."""

    start: float
    end: float
    style: str
    text: str


@dataclass(frozen=True)
class Mark:
    """A moment of a lane."""

    at: float
    style: str
    text: str


@dataclass
class Lane:
    group: str
    name: str
    bars: list[Bar] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)


def lanes(measured: Measurement) -> list[Lane]:
    """Machines, then units, then keys; those of which nothing is known are left out."""
    events = [event for event in measured.events if event.at <= measured.end]
    return [*_machines(measured, events), *_units(measured, events), *_keys(measured, events)]


def machines_of(events: Iterable[Event]) -> list[str]:
    """The machines that events tell of, by name: the order of their colours."""
    return sorted({event.machine for event in events if event.machine and "," not in event.machine})


def _machines(measured: Measurement, events: Sequence[Event]) -> list[Lane]:
    names = machines_of(events)
    hit = measured.target.partition(":")[0].split(",")
    found = []
    for name in names:
        lane = Lane("machines", name)
        if name in hit:
            healed = next((e.at for e in events if e.kind == "healed" and e.at > measured.at), measured.end)
            lane.bars.append(Bar(measured.at, healed, "fault", f"{measured.fault} of {measured.target}"))
        for event in events:
            noted = NOTED.get((event.kind, event.what))
            if (
                noted is None
                or event.machine != name
                or (event.kind == "leader" and not event.data.get("self"))
            ):
                continue
            style = "leader" if event.kind == "leader" else "gone" if event.kind == "machine" else "note"
            lane.marks.append(Mark(event.at, style, f"{name} {noted}"))
        found.append(lane)
    return found


def _units(measured: Measurement, events: Sequence[Event]) -> list[Lane]:
    """A unit's bar is in the colour of its machine, and so is a container's, whose lane is MACHINE:NAME."""
    machines = sorted({event.machine for event in events if event.machine and "," not in event.machine})
    placed = {
        event.lane
        for event in events
        if event.kind in ("unit", "target", "fleet") and ("." in event.lane or ":" in event.lane)
    }
    ordinary = {event.lane for event in events if event.what == "running"} | {
        event.lane for event in events if event.kind == "target"
    }
    found = []
    for name in sorted(placed & (ordinary or placed)):
        lane = Lane("units", name)
        running: dict[str, float] = {}
        for event in events:
            if event.lane != name:
                continue
            if event.kind == "fleet" and event.what in ("scheduled", "unscheduled"):
                lane.marks.append(Mark(event.at, "note", event.text))
            if event.kind != "unit":
                continue
            if event.what in UP:
                since = running.setdefault(event.machine, event.at)
                lost = _lost(event.machine, since, [one for one in events if one.at <= event.at], measured)
                if lost < event.at:  # it went with its machine, and is back on it
                    lane.bars.append(_ran(name, event.machine, machines, since, lost))
                    running[event.machine] = event.at
            elif event.what in DOWN and event.machine in running:
                lane.bars.append(_ran(name, event.machine, machines, running.pop(event.machine), event.at))
                if event.what != "stopped":
                    lane.marks.append(Mark(event.at, "bad", event.text))
        for machine, since in running.items():
            until = _lost(machine, since, events, measured)
            lane.bars.append(_ran(name, machine, machines, since, until))
        found.append(lane)
    return found


def _ran(unit: str, machine: str, machines: Sequence[str], start: float, end: float) -> Bar:
    number = machines.index(machine) % 6 if machine in machines else 0
    return Bar(start, end, f"on{number}", f"{unit} runs on {machine}")


def _lost(machine: str, since: float, events: Sequence[Event], measured: Measurement) -> float:
    """When a machine took its units along without a word: at the fault, if it has booted after it."""
    hit = machine in measured.target.partition(":")[0].split(",")
    booted = any(event.kind == "boot" and event.machine == machine and event.at > since for event in events)
    return measured.at if hit and booted and since < measured.at else measured.end


def _keys(measured: Measurement, events: Sequence[Event]) -> list[Lane]:
    names = sorted({event.lane for event in events if event.kind == "key"})
    found = []
    for name in names:
        lane = Lane("keys", name)
        own = [event for event in events if event.kind == "key" and event.lane == name]
        since: float | None = measured.start if own[0].what != "set" else None
        value = str(own[0].data.get("value", ""))
        for event in own:
            if event.what == "refreshed":
                lane.marks.append(Mark(event.at, "tick", f"{name} is prolonged"))
            if event.what in ("expired", "deleted"):
                if since is not None:
                    lane.bars.append(Bar(since, event.at, "key", f"{name} = {value}"))
                lane.marks.append(Mark(event.at, "bad", f"{name} is {event.what}"))
                since = None
            elif event.what == "set":
                if since is not None:
                    lane.bars.append(Bar(since, event.at, "key", f"{name} = {value}"))
                lane.marks.append(Mark(event.at, "note", f"{name} = {event.data.get('value')}"))
                since = event.at
            value = str(event.data.get("value") or value)
        if since is not None:
            lane.bars.append(Bar(since, measured.end, "key", f"{name} = {value}"))
        found.append(lane)
    return found


@dataclass(frozen=True)
class Cell:
    """A slice of time on the probe's strip: how many requests began in it, failed, and took at most (ms)."""

    start: float
    end: float
    asked: int
    failed: int
    worst: float
    kinds: str


def strip(samples: Sequence[Sample], start: float, end: float, count: int) -> list[Cell]:
    """The samples in `count` equal slices from `start` to `end`; those without a request are left out."""
    width = (end - start) / count
    slices: dict[int, list[Sample]] = {}
    for sample in samples:
        if start <= sample.start < end:
            slices.setdefault(min(count - 1, int((sample.start - start) / width)), []).append(sample)
    return [
        Cell(
            start + place * width,
            start + (place + 1) * width,
            len(inside),
            sum(not sample.ok for sample in inside),
            max(sample.duration * 1000 for sample in inside),
            ", ".join(sorted({sample.kind for sample in inside if not sample.ok})),
        )
        for place, inside in sorted(slices.items())
    ]
