"""The probe's figures hold against a real server on loopback that goes away for a known time."""

from __future__ import annotations

import contextlib
import http.server
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from lab.errors import MachineError
from lab.probe import Probe
from lab.samples import rate

PAGE = b"<h1>here</h1>"


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/" else 404)
        self.send_header("Content-Length", str(len(PAGE) + (10 if self.path == "/short" else 0)))
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def serving(port: int = 0) -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), Page) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.001})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def saying(answer: bytes, hold: float = 0.0) -> Iterator[int]:
    """A server that sends `answer` to whoever comes, and hangs up after `hold` seconds."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.01)

        def serve() -> None:
            while not stop.is_set():
                with contextlib.suppress(OSError):
                    connection = listener.accept()[0]
                    with connection:
                        connection.recv(4096)
                        connection.sendall(answer)
                        stop.wait(hold)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            stop.set()
            thread.join()


def kind_of(answer: bytes, hold: float = 0.0, expect: str = "") -> str:
    timeout = 0.1 if hold else 5.0  # a server's thread that is late is no time-out
    with (
        saying(answer, hold) as port,
        Probe(f"http://127.0.0.1:{port}/", expect=expect, timeout=timeout) as probe,
    ):
        return probe.wait_for_failure(within=5).kind


def test_an_absence_of_half_a_second_is_one_outage_of_that_length() -> None:
    with serving() as port:
        pass
    probe = Probe(f"http://127.0.0.1:{port}/", expect="here")
    gone, back = absence(port, 0.5, probe)
    outage = max(probe.outages, key=lambda one: one.ms)
    allowed = 150 + probe.blind * 1000  # exact: test_the_probe_itself.py
    assert outage.ms == pytest.approx((back - gone) * 1000, abs=allowed)
    kinds = {sample.kind for sample in probe.failed}
    assert "refused" in kinds
    assert kinds <= {"refused", "reset"}, "a server that goes resets whom it has not yet accepted"
    assert rate(probe.samples) > 50


def absence(port: int, length: float, probe: Probe) -> tuple[float, float]:
    """Serve, be away for `length` seconds, serve again; returns when it went and when it was back."""
    with contextlib.ExitStack() as asking:
        with serving(port):
            asking.enter_context(probe)
            probe.wait_for_answer(within=5)
        gone = time.monotonic()
        threading.Event().wait(length)
        with serving(port):
            back = time.monotonic()
            probe.wait_for_answer(within=5, after=back)
            asking.close()
    return gone, back


def test_a_server_that_is_not_there_refuses() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with Probe(f"http://127.0.0.1:{port}/") as probe:
        assert probe.wait_for_failure(within=5).kind == "refused"


def test_each_way_to_fail_has_its_own_name() -> None:
    assert kind_of(b"") == "reset"
    assert kind_of(b"", hold=1) == "timeout"
    assert kind_of(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n") == "http 503"
    assert kind_of(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", expect="here") == "body"
    assert kind_of(b"HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\nabc") == "reset"
    assert kind_of(b"no HTTP at all\r\n\r\n") == "garbled"


def test_an_answer_that_trickles_in_is_given_up_on_time() -> None:
    def trickle(listener: socket.socket, stop: threading.Event) -> None:
        with listener.accept()[0] as connection, contextlib.suppress(OSError):
            while not stop.wait(0.02):
                connection.sendall(b"H")

    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=trickle, args=(listener, stop))
        thread.start()
        with Probe(f"http://127.0.0.1:{listener.getsockname()[1]}/", timeout=0.2) as probe:
            sample = probe.wait_for_failure(within=5)
        stop.set()
        thread.join()
    assert sample.kind == "timeout"
    assert sample.duration < 1


def test_a_probe_that_asked_nothing_is_void() -> None:
    with pytest.raises(MachineError, match="void"):
        Probe("http://127.0.0.1:9/").require_sound()


def test_a_namespace_that_is_gone_ends_the_probe_with_its_own_words() -> None:
    with (
        pytest.raises(MachineError, match="lab-t-none is gone"),
        Probe("http://10.1.0.1/", "lab-t-none") as probe,
    ):
        probe.wait_for_answer(within=5)


def test_an_address_that_cannot_be_asked_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="not an http"):
        Probe("ftp://10.1.0.1/")
