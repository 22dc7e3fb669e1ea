"""What a measured failover is: the stack as a client sees it, the budget, and what was found."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from lab.breakdown import Bound, Service, Share
from lab.probe import INTERVAL, TIMEOUT
from lab.processors import Load
from lab.samples import Outage, Sample, percentiles
from lab.timeline import Event

# over: of the budget, or of a part's bound; void: measured nothing; failed: the lab or the stack broke;
# impossible: the fault cannot be made in this lab
Verdict = Literal["within", "over", "void", "failed", "impossible"]
SOUND = ("within", "over")  # the verdicts of a measurement that has figures


@dataclass(frozen=True)
class Stack:
    """A service as a client sees it, what its events are called, and the configured times of its parts."""

    name: str
    url: Callable[[], str]
    expect: str
    service: Callable[[], Service]  # as it is once the stack is ready
    units: tuple[str, ...] = ()
    bounds: Mapping[str, Bound] = field(default_factory=dict)
    backend: str = ""
    key_ttl: float | None = None  # seconds after which the service's keys must have gone or changed
    interval: float = INTERVAL  # seconds between two requests
    timeout: float = TIMEOUT  # seconds that a client waits: longer than a proxy that then asks another server
    slack: float = 5.0  # seconds that each bounded phase may take beyond its bound: the work itself
    ready: Callable[[], None] | None = None  # before a fault: returns once the stack is whole, as by its own
    mend: Callable[[], None] | None = None  # after one: does what is left to a person, who starts containers


@dataclass(frozen=True)
class Budget:
    """How long clients may be without an answer, in ms, and the configured times that it comes from."""

    ms: float
    derivation: str


@dataclass(frozen=True)
class Measurement:
    """One fault against one stack. Moments are on the monotonic clock, `began` on the wall clock."""

    name: str
    stack: str
    fault: str
    target: str
    provider: str
    began: float
    start: float
    at: float
    healed: float
    end: float
    verdict: Verdict
    why: str
    budget: Budget
    outages: Sequence[Outage]
    kept: Sequence[Outage]
    samples: Sequence[Sample]
    kept_samples: Sequence[Sample]
    shares: Sequence[Share]
    events: Sequence[Event]
    lag: float
    clock_error: float
    missing: Sequence[str] = field(default_factory=list)
    aim: str = ""  # the target as it was asked for: the same in all repetitions, wherever units run
    interval: float = 0.0  # seconds between two requests, and for which each was waited for; 0: not known
    timeout: float = 0.0
    load: Load | None = None  # of the host's processors, from the fault to the end; None: not known

    @property
    def sound(self) -> bool:
        """Whether its figures say anything of the stack."""
        return self.verdict in SOUND

    @property
    def whom(self) -> str:
        """Whom the fault hits, as a reader says it."""
        aim = re.sub(r"machine_of\(([^)]+)\)", r"\1's machine", self.aim).replace(".service", "")
        place, _, what = aim.partition(":")
        return f"{what} on {place}" if what else place

    @property
    def cell(self) -> str:
        """The fault and whom it hits."""
        return f"{self.fault} of {self.whom}" if self.whom else self.fault

    @property
    def outage_ms(self) -> float:
        """All the time without an answer, in ms: several short outages cost as much as a long one."""
        return sum(outage.ms for outage in self.outages)

    @property
    def failed(self) -> int:
        return sum(not sample.ok for sample in self.samples)

    @property
    def latency(self) -> dict[float, float]:
        return percentiles(self.samples)


def unmeasured(
    stack: Stack,
    fault: str,
    target: str,
    provider: str,
    budget: Budget,
    verdict: Verdict,
    why: str,
    *,
    name: str = "",
    began: float | None = None,
    events: Sequence[Event] = (),
) -> Measurement:
    """A measurement without figures, so that a report has its cell, and says why there are none.

    `events` are what is known of the time until it was given up.
    """
    now = time.monotonic()
    return Measurement(
        name=name or f"{stack.name}-{fault}",
        stack=stack.name,
        fault=fault,
        target=target,
        provider=provider,
        began=time.time() if began is None else began,
        start=now,
        at=next((event.at for event in events if event.kind == "fault"), now),
        healed=now,
        end=now,
        verdict=verdict,
        why=why,
        budget=budget,
        outages=(),
        kept=(),
        samples=(),
        kept_samples=(),
        shares=(),
        events=events,
        lag=0.0,
        clock_error=0.0,
        aim=target,
    )
