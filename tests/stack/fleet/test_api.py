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
    fleet: Fleet,
    method: str,
    path: str,
    body: Any = None,
    kind: str = "application/json",
    *,
    parse: bool = True,
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
    status = int(first.split()[1])
    return status, (json.loads(text) if parse else text.decode()) if text else None


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


def test_the_state_of_one_unit_has_an_address_of_its_own(fleet: Fleet) -> None:
    fleet.up(1)
    fleet.ctl("start", fleet.unit("a.service"), fleet.unit("b.service"))
    fleet.eventually(lambda: fleet.place("a.service"), 5, "running")
    status, state = ask(fleet, "GET", "/fleet/v1/state/a.service")
    assert (status, state["name"], state["machineID"]) == (200, "a.service", fleet.id(1))
    assert state["systemdActiveState"] == "active"
    missing = {"error": {"code": 404, "message": "unit does not exist"}}
    assert ask(fleet, "GET", "/fleet/v1/state/c.service") == (404, missing)


def test_discovery_names_every_path_and_method_that_there_is(fleet: Fleet) -> None:
    fleet.up(1)
    _, document = ask(fleet, "GET", "/fleet/v1/discovery")
    methods = [each for one in document["resources"].values() for each in one["methods"].values()]
    assert sorted(f"{each['httpMethod']} {each['path']}" for each in methods) == [
        "DELETE units/{unitName}",
        "GET machines",
        "GET state",
        "GET state/{unitName}",
        "GET units",
        "GET units/{unitName}",
        "PATCH machines",
        "PUT units/{unitName}",
    ]
    for each in methods:
        path = document["basePath"] + each["path"].format(unitName="none.service")
        status, _ = ask(fleet, each["httpMethod"], path, {})
        assert status != 405, each


def test_metrics_count_machines_and_units_in_prometheus_text(fleet: Fleet) -> None:
    fleet.up(1)
    fleet.ctl("start", fleet.unit("a.service"), fleet.unit("b.service"))
    fleet.ctl("submit", fleet.unit("c.service"))
    status, text = ask(fleet, "GET", "/fleet/v1/metrics", parse=False)
    samples = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert status == 200
    assert samples == {
        "fleet_machines": "1",
        'fleet_units{desired="inactive"}': "1",
        'fleet_units{desired="launched"}': "2",
    }


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
