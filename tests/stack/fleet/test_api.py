"""The HTTP API v1 of a running fleetd, asked as the original's clients ask it."""

from __future__ import annotations

import json
import signal
import socket
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.stack.fleet.conftest import Fleet

OPTIONS = [{"section": "Service", "name": "ExecStart", "value": "/bin/sleep 1d"}]


def ask(
    fleet: Fleet, method: str, path: str, body: Any = None, kind: str = "application/json"
) -> tuple[int, Any]:
    data = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    head += f"Content-Type: {kind}\r\nContent-Length: {len(data)}\r\n\r\n"
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(10)
        link.connect(str(fleet.socket(1)))
        link.sendall(head.encode() + data)
        answer = b""
        while part := link.recv(65536):
            answer += part
    first, _, rest = answer.partition(b"\r\n")
    assert b"\r\nServer: fleetd/" in b"\r\n" + rest
    text = rest.partition(b"\r\n\r\n")[2]
    return int(first.split()[1]), json.loads(text) if text else None


def test_a_unit_is_put_read_changed_and_deleted(fleet: Fleet) -> None:
    fleet.up(1)
    unit = {"name": "a.service", "desiredState": "launched", "options": OPTIONS}
    assert ask(fleet, "PUT", "/fleet/v1/units/a.service", unit) == (201, None)
    fleet.eventually(lambda: fleet.place("a.service"), 5, "running")
    assert ask(fleet, "GET", "/fleet/v1/units/a.service?alt=json") == (
        200,
        {**unit, "currentState": "launched", "machineID": fleet.id(1)},
    )
    assert ask(fleet, "PUT", "/v1-alpha/units/a.service", {"desiredState": "loaded"}) == (204, None)
    status, states = ask(fleet, "GET", f"/fleet/v1/state?machineID={fleet.id(1)}&unitName=a.service")
    assert (status, sorted(states["states"][0])) == (
        200,
        ["hash", "machineID", "name", "systemdActiveState", "systemdLoadState", "systemdSubState"],
    )
    assert ask(fleet, "DELETE", "/fleet/v1/units/a.service") == (204, None)
    missing = {"error": {"code": 404, "message": "unit does not exist"}}
    assert ask(fleet, "DELETE", "/fleet/v1/units/a.service") == (404, missing)


@pytest.mark.parametrize(
    ("name", "body", "kind", "status", "message"),
    [
        (
            "a.service",
            {"desiredState": "launched"},
            "application/json",
            409,
            "unit does not exist and options",
        ),
        ("a.service", {"options": OPTIONS}, "text/plain", 415, "Content-Type"),
        ("a", {"options": OPTIONS}, "application/json", 400, 'must contain "."'),
        ("a.service", {"options": [1]}, "application/json", 400, "array of objects"),
        ("x@.service", {"options": OPTIONS, "desiredState": "launched"}, "application/json", 400, "template"),
        ("a.service", {"options": OPTIONS, "desiredState": "up"}, "application/json", 400, "desiredState"),
        (
            "a.service",
            {"options": [{"section": "S", "name": "x", "value": "1\n[X-Fleet]\nGlobal=true"}]},
            "application/json",
            400,
            "line end",
        ),
    ],
)
def test_a_bad_unit_is_refused(
    fleet: Fleet, name: str, body: Any, kind: str, status: int, message: str
) -> None:
    fleet.up(1)
    got, answer = ask(fleet, "PUT", f"/fleet/v1/units/{name}", body, kind)
    assert got == status == answer["error"]["code"]
    assert message in answer["error"]["message"]


def test_lists_come_in_pages(fleet: Fleet) -> None:
    fleet.flags = {1: ["--token_limit", "2"]}
    fleet.up(1)
    assert ask(fleet, "GET", "/fleet/v1/units") == (200, {})
    for each in "abcde":
        ask(fleet, "PUT", f"/fleet/v1/units/{each}.service", {"options": OPTIONS})
    names, token, pages = [], "", 0
    while pages == 0 or token:
        _, page = ask(fleet, "GET", f"/fleet/v1/units?nextPageToken={token}")
        names += [each["name"][0] for each in page["units"]]
        token, pages = page.get("nextPageToken", ""), pages + 1
    assert ("".join(names), pages) == ("abcde", 3)
    assert ask(fleet, "GET", "/fleet/v1/units?nextPageToken=EwBMLg==")[0] == 400


def test_metadata_is_changed_while_the_machine_runs(fleet: Fleet) -> None:
    fleet.up(1)
    path = f"/{fleet.id(1)}/metadata/disk"
    for value in ("ssd", {"value": "hdd"}):
        assert (
            ask(fleet, "PATCH", "/fleet/v1/machines", [{"op": "add", "path": path, "value": value}])[0] == 204
        )
    assert fleet.ctl("list-machines", "--no-legend").out.endswith("\tdisk=hdd\n")
    assert ask(fleet, "PATCH", "/fleet/v1/machines", [{"op": "remove", "path": path}])[0] == 204
    assert fleet.ctl("list-machines", "--no-legend").out.endswith("\t-\n")
    assert ask(fleet, "PATCH", "/fleet/v1/machines", [{"op": "test", "path": path}])[0] == 400


def test_other_paths_and_methods_are_not_allowed(fleet: Fleet) -> None:
    fleet.up(1)
    assert ask(fleet, "GET", "/")[0] == 405
    assert ask(fleet, "POST", "/fleet/v1/units", {})[0] == 405
    assert ask(fleet, "GET", "/fleet/v1/discovery")[0] == 200


def test_a_kept_connection_ends_with_a_reload_so_that_no_old_answer_is_given(fleet: Fleet) -> None:
    fleet.up(1)
    request = b"GET /fleet/v1/machines HTTP/1.1\r\nHost: x\r\n\r\n"
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(10)
        link.connect(str(fleet.socket(1)))
        link.sendall(request)
        assert link.recv(65536).startswith(b"HTTP/1.1 200")
        fleet.processes[1].send_signal(signal.SIGHUP)
        assert link.recv(65536) == b""
