"""Asks a URL inside the lab without pause and says, in milliseconds, for how long nobody answered."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

from lab import asker, netns, processes
from lab import samples as figures
from lab.errors import MachineError
from lab.health import Void
from lab.samples import Outage, Sample, blind, lag, outages
from lab.waiting import eventually

__all__ = ["INTERVAL", "TIMEOUT", "Outage", "Probe", "Sample", "lag", "outages"]

INTERVAL = 0.008  # seconds from one request's start to the next one's: an outage is known to twice that
TIMEOUT = 1.0  # seconds for a whole request: what a patient user takes for "no answer"
STALL = 0.1  # seconds of the probe's own delay from which on a figure in ms says nothing
END_WITHIN = 5.0


class Probe:
    """`with Probe(url, namespace, expect="<h1>") as probe:` asks until the block is left.

    Each request is a connection of its own, unless `kept`: then one follows another on the same one for
    as long as it lasts. They are made by a process of its own inside the network namespace (in the host's
    own if `namespace` is ""). Good is status 200 and a body with `expect` in it. `backend` is a regular
    expression that finds who answered in the whole answer (its first group, if it has one).
    """

    def __init__(
        self,
        url: str,
        namespace: str = "",
        *,
        expect: str = "",
        interval: float = INTERVAL,
        timeout: float = TIMEOUT,
        kept: bool = False,
        backend: str = "",
    ) -> None:
        place = urlsplit(url)
        if place.scheme != "http" or not place.hostname:
            raise ValueError(f"{url!r} is not an http:// address")
        self.url = url
        self.interval = interval
        self.timeout = timeout
        self.kept = kept
        self.samples: list[Sample] = []
        target = (place.path or "/") + (f"?{place.query}" if place.query else "")
        stays = "keep-alive" if kept else "close"
        lines = (f"GET {target} HTTP/1.1", f"Host: {place.netloc}", f"Connection: {stays}", "", "")
        order = {
            "host": place.hostname,
            "port": place.port or 80,
            "request": "\r\n".join(lines),
            "expect": expect,
            "interval": interval,
            "timeout": timeout,
            "kept": kept,
            "backend": backend,
        }
        words = [sys.executable, "-I", "-S", str(Path(asker.__file__)), json.dumps(order)]
        self._namespace = namespace
        self._command = netns.command(namespace, *words) if namespace else words
        self._asker: subprocess.Popen[str] | None = None
        self._reader = threading.Thread(target=self._read, name=f"probe {url}", daemon=True)

    def __enter__(self) -> Probe:
        if self._namespace and not netns.path(self._namespace).exists():
            raise netns.gone(self._namespace)
        self._asker = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._asker is not None
        assert self._asker.stdin is not None
        self._asker.stdin.close()  # the asker ends with it, also when this process is killed
        self._reader.join(END_WITHIN)
        try:
            self._asker.wait(END_WITHIN)
        except subprocess.TimeoutExpired:
            processes.kill([self._asker.pid])
        problem = self._problem()
        if problem and kind is None:
            raise MachineError(problem)

    @property
    def failed(self) -> list[Sample]:
        """The requests that brought no good answer."""
        return [sample for sample in list(self.samples) if not sample.ok]

    @property
    def outages(self) -> list[Outage]:
        return outages(list(self.samples))

    @property
    def lag(self) -> float:
        return lag(list(self.samples), self.interval, self.timeout, kept=self.kept)

    @property
    def blind(self) -> float:
        return blind(list(self.samples), self.interval, kept=self.kept)

    def wait_for_answer(self, within: float | str, after: float = 0.0) -> Sample:
        """The first good answer to a request that was begun after the moment `after` (monotonic)."""
        __tracebackhide__ = True
        try:
            return eventually(
                lambda: self._first(lambda sample: sample.ok and sample.start >= after),
                within,
                f"{self.url} answers",
            )
        except MachineError as problem:  # what it has seen by now, not when the wait began
            raise MachineError(f"{problem}; {self.summary()}") from None

    def wait_for_failure(self, within: float | str, after: float = 0.0) -> Sample:
        """The first request begun after `after` that brought no good answer."""
        __tracebackhide__ = True
        return eventually(
            lambda: self._first(lambda sample: not sample.ok and sample.start >= after),
            within,
            f"{self.url} stops answering",
        )

    def require_sound(self, stall: float = STALL) -> None:
        """Raise Void if the probe itself stood still for more than `stall` seconds.

        What is asserted of its figures afterwards must bear an error of that size.
        """
        if not self.samples:
            raise Void(f"the probe of {self.url} asked nothing; its figures are void")
        if self.lag > stall:
            raise Void(
                f"the probe of {self.url} itself stood still for {self.lag * 1000:.0f} ms; its figures are "
                f"void: the host is too busy"
            )

    def summary(self) -> str:
        """One line: how many requests, how many failed and how, and the outages."""
        taken = list(self.samples)
        failed = figures.kinds(taken)
        how = ", ".join(f"{count} {kind}" for kind, count in sorted(failed.items(), key=lambda row: -row[1]))
        gaps = ", ".join(f"{gap.ms:.0f} ms{'' if gap.over else ' and on'}" for gap in outages(taken))
        return (
            f"{len(taken)} requests, {sum(failed.values())} failed ({how or '-'}); outages: {gaps or 'none'}"
        )

    def _first(self, wanted: Callable[[Sample], bool]) -> Sample | None:
        """The first such request by its start; those that ended in between may have begun earlier."""
        if problem := self._problem():
            raise MachineError(problem)
        return min(filter(wanted, list(self.samples)), key=lambda sample: sample.start, default=None)

    def _read(self) -> None:
        assert self._asker is not None
        assert self._asker.stdout is not None
        for line in self._asker.stdout:
            start, duration, kind, backend = line.rstrip("\n").split("\t")
            self.samples.append(Sample(float(start), float(duration), kind, backend))

    def _problem(self) -> str:
        """Why the asker has ended by itself; "" if it has not."""
        assert self._asker is not None
        if not self._asker.poll():
            return ""
        assert self._asker.stderr is not None
        said = self._asker.stderr.read().strip().splitlines()
        return f"the probe of {self.url} has ended: {said[-1] if said else 'it said nothing'}"
