"""Records the timeline of a block: keys as they change, journals, logs and faults when it is over."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import TracebackType

from lab import clocks, timeline_journal, timeline_logs
from lab.errors import MachineError
from lab.faults import kinds, ledger
from lab.faults.clock import ClockStep, ahead
from lab.faults.pause import Pause
from lab.running import Lab
from lab.samples import Outage
from lab.timeline import Event, Kind, ordered
from lab.timeline_keys import Keys

READ_WITHIN = 60.0
# A machine's clock may be behind: rather a second too much, which `events` leaves out again.
EARLIER = 1.0
SAID = ("unit", "fleet", "leader", "proxy")  # what events a machine's own journal and logs tell of


class Recorder:
    """`with Recorder(lab) as recorder:`, then `recorder.events()`; `missing` says what could not be read."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.start = time.monotonic()
        self.missing: list[str] = []
        self._since = time.time()
        self._keys = Keys(lab)
        self._before: list[Event] = []
        self._offsets: dict[str, list[clocks.Offset]] = {}
        self._known: dict[str, str] = {}

    def __enter__(self) -> Recorder:
        for name, offset in clocks.measure_all(self.lab).items():
            self._offsets[name] = [offset]
            self._known[name] = offset.boot
        self.start = time.monotonic()
        self._since = time.time()
        self._before = self._placed()
        self._keys.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._keys.__exit__(kind, value, trace)

    def clock_error(self) -> float:
        """Seconds by which an event of a machine may be off."""
        return max((one.error for offsets in self._offsets.values() for one in offsets), default=0.0)

    def events(self, outages: Iterable[Outage] = ()) -> list[Event]:
        """All that is known so far, in order; journals and logs are read now."""
        found = [*self._before, *map(self._named, self._keys.events())]
        found += [outage_event(outage) for outage in outages]
        names = list(self.lab.specs)
        moments = ledger.moments(self.lab, self.start)
        found += fault_events(moments)
        with ThreadPoolExecutor(len(names)) as pool:
            for events in pool.map(lambda name: self._machine(name, moments), names):
                found += events
        return ordered(event for event in without_power(found) if event.at >= self.start)

    def _placed(self) -> list[Event]:
        """Where units run at the beginning; nothing if nobody can be asked."""
        if not self.lab.topology.fleet.enabled:
            return []
        try:
            units = self.lab.fleet.units().values()
            return [
                Event(self.start, "unit", unit.name, "running", "", self.lab.node_at(unit.machine).name)
                for unit in units
                if unit.running
            ]
        except MachineError as problem:
            self.missing.append(f"where units ran at first: {_short(problem)}")
            return []

    def _named(self, event: Event) -> Event:
        """fleet's own names of machines as the lab's."""
        names = {spec.env["LAB_MACHINE_ID"]: name for name, spec in self.lab.specs.items()}
        if event.kind == "machine":
            name = names.get(event.lane, event.lane)
            return replace(event, lane=name, machine=name, text=f"fleet's key of {name} {event.what}")
        if event.kind == "target":
            name = names.get(str(event.data["value"]), "")
            return replace(event, machine=name, text=f"{event.lane} is to run on {name or 'no machine'}")
        return event

    def _machine(self, name: str, moments: Sequence[ledger.Moment]) -> list[Event]:
        try:
            offset = clocks.measure(self.lab, name)
        except MachineError as problem:
            self.missing.append(f"journal and logs of {name}: {_short(problem)}")
            return []
        known = self._offsets.setdefault(name, [])
        known.append(offset)
        earlier = next((one for one in reversed(known) if one.boot != offset.boot), None)
        hit = [moment for moment in moments if name in moment.machines]
        steps = steps_of(hit)
        since = self._since - EARLIER + min([0.0, *(step.seconds for step in steps)])
        logs = [
            replace(event, at=clocks.unstepped(event.at, steps))
            for event in self._logs(name, since, offset, earlier)
        ]
        pauses = [moment.at for moment in hit if (moment.kind, moment.event) == (Pause.name, "inject")]
        return self._journal(name, since, pauses) + logs

    def _journal(self, name: str, since: float, pauses: Sequence[float]) -> list[Event]:
        said = self._ask(name, "journal", timeline_journal.COMMAND.format(since=since))
        boots: dict[str, list[clocks.Offset]] = {}
        for offset in self._offsets[name]:
            boots.setdefault(offset.boot, []).append(offset)
        to_host = {
            boot: functools.partial(clocks.placed, offsets=offsets, pauses=pauses)
            for boot, offsets in boots.items()
        }
        known = [self._known[name]] if name in self._known else []
        return timeline_journal.read(said, name, to_host, known)

    def _logs(
        self, name: str, since: float, offset: clocks.Offset, earlier: clocks.Offset | None
    ) -> list[Event]:
        said = self._ask(name, "logs", timeline_logs.command(since))
        return timeline_logs.read(said, name, offset.seconds, earlier.seconds if earlier else None)

    def _ask(self, name: str, what: str, command: str) -> list[str]:
        try:
            return self.lab[name].run(command, sudo=True, timeout=READ_WITHIN).stdout.splitlines()
        except MachineError as problem:
            self.missing.append(f"{what} of {name}: {_short(problem)}")
            return []


def _short(problem: MachineError) -> str:
    return str(problem).splitlines()[0]


def steps_of(moments: Sequence[ledger.Moment]) -> list[clocks.Step]:
    """The steps of a machine's clock that have been healed, from its moments."""
    healed = {moment.mark: moment.at for moment in moments if moment.event == "healed"}
    return [
        clocks.Step(moment.at, healed[moment.mark], ahead(moment.amount))
        for moment in moments
        if (moment.kind, moment.event) == (ClockStep.name, "inject") and moment.mark in healed
    ]


def without_power(events: Sequence[Event]) -> list[Event]:
    """The events without what machines say between a loss of power and their boot.

    A container's systemd may still see its services die, and write it down, before it dies itself; a real
    machine says no such thing, and nobody hears it.
    """
    takes_power = {kind.name for kind in kinds() if kind.takes_power}
    dark = [
        (
            machine,
            event.at,
            min((one.at for one in events if _boots(one, machine, event.at)), default=math.inf),
        )
        for event in events
        if event.kind == "fault" and event.what in takes_power
        for machine in event.lane.split(",")
    ]
    return [
        event
        for event in events
        if event.kind not in SAID
        or not any(event.machine == machine and gone <= event.at < back for machine, gone, back in dark)
    ]


def _boots(event: Event, machine: str, after: float) -> bool:
    return event.kind == "boot" and event.machine == machine and event.at > after


def fault_events(moments: Iterable[ledger.Moment]) -> list[Event]:
    """What the ledger of faults tells, as events."""
    kinds: dict[str, Kind] = {"inject": "fault", "heal": "heal", "healed": "healed"}
    return [
        Event(
            moment.at,
            kinds[moment.event],
            moment.target,
            moment.kind,
            f"{moment.kind} of {moment.target}" + ("" if moment.event == "inject" else f": {moment.event}"),
            moment.target.partition(":")[0],
            {"mark": moment.mark},
        )
        for moment in moments
    ]


def outage_event(outage: Outage) -> Event:
    data = {"ms": round(outage.ms, 1), "failed": outage.failed, "over": outage.over}
    return Event(outage.start, "outage", "probe", "outage", f"no answer for {outage.ms:.0f} ms", "", data)
