"""What a probe's requests say: outages, percentiles, who answered, and how far the probe itself was late."""

from __future__ import annotations

import bisect
import itertools
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Sample:
    """One request: `start` on the monotonic clock; `kind` is "ok" or what went wrong.

    Kinds: refused, reset, timeout, unreachable, garbled, body (not the page expected), or "http 503".
    """

    start: float
    duration: float
    kind: str
    backend: str = ""

    @property
    def ok(self) -> bool:
        return self.kind == "ok"

    @property
    def end(self) -> float:
        return self.start + self.duration


@dataclass(frozen=True)
class Outage:
    """From the last good answer to the next one; `over` is false if none came before the probe ended."""

    start: float
    end: float
    failed: int
    over: bool = True

    @property
    def ms(self) -> float:
        return (self.end - self.start) * 1000


def outages(samples: Iterable[Sample]) -> list[Outage]:
    """The stretches between two good answers in which a request began that got none, in order.

    Requests may overlap. A stretch that opens the series begins with the first request, one that closes
    it ends with the last.
    """
    taken = sorted(samples, key=lambda sample: sample.start)
    answers = sorted(sample.end for sample in taken if sample.ok)
    failed = Counter(
        bisect.bisect_right(answers, sample.start) for sample in taken if not sample.ok
    )  # how many good answers there had been when it began
    last = max((sample.end for sample in taken), default=0.0)
    return [
        Outage(
            answers[place - 1] if place else taken[0].start,
            answers[place] if place < len(answers) else last,
            count,
            over=place < len(answers),
        )
        for place, count in sorted(failed.items())
    ]


def lag(samples: Iterable[Sample], interval: float, timeout: float, *, kept: bool = False) -> float:
    """The longest the probe itself was late, in seconds: to start a request, or to give one up.

    On a `kept` connection the next request is due when the one before has ended.
    """
    taken = sorted(samples, key=lambda sample: sample.start)
    overlong = (max(0.0, sample.duration - timeout) for sample in taken)
    return max(itertools.chain(overlong, _late(taken, interval, kept)), default=0.0)


def blind(samples: Iterable[Sample], interval: float, *, kept: bool = False) -> float:
    """Seconds in which requests were due and none was begun: what a sum of outages may be wrong by.

    A request that is late by less than an interval is within what an outage is known to anyway.
    """
    taken = sorted(samples, key=lambda sample: sample.start)
    return sum(late for late in _late(taken, interval, kept) if late > interval)


def _late(taken: Sequence[Sample], interval: float, kept: bool) -> Iterator[float]:
    """Seconds by which each request but the first was begun after it was due."""
    for before, after in itertools.pairwise(taken):
        due = before.start + interval
        yield max(0.0, after.start - (max(before.end, due) if kept else due))


def rate(samples: Sequence[Sample]) -> float:
    """Requests a second."""
    starts = [sample.start for sample in samples]
    span = max(starts, default=0.0) - min(starts, default=0.0)
    return (len(starts) - 1) / span if span else 0.0


def percentiles(samples: Iterable[Sample], wanted: Sequence[float] = (50, 90, 99, 100)) -> dict[float, float]:
    """Milliseconds within which that share of the good answers came (nearest rank); {} without any."""
    times = sorted(sample.duration * 1000 for sample in samples if sample.ok)
    if not times:
        return {}
    return {share: times[max(0, math.ceil(len(times) * share / 100) - 1)] for share in wanted}


def backends(samples: Iterable[Sample]) -> Mapping[str, int]:
    """How many good answers each backend gave."""
    return Counter(sample.backend for sample in samples if sample.ok and sample.backend)


def kinds(samples: Iterable[Sample]) -> Mapping[str, int]:
    """How many requests failed, by how."""
    return Counter(sample.kind for sample in samples if not sample.ok)
