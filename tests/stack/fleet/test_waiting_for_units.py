"""What `fleetctl start` makes of a unit's states as they follow each other, as a server tells them."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from fleet.ctl import waiting
from fleet.ctl.client import Client
from fleet.ctl.failure import Failure


def test_a_unit_that_is_active_for_a_moment_only_was_not_started() -> None:
    with telling({"bad.service": ["active", "failed"]}) as client, pytest.raises(Failure) as refused:
        waiting.for_active(client, ["bad.service"])
    assert "Failed to find an active unit bad.service within 2s" in str(refused.value)


def test_one_of_several_units_that_ends_at_once_is_named() -> None:
    units = {"good.service": ["active"], "bad.service": ["active", "failed"]}
    with telling(units) as client, pytest.raises(Failure, match=r"active unit bad\.service"):
        waiting.for_active(client, units)


def test_units_that_stay_active_are_looked_at_twice_and_not_waited_for() -> None:
    units = {f"u@{number}.service": ["activating", "active"] for number in range(3)}
    with telling(units) as client:
        waiting.for_active(client, units)


def test_a_unit_that_starts_again_after_its_first_end_counts_when_it_is_active() -> None:
    with telling({"late.service": ["active", "activating", "activating", "active"]}) as client:
        waiting.for_active(client, ["late.service"])


def test_a_unit_is_waited_for_while_what_it_comes_after_pulls_its_image() -> None:
    slow = ["activating", "activating", "activating", "active"]  # looked at once a second
    units = {
        "web@7.service": slow,
        "bus.service": ["active"],
        "web-key@7.service": ["inactive"] * 25 + ["active"],
    }
    after = {"web-key@7.service": "etcd.service bus.service", "bus.service": "web@7.service"}
    with telling(units, after) as client:
        waiting.for_active(client, ["web-key@7.service"])


def test_a_machine_that_answers_slowly_is_looked_at_as_often_as_another_one() -> None:
    with telling({"slow.service": ["inactive"] * 12 + ["active"]}, pause=0.15) as client:
        waiting.for_active(client, ["slow.service"])


def test_a_unit_whose_predecessor_has_failed_is_not_waited_for() -> None:
    units = {"web@7.service": ["failed"], "web-key@7.service": ["inactive"]}
    with telling(units, {"web-key@7.service": "web@%i.service"}) as client, pytest.raises(Failure):
        waiting.for_active(client, ["web-key@7.service"])


@contextmanager
def telling(
    units: dict[str, list[str]], after: Mapping[str, str] | None = None, pause: float = 0.0
) -> Iterator[Client]:
    """A client of a server that tells at each look the next state of a unit, and the last one for ever.

    `after` has what a unit's file says of the units before it; `pause` is seconds before each answer.
    """
    looks = dict.fromkeys(units, 0)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            time.sleep(pause)
            place, _, unit = urlsplit(self.path).path.rpartition("/units/")
            if place:
                option = {"section": "Unit", "name": "After", "value": (after or {}).get(unquote(unit), "")}
                self.answer({"name": unquote(unit), "options": [option]})
                return
            wanted = parse_qs(urlsplit(self.path).query).get("unitName", list(units))
            states = []
            for name in filter(units.__contains__, wanted):
                state = units[name][min(looks[name], len(units[name]) - 1)]
                looks[name] += 1
                states.append({"name": name, "systemdActiveState": state, "systemdSubState": "any"})
            self.answer({"states": states})

        def answer(self, content: object) -> None:
            body = json.dumps(content).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    connection = socket.create_connection(("127.0.0.1", server.server_port))
    try:
        yield Client(lambda: connection, 5.0)
    finally:
        connection.close()
        server.shutdown()
        server.server_close()
        thread.join()
