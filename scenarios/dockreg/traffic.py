"""A client that asks HAProxy's public address at a fixed rate, and who it heard from."""

from __future__ import annotations

import itertools
from collections import Counter

from lab.probe import STALL, Probe, Sample
from lab.samples import kinds, rate
from lab.waiting import eventually
from scenarios.dockreg.article import GREETING, Dockreg

INTERVAL = 0.005  # two hundred requests a second are offered, and made where the host has the time
INTERVAL_EMULATED = 0.25  # a request costs an emulated proxy 50 ms: more would be a load test
AROUND, AROUND_EMULATED = 20, 4  # requests after a change from which on it shows that they are answered
REQUESTS_WITHIN = 60.0
PATIENCE, PATIENCE_EMULATED = 5.0, 45.0  # seconds; HAProxy gives up on an instance after two


class Traffic(Probe):
    """`with Traffic(article) as traffic:` asks until the block is left; a `backend` is an instance."""

    def __init__(self, article: Dockreg) -> None:
        self._emulated = article.lab.provider.emulated
        super().__init__(
            article.public,
            article.lab.namespace,
            expect="Hello from",
            interval=INTERVAL_EMULATED if self._emulated else INTERVAL,
            timeout=PATIENCE_EMULATED if self._emulated else PATIENCE,
            backend=GREETING,
        )

    def __enter__(self) -> Traffic:
        super().__enter__()
        return self

    @property
    def rate(self) -> float:
        """Requests a second."""
        return rate(list(self.samples))

    @property
    def slowest(self) -> Sample:
        """The good answer that took longest."""
        return max((sample for sample in list(self.samples) if sample.ok), key=lambda one: one.duration)

    def answers(self, since: float = 0.0) -> Counter[str]:
        """Good answers by instance, to requests begun after the moment `since`."""
        return Counter(sample.backend for sample in list(self.samples) if sample.ok and sample.start >= since)

    def last_asked(self, name: str) -> float:
        """When the last request began that an instance answered; 0.0 if it never answered one.

        When the answer came says less: the proxy and the client may pass it on late.
        """
        return max((sample.start for sample in list(self.samples) if sample.backend == name), default=0.0)

    def standstill(self, since: float, until: float) -> float:
        """Seconds between two moments in which the client could not ask, though requests were due.

        It goes before all others: while a host lets it stand still, nobody else gets on either.
        """
        starts = sorted(sample.start for sample in list(self.samples))
        return sum(
            max(0.0, min(after, until) - max(before + self.interval, since))
            for before, after in itertools.pairwise(starts)
            if after - before > self.interval + STALL
        )

    def wait_for_requests(self, after: float) -> None:
        """Return when so many requests begun after a moment have ended that it says something of them."""
        __tracebackhide__ = True
        enough = AROUND_EMULATED if self._emulated else AROUND
        eventually(
            lambda: sum(one.start >= after for one in list(self.samples)) >= enough,
            REQUESTS_WITHIN,
            f"{enough} requests after the change",
        )

    def wait_for(self, name: str, within: float, after: float = 0.0) -> Sample:
        """The first answer of an instance to a request begun after the moment `after`."""
        __tracebackhide__ = True
        return eventually(
            lambda: self._first(lambda one: one.backend == name and one.ok and one.start >= after),
            within,
            f"{name} is asked and answers",
        )

    def complaints(self) -> str:
        """How requests failed, and when the first one did."""
        failed = self.failed
        return f"{dict(kinds(failed))} of {len(self.samples)}: {failed[:3]}" if failed else ""
