"""A client that asks HAProxy's public address at a fixed rate, and who it heard from."""

from __future__ import annotations

from collections import Counter

from lab.health import Void
from lab.probe import Probe, Sample
from lab.samples import kinds, rate
from lab.waiting import eventually
from scenarios.dockreg.article import GREETING, Dockreg

INTERVAL = 0.005  # two hundred requests a second, where the host has the time
INTERVAL_EMULATED = 0.25  # a request costs an emulated proxy 50 ms: more would be a load test
ENOUGH, ENOUGH_EMULATED = 50.0, 2.0  # requests a second from which on the traffic shows something
PATIENCE, PATIENCE_EMULATED = 5.0, 45.0  # seconds; HAProxy gives up on an instance after two
STALL, STALL_EMULATED = 1.0, 5.0  # seconds: instances start and end meanwhile, which keeps a host busy


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
    def slowest(self) -> float:
        """Seconds of the slowest good answer."""
        return max((sample.duration for sample in list(self.samples) if sample.ok), default=0.0)

    def answers(self, since: float = 0.0) -> Counter[str]:
        """Good answers by instance, to requests begun after the moment `since`."""
        return Counter(sample.backend for sample in list(self.samples) if sample.ok and sample.start >= since)

    def last_answer(self, name: str) -> float:
        """The moment of the last answer of an instance; 0.0 if it never gave one."""
        return max((sample.end for sample in list(self.samples) if sample.backend == name), default=0.0)

    def wait_for(self, name: str, within: float, after: float = 0.0) -> Sample:
        """The first answer of an instance to a request begun after the moment `after`."""
        __tracebackhide__ = True
        return eventually(
            lambda: self._first(lambda one: one.backend == name and one.ok and one.start >= after),
            within,
            f"{name} is asked and answers",
        )

    def require_sound(self, stall: float = 0.0) -> None:
        """Raise Void if the client stood still, or asked too seldom to show anything."""
        super().require_sound(stall or (STALL_EMULATED if self._emulated else STALL))
        enough = ENOUGH_EMULATED if self._emulated else ENOUGH
        if self.rate < enough:
            raise Void(f"{self.rate:.0f} requests a second show nothing: {enough:g} are wanted")

    def complaints(self) -> str:
        """How requests failed, and when the first one did."""
        failed = self.failed
        return f"{dict(kinds(failed))} of {len(self.samples)}: {failed[:3]}" if failed else ""
