"""A run as the matrix would have left it, for the tests of reports."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lab import faults
from lab.breakdown import Bound, Service, ends, split
from lab.measurement import Budget, Measurement, Stack
from lab.runs import Run
from lab.samples import Sample, outages
from lab.timeline import Event

SERVICE = Service("apache.service", ("/services/a",), ("haproxy.service",))
EVENTS = [
    Event(0.0, "unit", "apache.service", "running", "", "coreos-1"),
    Event(0.0, "unit", "haproxy.service", "running", "", "coreos-2"),
    Event(1.5, "key", "/services/a", "refreshed", "", "", {"value": "10.1.0.101:80"}),
    Event(2.0, "fault", "coreos-1", "power-loss", "power-loss of coreos-1", "coreos-1"),
    Event(2.5, "leader", "coreos-2", "elected", "coreos-2 leads", "coreos-2", {"self": True}),
    Event(5.0, "key", "/services/a", "expired", "", ""),
    Event(5.2, "machine", "coreos-1", "expired", "fleet's key of coreos-1 expired", "coreos-1"),
    Event(6.0, "fleet", "apache.service", "scheduled", "scheduled", "coreos-3"),
    Event(6.4, "unit", "apache.service", "started", "Started <apache> & co", "coreos-3"),
    Event(7.0, "key", "/services/a", "set", "", "", {"value": "10.1.0.103:80"}),
    Event(7.4, "proxy", "haproxy.service", "follows", "Server is UP", "coreos-2"),
    Event(8.0, "heal", "coreos-1", "power-loss", "", "coreos-1"),
    Event(9.0, "boot", "coreos-1", "boot", "coreos-1 boots", "coreos-1"),
    Event(9.5, "healed", "coreos-1", "power-loss", "", "coreos-1"),
]


STACK = Stack("ambassador", str, "", lambda: SERVICE)
BUDGET = Budget(8000.0, "agent_ttl 3 s + work 5 s")
CELL = (STACK, faults.kind("power-loss"), "coreos-1", BUDGET)  # what `measured` is asked for


def measurement(gone: float = 5.5, **changes: object) -> Measurement:
    """Twelve seconds; no answer from 2 s on for `gone` seconds."""
    kinds = [(n / 100, "timeout" if 2 < n / 100 < 2 + gone else "ok") for n in range(1200)]
    samples = [Sample(at, 1.0 if kind == "timeout" else 0.003, kind, "web-1") for at, kind in kinds]
    gaps = outages(samples)
    bounds = {"detection": Bound(3.0, "fleet.agent_ttl"), "rescheduling": Bound(2.0, "the engine's pass")}
    shares = split(gaps[0], ends(EVENTS, 2.0, SERVICE, gaps[0].end), bounds) if gaps else []
    made = Measurement(
        name="ambassador-power-loss",
        stack="ambassador",
        fault="power-loss",
        target="coreos-1",
        provider="nspawn",
        began=1.0,
        start=0.0,
        at=2.0,
        healed=9.5,
        end=12.0,
        verdict="within",
        why="",
        budget=BUDGET,
        outages=gaps,
        kept=gaps,
        samples=samples,
        kept_samples=samples,
        shares=shares,
        events=EVENTS,
        lag=0.004,
        clock_error=0.0005,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def void() -> Measurement:
    return measurement(
        0, stack="confd", fault="pause", verdict="void", why="void: <etcd> is sick", samples=(), shares=()
    )


def run(name: str = "2026-01-01_00-00-00", *measurements: Measurement) -> Run:
    return Run(name, Path("/nowhere"), list(measurements) or [measurement(), measurement(6.5), void()])
