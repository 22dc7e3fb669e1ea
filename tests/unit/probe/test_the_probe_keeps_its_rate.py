"""The probe asks on, answered or not, keeps a connection if it is to, and notices its own sleep."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from lab import asker
from lab.health import Void
from lab.probe import Probe
from lab.samples import Sample, backends, blind, lag, outages, percentiles, rate

PAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nhello from a"
PARTS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nhello \r\n6\r\nfrom a\r\n0\r\n\r\n"


# What a busy host adds to a length that a test's own threads keep. How exact the probe is, to the ms,
# is shown where a measurement that the host has spoilt is known: scenarios/failover/test_the_probe_itself.py.
BUSY_MS = 150


class Server:
    """Answers on every connection for as long as it lasts; a `pause` is a hang that accepts."""

    def __init__(self, answer: bytes = PAGE) -> None:
        self.answer = answer
        self.connections = 0
        self.answering = threading.Event()
        self.answering.set()
        self.stop = False

    @contextlib.contextmanager
    def running(self) -> Iterator[str]:
        with socket.create_server(("127.0.0.1", 0), backlog=500) as listener:
            listener.settimeout(0.01)
            thread = threading.Thread(target=self._accept, args=(listener,))
            thread.start()
            try:
                yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
            finally:
                self.stop = True
                self.answering.set()
                thread.join()

    def _accept(self, listener: socket.socket) -> None:
        while not self.stop:
            with contextlib.suppress(TimeoutError):
                connection = listener.accept()[0]
                self.connections += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(5)
            while request := connection.recv(4096):
                self.answering.wait()
                connection.sendall(self.answer)
                if b"close" in request:
                    return


def after(server: Server, url: str, length: float, timeout: float) -> tuple[Probe, float, float]:
    """A probe of a server that hangs for `length` seconds; and the moments at which it begins and ends to."""
    with Probe(url, expect="hello", timeout=timeout) as probe:
        probe.wait_for_answer(within=5)
        began = time.monotonic()
        server.answering.clear()
        threading.Event().wait(length)
        ended = time.monotonic()
        server.answering.set()
        probe.wait_for_answer(within=5, after=time.monotonic())
    return probe, began, ended


def awake(taken: list[Sample], interval: float) -> float:
    """Requests a second, without the time in which the host let the probe not run."""
    starts = [sample.start for sample in taken]
    return (len(starts) - 1) / (max(starts) - min(starts) - blind(taken, interval))


def test_a_server_that_hangs_is_asked_at_the_same_rate() -> None:
    server = Server()
    with server.running() as url:
        probe, began, ended = after(server, url, length=1.0, timeout=0.3)
    meanwhile = [sample for sample in probe.samples if began < sample.start < ended]
    assert awake(meanwhile, probe.interval) > 100
    assert {sample.kind for sample in probe.failed} == {"timeout"}
    outage = max(probe.outages, key=lambda one: one.ms)  # a busy host's own threads may make one more
    assert outage.ms == pytest.approx((ended - began) * 1000, abs=BUSY_MS)


def test_a_process_that_may_have_few_files_open_asks_as_many_requests_as_it_can() -> None:
    """The asker ends with its input: it would have ended with an error before that."""
    server, allowed = Server(), 40
    server.answering.clear()
    with server.running() as url:
        place = urlsplit(url)
        order = {
            "host": place.hostname,
            "port": place.port,
            "request": "GET / HTTP/1.1\r\n\r\n",
            "expect": "",
            "interval": 0.01,
            "timeout": 0.9,
            "kept": False,
            "backend": "",
        }
        line = 'ulimit -n "$1" && exec "$2" -I -S "$3" "$4"'
        words = ["sh", "-c", line, "sh", str(allowed), sys.executable, asker.__file__, json.dumps(order)]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as asking:
            assert asking.stdin is not None
            assert asking.stdout is not None
            first = [asking.stdout.readline().split("\t")[2] for _ in range(30)]
            asking.stdin.close()
    assert first == ["timeout"] * 30
    assert asking.returncode == 0


def test_a_hang_shorter_than_the_time_out_is_latency_and_no_outage() -> None:
    server = Server()
    with server.running() as url:
        probe, began, ended = after(server, url, length=0.2, timeout=5)
    assert probe.outages == []
    assert percentiles(probe.samples)[100] == pytest.approx((ended - began) * 1000, abs=BUSY_MS)


@pytest.mark.parametrize("answer", [PAGE, PARTS])
def test_a_kept_connection_is_kept(answer: bytes) -> None:
    server = Server(answer)
    with server.running() as url, Probe(url, expect="hello from", kept=True, backend="from (.)") as probe:
        probe.wait_for_answer(within=5, after=time.monotonic() + 0.3)
    assert server.connections == 1
    assert rate(probe.samples) > 50, "each request waits for the one before, and for the server's thread"
    assert probe.failed == []
    assert list(backends(probe.samples)) == ["a"]


def test_each_request_has_its_own_connection_otherwise() -> None:
    server = Server()
    with server.running() as url, Probe(url) as probe:
        probe.wait_for_answer(within=5, after=time.monotonic() + 0.2)
    assert server.connections >= len(probe.samples)


def test_a_probe_that_sleeps_makes_the_run_void() -> None:
    server = Server()
    with server.running() as url, Probe(url) as probe:
        probe.wait_for_answer(within=5)
        assert probe._asker is not None
        os.kill(probe._asker.pid, signal.SIGSTOP)
        threading.Event().wait(0.4)
        os.kill(probe._asker.pid, signal.SIGCONT)
        probe.wait_for_answer(within=5, after=time.monotonic())
    with pytest.raises(Void, match="itself stood still for"):
        probe.require_sound()


def test_overlapping_requests_that_fail_beside_good_answers_are_short_outages() -> None:
    """One of two backends hangs: every other request fails, and nobody is without an answer for long."""
    taken = [Sample(n / 100, 1.0, "timeout") if n % 2 else Sample(n / 100, 0.002, "ok") for n in range(100)]
    found = outages(taken)
    assert max(outage.ms for outage in found) < 21 or not found[-1].over
    assert sum(outage.failed for outage in found) == 50


def test_the_lag_of_overlapping_requests_is_seen_in_their_starts() -> None:
    on_time = [Sample(n / 100, 0.5, "ok") for n in range(10)]
    assert lag(on_time, 0.01, 1) < 1e-9
    assert lag([*on_time, Sample(0.3, 0.5, "ok")], 0.01, 1) == pytest.approx(0.2)
    assert lag([Sample(0, 0.2, "ok"), Sample(0.2, 0.1, "ok")], 0.01, 1, kept=True) < 1e-9


def test_percentiles_are_answers_that_were_given() -> None:
    taken = [Sample(0, n / 1000, "ok") for n in range(1, 101)] + [Sample(0, 9, "timeout")]
    assert percentiles(taken) == {50: 50.0, 90: 90.0, 99: 99.0, 100: 100.0}
    assert percentiles([]) == {}


def test_the_probe_is_blind_for_as_long_as_requests_were_due_and_none_was_begun() -> None:
    on_time = [Sample(n / 100, 0.5, "ok") for n in range(10)]
    assert blind(on_time, 0.01) == 0
    stalled = [*on_time, Sample(0.3, 0.5, "ok"), Sample(0.305, 0.5, "ok"), Sample(0.515, 0.5, "ok")]
    assert blind(stalled, 0.01) == pytest.approx(0.2 + 0.2)
    assert blind([Sample(0, 0.2, "ok"), Sample(0.2, 0.1, "ok")], 0.01, kept=True) == 0
