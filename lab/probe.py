"""Asks a URL inside the lab without pause and says, in milliseconds, for how long nobody answered."""

from __future__ import annotations

import contextlib
import http.client
import io
import itertools
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from urllib.parse import urlsplit

from lab import netns
from lab.errors import MachineError
from lab.waiting import eventually

INTERVAL = 0.02  # seconds from one request's start to the next one's, if the answer comes sooner
TIMEOUT = 1.0  # seconds for a whole request: what a patient user takes for "no answer"
STALL = 0.5  # seconds of the probe's own delay from which on its figures say nothing


@dataclass(frozen=True)
class Sample:
    """One request: `start` on the monotonic clock; `kind` is "ok" or what went wrong.

    Kinds: refused, reset, timeout, unreachable, garbled, body (not the page expected), or "http 503".
    """

    start: float
    duration: float
    kind: str

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


def outages(samples: Sequence[Sample]) -> list[Outage]:
    """The stretches without a good answer, in order. `samples` are in the order in which they were taken.

    A stretch that opens the series begins with the first request, one that closes it ends with the last.
    """
    found: list[Outage] = []
    since, failed = samples[0].start if samples else 0.0, 0
    for sample in samples:
        if not sample.ok:
            failed += 1
            continue
        if failed:
            found.append(Outage(since, sample.end, failed))
        since, failed = sample.end, 0
    if failed:
        found.append(Outage(since, samples[-1].end, failed, over=False))
    return found


def lag(samples: Sequence[Sample], interval: float, timeout: float) -> float:
    """The longest the probe itself was late, in seconds: to start a request, or to give one up."""
    late = [max(0.0, sample.duration - timeout) for sample in samples]
    for before, after in itertools.pairwise(samples):
        late.append(max(0.0, after.start - max(before.end, before.start + interval)))
    return max(late, default=0.0)


class Probe:
    """`with Probe(url, namespace, expect="<h1>") as probe:` asks until the block is left.

    Each request is a connection of its own, made by the probe's own thread inside the network namespace
    (in this process's own if `namespace` is ""). Good is status 200 and a body with `expect` in it.
    """

    def __init__(
        self,
        url: str,
        namespace: str = "",
        *,
        expect: str = "",
        interval: float = INTERVAL,
        timeout: float = TIMEOUT,
    ) -> None:
        place = urlsplit(url)
        if place.scheme != "http" or not place.hostname:
            raise ValueError(f"{url!r} is not an http:// address")
        self.url = url
        self.interval = interval
        self.timeout = timeout
        self.samples: list[Sample] = []
        self._address = (place.hostname, place.port or 80)
        self._expect = expect.encode()
        self._namespace = namespace
        target = (place.path or "/") + (f"?{place.query}" if place.query else "")
        lines = (f"GET {target} HTTP/1.1", f"Host: {place.netloc}", "Connection: close", "", "")
        self._request = "\r\n".join(lines).encode()
        self._stop = threading.Event()
        self._problem: list[BaseException] = []
        self._thread = threading.Thread(target=self._ask_on, name=f"probe {url}", daemon=True)

    def __enter__(self) -> Probe:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(self.timeout + 5)
        if self._problem and kind is None:
            raise self._problem[0]

    @property
    def failed(self) -> list[Sample]:
        """The requests that brought no good answer."""
        return [sample for sample in list(self.samples) if not sample.ok]

    @property
    def outages(self) -> list[Outage]:
        return outages(list(self.samples))

    @property
    def lag(self) -> float:
        return lag(list(self.samples), self.interval, self.timeout)

    def wait_for_answer(self, within: float | str, after: float = 0.0) -> Sample:
        """The first good answer to a request that was begun after the moment `after` (monotonic)."""
        __tracebackhide__ = True
        return eventually(
            lambda: self._first(lambda sample: sample.ok and sample.start >= after),
            within,
            f"{self.url} answers ({self.summary()} so far)",
        )

    def wait_for_failure(self, within: float | str, after: float = 0.0) -> Sample:
        """The first request begun after `after` that brought no good answer."""
        __tracebackhide__ = True
        return eventually(
            lambda: self._first(lambda sample: not sample.ok and sample.start >= after),
            within,
            f"{self.url} stops answering",
        )

    def require_sound(self, stall: float = STALL) -> None:
        """Raise MachineError if the probe itself stood still: its figures are void then."""
        if not self.samples:
            raise MachineError(f"the probe of {self.url} asked nothing; its figures are void")
        if self.lag > stall:
            raise MachineError(
                f"the probe of {self.url} itself stood still for {self.lag * 1000:.0f} ms; its figures are "
                f"void: the host is too busy"
            )

    def summary(self) -> str:
        """One line: how many requests, how many failed and how, and the outages."""
        samples = list(self.samples)
        kinds = Counter(sample.kind for sample in samples if not sample.ok)
        how = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
        gaps = ", ".join(f"{gap.ms:.0f} ms{'' if gap.over else ' and on'}" for gap in outages(samples))
        return (
            f"{len(samples)} requests, {sum(kinds.values())} failed ({how or '-'}); outages: {gaps or 'none'}"
        )

    def _first(self, wanted: Callable[[Sample], bool]) -> Sample | None:
        if self._problem:
            raise self._problem[0]
        return next(filter(wanted, list(self.samples)), None)

    def _ask_on(self) -> None:
        try:
            if self._namespace:
                netns.enter(self._namespace)
            while not self._stop.is_set():
                start = time.monotonic()
                kind = self._ask(start + self.timeout)
                self.samples.append(Sample(start, time.monotonic() - start, kind))
                self._stop.wait(max(0.0, start + self.interval - time.monotonic()))
        except BaseException as problem:
            self._problem.append(problem)

    def _ask(self, deadline: float) -> str:
        try:
            with contextlib.closing(socket.create_connection(self._address, self.timeout)) as connection:
                connection.sendall(self._request)
                return self._judge(b"".join(_chunks(connection, deadline)))
        except TimeoutError:
            return "timeout"
        except ConnectionRefusedError:
            return "refused"
        except ConnectionError:
            return "reset"
        except OSError:
            return "unreachable"

    def _judge(self, answer: bytes) -> str:
        """The kind of an answer, read whole; one that was cut short is no good answer."""
        if not answer:
            return "reset"
        try:
            response = http.client.HTTPResponse(_Read(answer))  # type: ignore[arg-type]
            response.begin()
            body = response.read()
        except http.client.IncompleteRead:
            return "reset"
        except http.client.HTTPException:
            return "garbled"
        if response.status != 200:
            return f"http {response.status}"
        return "ok" if self._expect in body else "body"


def _chunks(connection: socket.socket, deadline: float) -> Iterable[bytes]:
    """What the server sends until it closes; TimeoutError at the deadline, however busy the server is."""
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        connection.settimeout(left)
        chunk = connection.recv(1 << 16)
        if not chunk:
            return
        yield chunk


class _Read:
    """An answer that has been read already, as http.client wants it."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._content)
