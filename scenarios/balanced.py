"""What the tests of a load balancer share: a client that asks it without pause, and who answered."""

from __future__ import annotations

import re
import shlex
import time
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from lab.errors import MachineError
from lab.node import Node
from lab.probe import Probe, Sample
from lab.waiting import eventually
from scenarios.setting import Setting

Figure = Callable[[str, float, str], None]

PAGE = "<h1>Running from Docker on CoreOS</h1>"
# A request, a command over SSH, a start of Python or a round of raft, on a host with other work.
SLACK = 4.0
SLACK_EMULATED = 40.0
PATIENCE = 5.0  # seconds that the client of the probe waits for one answer
PATIENCE_EMULATED = 10.0
# Seconds that the probe may stand still: an answer that it is late to read is a failure from PATIENCE on, and
# the requests that it did not make meanwhile are few beside what is asserted of them.
STALL = 3.0
INTERVAL = 0.02  # seconds from one request to the next: each is a line of nginx's log, which journald keeps
INTERVAL_EMULATED = 0.2  # a request costs an emulated proxy 50 ms: more would be a load test
ASKED = 20  # requests that show who answers


# The file first: if it is replaced meanwhile, what it said is judged by a later time than its own, and its
# workers look older than it, never younger. The two clocks have no process between them, which takes time.
WHEN = "put in place, and now:"
LOOK_AT = (
    f"cat $file || exit; echo {shlex.quote(WHEN)}; "
    "stat -c %.3Z $file; echo $EPOCHREALTIME; read -r up </proc/uptime; echo $up; "
    "for worker in $(cat /proc/$pid/task/$pid/children); do cat /proc/$worker/stat; done; true"
)
TICKS = 100  # a second has of them in /proc/PID/stat, on every architecture of Debian's


@dataclass(frozen=True)
class Configured:
    """What nginx's file says, and which workers cannot know it, as they were there before it was."""

    backends: frozenset[str]
    workers: tuple[int, ...]
    old: tuple[int, ...]


def look_at(find: str) -> str:
    """A shell's line that prints what `read_configured` reads; `find` is bash that sets `file` and `pid`.

    nginx's file, when it was put in place, the time now by both clocks, and the processes that nginx's master
    `pid` has made.
    """
    return f"bash -c {shlex.quote(f'{find}; {LOOK_AT}')}"


def read_configured(said: str) -> Configured:
    """Of what `look_at` printed; ValueError if it is not that."""
    file, _, times = said.rpartition(f"{WHEN}\n")
    placed, now, up, *processes = times.splitlines()
    age = float(now) - float(placed)
    started = {}
    for line in processes:
        if found := re.match(r"(\d+) \(.*\) \S (.*)", line):
            started[int(found[1])] = int(found[2].split()[18]) / TICKS
    return Configured(
        frozenset(re.findall(r"^\s*server ([0-9.:]+);", file, re.MULTILINE)),
        tuple(started),
        tuple(pid for pid, start in started.items() if float(up.split()[0]) - start > age),
    )


class Balanced(Setting):
    """An article whose load balancer is the unit `balancer_unit`, with backends that are entries in etcd."""

    balancer_unit: str

    @abstractmethod
    def entries(self) -> set[str]:
        """ADDRESS:PORT of every backend that etcd has."""

    @abstractmethod
    def configured(self) -> Configured:
        """nginx's file of backends and its workers, just now (see `look_at`)."""

    @abstractmethod
    def requests(self, mark: str) -> str:
        """nginx's log of the requests with `?mark`: lines with "passed to: BACKEND, BACKEND: GET"."""

    @property
    def slack(self) -> float:
        """Seconds on top of the configured times."""
        return SLACK_EMULATED if self.lab.provider.emulated else SLACK

    def public_url(self) -> str:
        """Where a user finds the page."""
        return self.url_of(self.balancer_unit)

    def balancer(self) -> Node:
        return self.machine_of(self.balancer_unit)

    def backend(self, port: int) -> str:
        """ADDRESS:PORT of a web server."""
        return f"{self.address(self.machine_of(f'apache@{port}.service'))}:{port}"

    def upstream(self) -> set[str]:
        """ADDRESS:PORT of every backend in nginx's configuration."""
        return set(self.configured().backends)

    def wait_for_upstream(self, *backends: str, within: float) -> None:
        """Return when nginx goes by a configuration that has these backends and no others.

        A reload does not end what is under way: until the last worker of the time before has ended, a
        backend that was removed may still give an answer to somebody who was connected.
        """
        __tracebackhide__ = True

        def same() -> bool:
            seen = self.configured()
            if seen.backends != frozenset(backends):
                raise MachineError(
                    f"the upstream is {sorted(seen.backends)}, etcd has {sorted(self.entries())}"
                )
            if seen.old or not seen.workers:
                raise MachineError(f"workers {seen.old} of {seen.workers} are older than nginx's file")
            return True

        eventually(
            same, within, f"nginx goes by the upstream {sorted(backends)}", ignoring=(MachineError, KeyError)
        )

    def answered_by(self, mark: str) -> list[str]:
        """Ask for `/?mark` twenty times: the backend that gave each answer, as nginx has it in its log."""
        __tracebackhide__ = True
        url = f"{self.public_url()}?{mark}"
        for _ in range(ASKED):
            assert self.page(url) == PAGE

        def passed() -> list[str]:
            found = re.findall(r"passed to: ([0-9.:, ]+): GET ", self.requests(mark))
            return found if len(found) >= ASKED else []

        tried = eventually(passed, self.patience, f"nginx's log has all requests for /?{mark}")
        return [backends.split(", ")[-1] for backends in tried]

    def wait_for_all(self, *backends: str) -> None:
        """Return when requests go to all of these in turn: nginx leaves out for 10 s who has failed once."""
        __tracebackhide__ = True

        def in_turn() -> bool:
            asked = Counter(self.answered_by(f"in-turn-{time.monotonic_ns()}"))
            few = 0.8 * ASKED / len(backends)
            if set(asked) != set(backends) or min(asked.values()) < few:
                raise MachineError(f"of {ASKED} requests {dict(asked)} were answered")
            return True

        eventually(in_turn, self.patience, f"nginx asks {sorted(backends)} in turn", ignoring=(MachineError,))

    @contextmanager
    def asked(self, mark: str) -> Iterator[Probe]:
        """The block runs while a client asks the public address; it has an answer before and after."""
        emulated = self.lab.provider.emulated
        with Probe(
            f"{self.public_url()}?{mark}",
            self.lab.namespace,
            expect=PAGE,
            interval=INTERVAL_EMULATED if emulated else INTERVAL,
            timeout=PATIENCE_EMULATED if emulated else PATIENCE,
        ) as probe:
            probe.wait_for_answer(within=self.patience)
            yield probe
            probe.wait_for_answer(within=self.patience, after=probe.samples[-1].end)
        probe.require_sound(STALL)


def report(figure: Figure, probe: Probe) -> None:
    """What the client saw, as figures of the test."""
    figure("outage", sum(outage.ms for outage in probe.outages), "ms")
    figure("failed requests", len(probe.failed), f"of {len(probe.samples)}")
    figure("slowest answer", slowest(probe) * 1000, "ms")


def failed_after(probe: Probe, moment: float) -> list[Sample]:
    """The requests that were begun after a moment (monotonic) and brought no good answer."""
    return [sample for sample in probe.failed if sample.start > moment]


def slowest(probe: Probe) -> float:
    """Seconds until the latest of the good answers."""
    return max(sample.duration for sample in probe.samples if sample.ok)
