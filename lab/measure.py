"""Measures what one fault costs the clients of one stack, and what the time went to."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType

from lab import faults, judge, processors
from lab.breakdown import Bound, Service, Share, ends, split
from lab.errors import MachineError, UserError
from lab.faults import Kind
from lab.health import VOID, Void, patience, require_start
from lab.measurement import Budget, Measurement, Stack, unmeasured
from lab.probe import TIMEOUT, Probe
from lab.recorder import Recorder
from lab.running import Lab
from lab.samples import Outage
from lab.timeline import Event
from lab.waiting import eventually

BEFORE = 1.0  # seconds of good answers before a fault: what the service is like without
NOTICED = 2.0  # seconds after which a fault that stops the service has stopped it
STEADY = 2.0  # seconds without a failure after which a service counts as back
STALL = 2.5  # seconds at a time that the probe may stand still: a phase's bound has twice that as slack
INTERVAL_EMULATED = 0.2  # a request costs an emulated proxy 50 ms: more would be a load test
TIMEOUT_EMULATED = 2.0


def measure(
    lab: Lab,
    stack: Stack,
    kind: Kind,
    target: str,
    budget: Budget,
    *,
    name: str = "",
    hold: float = 0.0,
    recovers: bool = True,
    amount: str = "",
    meanwhile: Callable[[], None] | None = None,
    trail: Callable[[Sequence[Event]], None] | None = None,
    told: bool = False,
    barred: str = "",
) -> Measurement:
    """Make the fault, hold it for `hold` seconds and until clients are served again, then heal it.

    A service that `recovers` gets the budget's time for that; one that cannot come back while the fault
    is in place is healed after `hold`. `meanwhile` runs while it is in place. `trail` gets the timeline if
    there is no result. Of an outage that is to be `told` more must be known than its end. The result's
    verdict is "void" when the lab, the stack or its page was sick before, when whom it was to hit was not
    there (etcd has elected another leader), or when the probe stood still, and
    "impossible" where the fault cannot be made, or `barred` says why this stack's clients cannot measure it.
    Raises MachineError when the lab is not whole again afterwards.
    """
    __tracebackhide__ = True
    began, void, lasting, looked = time.time(), "", list[str](), list[str]()
    nothing = without_figures(lab, stack, kind, target, budget, name=name, began=began)
    if reason := kind.available(lab) or barred:
        return nothing("impossible", reason)
    try:
        if stack.ready is not None:
            stack.ready()
        service = stack.service()
    except MachineError as problem:
        return nothing("void", f"{VOID}the stack is not whole: {problem}")
    probe, kept = probes(lab, stack)
    # of a request that hangs nothing is known for that long: a second of it is in STEADY
    unknown = max(0.0, probe.timeout - TIMEOUT)
    with contextlib.ExitStack() as running:
        recorder = running.enter_context(Recorder(lab))
        try:
            require_start(lab, f"{kind.name} of {target or kind.default}", stack.units)
        except Void as problem:
            return nothing("void", str(problem))
        if trail is not None:
            running.push(_trailing(recorder, probe, trail))
        running.enter_context(probe)
        running.enter_context(kept)
        try:
            _steady(probe, time.monotonic() + BEFORE, patience(lab))
        except MachineError as problem:
            why = f"{VOID}before the fault, {problem}; {probe.summary()}"
            return nothing("void", why, events=recorder.events(probe.outages))
        start = min(sample.start for sample in list(probe.samples))
        ticks = processors.look()
        with contextlib.ExitStack() as injected:
            made = faults.inject(lab, kind, target, amount=amount, units=stack.units, checked=False)
            try:
                fault = injected.enter_context(made)
            except UserError as problem:  # nothing was done: it no longer leads, or is not there
                why = f"{VOID}{problem}"
                return nothing("void", why, events=recorder.events(probe.outages))
            if meanwhile is not None:
                meanwhile()
            if recovers:
                seen = fault.at + max(hold, NOTICED) + unknown
                try:
                    _steady(probe, seen, hold + budget.ms / 1000 + STEADY + unknown, STEADY + unknown)
                except MachineError as problem:  # the verdict will say it
                    looked = _looked_at(lab, problem)
            else:
                eventually(lambda: fault.elapsed() >= hold, hold + 1, f"{kind.name} has been held")
        healed = time.monotonic()
        if stack.mend is not None:
            stack.mend()
        faults.require_healthy(lab, f"after {kind.name} of {fault.target}", stack.units)
        try:
            _steady(probe, time.monotonic(), patience(lab), STEADY + unknown)
        except MachineError as problem:  # a defect to be told with all that was measured, like an outage
            lasting = [f"not served again after the healing: {problem}"]
        end = time.monotonic()
        load = processors.between(ticks, processors.look())
    events = recorder.events(probe.outages)
    outages = probe.outages
    try:
        for one in (probe, kept):
            one.require_sound(STALL)
        lost = sum(outage.ms for outage in outages)
        void = "; ".join(judge.undecided(lost, budget.ms, probe.blind * 1000))
    except Void as problem:
        void = str(problem)
    shares = explained(outages, events, fault.at, service, stack.bounds)
    complaints = lasting + judged(stack, service.keys, budget, outages, shares, events, fault.at, healed)
    complaints += judge.untold(shares) if told else []
    if complaints:
        complaints += [f"the host's processors were {load} meanwhile", *looked]
    return Measurement(
        name=name or f"{stack.name}-{kind.name}",
        stack=stack.name,
        fault=kind.name,
        target=str(fault.target),
        provider=lab.record.provider,
        began=began,
        start=start,
        at=fault.at,
        healed=healed,
        end=end,
        verdict="void" if void else "over" if complaints else "within",
        why=void or "; ".join(complaints),
        budget=budget,
        outages=outages,
        kept=kept.outages,
        samples=list(probe.samples),
        kept_samples=list(kept.samples),
        shares=shares,
        events=events,
        lag=probe.lag,
        clock_error=recorder.clock_error(),
        missing=recorder.missing,
        aim=target or kind.default,
        interval=probe.interval,
        timeout=probe.timeout,
        load=load,
    )


def without_figures(
    lab: Lab,
    stack: Stack,
    kind: Kind,
    target: str,
    budget: Budget,
    *,
    name: str = "",
    began: float | None = None,
) -> Callable[..., Measurement]:
    """What makes the result of a fault that was not measured, of its verdict, the reason and `events`."""
    aim, provider = target or kind.default, lab.record.provider
    return functools.partial(unmeasured, stack, kind.name, aim, provider, budget, name=name, began=began)


def probes(lab: Lab, stack: Stack) -> tuple[Probe, Probe]:
    """One probe that connects anew for each request, and one that keeps its connection."""
    emulated = lab.provider.emulated

    def probe(kept: bool) -> Probe:
        return Probe(
            stack.url(),
            lab.namespace,
            expect=stack.expect,
            interval=INTERVAL_EMULATED if emulated else stack.interval,
            timeout=max(stack.timeout, TIMEOUT_EMULATED) if emulated else stack.timeout,
            kept=kept,
            backend=stack.backend,
        )

    return probe(kept=False), probe(kept=True)


def explained(
    outages: Sequence[Outage],
    events: Sequence[Event],
    at: float,
    service: Service,
    bounds: Mapping[str, Bound],
) -> list[Share]:
    """What the longest outage went to; nothing if there was none."""
    longest = max(outages, key=lambda outage: outage.ms, default=None)
    if longest is None:
        return []
    return split(longest, ends(events, at, service, longest.end), bounds)


def judged(
    stack: Stack,
    keys: Sequence[str],
    budget: Budget,
    outages: Sequence[Outage],
    shares: Sequence[Share],
    events: Sequence[Event],
    at: float,
    healed: float,
) -> list[str]:
    """What is wrong with a measurement, in words; nothing if all is as configured."""
    total = sum(outage.ms for outage in outages)
    found = judge.over_budget(total, budget.ms, budget.derivation)
    found += judge.over_bounds(shares, stack.slack * 1000)
    if stack.key_ttl is not None:
        slack = min(stack.slack, stack.key_ttl)
        found += judge.stale_keys(events, keys, at, healed, stack.key_ttl, slack)
    return found


def _steady(probe: Probe, after: float, within: float, length: float = STEADY) -> None:
    """Return when no request begun in the last `length` seconds has failed, at the earliest at `after`."""

    def steady() -> bool:
        now = time.monotonic()
        if now < after:
            return False
        recent = [sample for sample in list(probe.samples) if sample.start > now - length]
        began = min(sample.start for sample in list(probe.samples)) if probe.samples else now
        long_enough = began <= now - min(STEADY, BEFORE)
        return bool(recent) and long_enough and all(sample.ok for sample in recent)

    eventually(steady, within, f"{probe.url} answers steadily")


def _looked_at(lab: Lab, problem: MachineError) -> list[str]:
    """Let whoever wants to look do so while the fault is in place; says what of the figure is theirs."""
    if lab.on_trouble is None:
        return []
    began = time.monotonic()
    lab.on_trouble(problem)
    return [f"for {time.monotonic() - began:.0f} s of it somebody looked, with the fault in place"]


def _trailing(
    recorder: Recorder, probe: Probe, trail: Callable[[Sequence[Event]], None]
) -> Callable[[type[BaseException] | None, BaseException | None, TracebackType | None], bool]:
    """What gives the timeline away when the block that it is pushed in ends by an exception."""

    def leave(
        kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if isinstance(value, Exception):
            trail(recorder.events(probe.outages))
        return False

    return leave
