"""A service that is not back within its budget: who wants to look does so before the fault is healed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from lab import faults, judge
from lab import measure as measuring
from lab.breakdown import Service
from lab.errors import UserError
from lab.measure import measure
from lab.measurement import Budget, Measurement, Stack
from lab.roles import Target
from lab.running import Lab
from lab.timeline import Event


class Server(ThreadingHTTPServer):
    """Serves its page until `away` is set."""

    away = False

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(503 if cast(Server, self.server).away else 200)
            self.send_header("Content-Length", "4")
            self.end_headers()
            self.wfile.write(b"here")

        def log_message(self, format: str, *words: Any) -> None: ...

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), self.Page)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/"


class Away(faults.Kind):
    """A fault that the service is back from after its healing alone, or `returns` seconds after the fault."""

    name = "pause"
    summary = "for this test"

    def __init__(self, server: Server, *, stays: bool, returns: float = 0.0) -> None:
        self._server = server
        self._stays = stays
        self._returns = returns
        self.done: list[str] = []
        self.impossible = ""
        self.mistaken = ""

    def check(self, lab: Lab, target: Target, amount: str) -> str:
        if self.mistaken:
            raise UserError(self.mistaken)
        return super().check(lab, target, amount)

    def available(self, lab: Lab) -> str:
        return self.impossible

    def inject(self, lab: Lab, target: Target, amount: str) -> None:
        self.done.append("made")
        self._server.away = self._stays
        if self._returns:
            threading.Timer(self._returns, setattr, (self._server, "away", False)).start()

    def heal(self, lab: Lab, target: Target) -> None:
        self.done.append("healed")
        self._server.away = False


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as made:
        threading.Thread(target=made.serve_forever, args=(0.05,), daemon=True).start()
        yield made
        made.shutdown()


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A lab that is always whole, on the host's own loopback, and tells nothing but faults."""
    recorder = SimpleNamespace(events=lambda *_: [], clock_error=lambda: 0.0, missing=[])
    monkeypatch.setattr(measuring, "Recorder", lambda lab: _block(recorder))
    monkeypatch.setattr(measuring, "require_start", lambda *_: None)
    monkeypatch.setattr(faults, "require_healthy", lambda *_: None)
    monkeypatch.setattr(judge, "undecided", lambda *_: [])  # a busy host is not what is shown here
    monkeypatch.setattr(measuring, "NOTICED", 0.5)
    monkeypatch.setattr("lab.faults.base.view", lambda lab: None)
    monkeypatch.setattr("lab.faults.base.resolve", lambda *_: Target(("coreos-1",)))
    provider = SimpleNamespace(emulated=False)
    record = SimpleNamespace(provider="nspawn")
    made = SimpleNamespace(folder=tmp_path, namespace="", provider=provider, record=record, on_trouble=None)
    return cast(Lab, made)


class _block:
    """A context that gives what it was made with."""

    def __init__(self, value: object) -> None:
        self._value = value

    def __enter__(self) -> object:
        return self._value

    def __exit__(self, *problem: object) -> None: ...


def taken(
    lab: Lab, server: Server, kind: Away, seconds: float = 0.3, *, told: bool = False, barred: str = ""
) -> Measurement:
    stack = Stack("toy", lambda: server.url, "here", lambda: Service("toy.service", (), ()), interval=0.05)
    budget = Budget(seconds * 1000, "as the test says")
    return measure(lab, stack, kind, "coreos-1", budget, told=told, barred=barred)


def test_who_wants_to_look_does_so_while_it_is_away(lab: Lab, server: Server) -> None:
    kind = Away(server, stays=True)
    lab.on_trouble = lambda problem: kind.done.append(f"looked: {str(problem).partition(' answers')[0]}")
    result = taken(lab, server, kind)
    assert kind.done == ["made", f"looked: {server.url}", "healed"]
    assert result.verdict == "over"
    assert result.why.endswith("for 0 s of it somebody looked, with the fault in place")


def test_without_one_who_looks_it_is_over_its_budget_all_the_same(lab: Lab, server: Server) -> None:
    result = taken(lab, server, Away(server, stays=True))
    assert result.verdict == "over"
    assert "somebody looked" not in result.why
    assert f"the host's processors were {result.load} meanwhile" in result.why, "it may be the host's fault"


def test_nobody_looks_at_a_service_that_is_there(lab: Lab, server: Server) -> None:
    kind = Away(server, stays=False)
    lab.on_trouble = lambda problem: kind.done.append(f"looked: {problem}")
    result = taken(lab, server, kind, seconds=60)  # time for a busy host to answer steadily
    assert kind.done == ["made", "healed"]
    assert (result.verdict, result.why) == ("within", "")
    assert (result.interval, result.timeout) == (0.05, 1.0), "what was asked, and how patiently, is kept"


def test_a_page_that_is_not_there_before_the_fault_makes_the_run_void(
    lab: Lab, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = [Event(1.0, "unit", "toy.service", "failed", "", "coreos-1")]
    monkeypatch.setattr(measuring, "Recorder", lambda lab: _block(SimpleNamespace(events=lambda *_: seen)))
    monkeypatch.setattr(measuring, "patience", lambda lab: 0.5)
    server.away = True
    kind = Away(server, stays=True)
    result = taken(lab, server, kind)
    assert (result.verdict, result.samples, kind.done) == ("void", (), [])
    assert result.events == seen, "what is known of how it came about"
    assert "before the fault" in result.why
    assert "http 503" in result.why


def test_what_is_not_possible_is_a_result_and_nothing_is_made(lab: Lab, server: Server) -> None:
    kind = Away(server, stays=True)
    kind.impossible = "there is no such thing here"
    result = taken(lab, server, kind)
    assert (result.verdict, result.why, kind.done) == ("impossible", "there is no such thing here", [])


def test_what_clients_of_this_stack_cannot_measure_here_is_not_made_either(lab: Lab, server: Server) -> None:
    kind = Away(server, stays=True)
    result = taken(lab, server, kind, barred="its address may move")
    assert (result.verdict, result.why, kind.done) == ("impossible", "its address may move", [])


def test_an_outage_that_is_to_be_told_and_is_not_is_no_success(lab: Lab, server: Server) -> None:
    result = taken(lab, server, Away(server, stays=True, returns=0.5), seconds=60, told=True)
    assert result.verdict == "over"
    assert "only this is known" in result.why


def test_whom_it_was_to_hit_may_lead_no_longer_and_then_nothing_is_measured(lab: Lab, server: Server) -> None:
    kind = Away(server, stays=True)
    kind.mistaken = "coreos-1 does not lead etcd, coreos-2 does"
    result = taken(lab, server, kind)
    assert (result.verdict, result.why) == ("void", f"void, no measurement: {kind.mistaken}")
    assert kind.done == []
