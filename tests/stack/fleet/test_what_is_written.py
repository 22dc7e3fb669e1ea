"""What fleetd leaves in etcd and says of itself: values, TTLs, what stays; and two odd corners of the API."""

from __future__ import annotations

import hashlib
import json
import signal
from typing import TYPE_CHECKING

from tests.stack.fleet.test_api import OPTIONS, ask

if TYPE_CHECKING:
    from tests.stack.fleet.conftest import Etcd, Fleet

PREFIX = "/_coreos.com/fleet/"
TEXT = "[Service]\nExecStart=/bin/sleep 1d\n"


def test_the_values_and_ttls_are_the_originals(fleet: Fleet) -> None:
    fleet.up(1)
    fleet.ctl("start", fleet.unit("a.service"))
    fleet.eventually(lambda: fleet.place("a.service"), 5, "a.service runs")
    etcd = fleet.client()
    digest = hashlib.sha1(TEXT.encode()).hexdigest()
    machine = fleet.id(1)

    def read(key: str) -> tuple[str, bool]:
        node = etcd.get(PREFIX + key).node
        return node.value, node.ttl is not None and 15 < node.ttl <= 30

    assert read(f"unit/{digest}") == (json.dumps({"Raw": TEXT}, separators=(",", ":")), False)
    job, lives = read("job/a.service/object")
    assert (json.loads(job), lives) == (
        {"Name": "a.service", "UnitHash": list(bytes.fromhex(digest))},
        False,
    )
    assert read("job/a.service/target-state") == ("launched", False)
    assert read("job/a.service/target") == (machine, False)
    assert read("job/a.service/job-state") == (machine, True)
    state, lives = read(f"states/a.service/{machine}")
    assert lives
    assert json.loads(state) == {
        "loadState": "loaded",
        "activeState": "active",
        "subState": "running",
        "unitHash": digest,
        "machineState": {
            "ID": machine,
            "PublicIP": "",
            "Metadata": None,
            "Capabilities": None,
            "Version": "",
        },
    }
    there, lives = read(f"machines/{machine}/object")
    found = json.loads(there)
    assert lives
    assert (found["ID"], found["PublicIP"], found["Metadata"]) == (machine, "10.1.0.1", {})
    assert found["Capabilities"] == {"DISABLE_ENGINE": False, "GRPC": False}
    assert read("engine/version") == ("1", False)
    assert json.loads(etcd.get(PREFIX + "lease/engine-leader").node.value) == {
        "MachineID": machine,
        "Version": 1,
    }


def test_units_with_one_content_write_it_once(fleet: Fleet) -> None:
    fleet.up(1)
    fleet.ctl("submit", fleet.unit("a.service"))
    key = f"{PREFIX}unit/{hashlib.sha1(TEXT.encode()).hexdigest()}"
    before = fleet.client().get(key).node.modified
    fleet.ctl("submit", fleet.unit("b.service"))
    assert fleet.client().get(key).node.modified == before
    assert fleet.ctl("cat", "b.service").out == TEXT


def test_content_stays_when_its_unit_is_destroyed(fleet: Fleet) -> None:
    fleet.up(1)
    fleet.ctl("submit", fleet.unit("a.service"))
    fleet.ctl("destroy", "a.service")
    keys = {
        each.key.removeprefix(PREFIX) for each in fleet.client().get(PREFIX, recursive=True).node.leaves()
    }
    assert f"unit/{hashlib.sha1(TEXT.encode()).hexdigest()}" in keys
    assert not [key for key in keys if key.startswith("job/")]


def test_the_same_content_needs_a_desired_state(fleet: Fleet) -> None:
    fleet.up(1)
    assert ask(fleet, "PUT", "/fleet/v1/units/a.service", {"options": OPTIONS})[0] == 201
    status, answer = ask(fleet, "PUT", "/fleet/v1/units/a.service", {"options": OPTIONS})
    assert (status, answer["error"]["message"]) == (
        409,
        "must provide DesiredState to update existing unit",
    )


def test_the_state_is_dumped_at_usr1(fleet: Fleet) -> None:
    fleet.up(1)
    fleet.processes[1].send_signal(signal.SIGUSR1)

    def dumped() -> list[str]:
        return [line for line in fleet.log(1).splitlines() if line.startswith("{")]

    fleet.eventually(dumped, 5, "a dump")
    assert json.loads(dumped()[0])["Machines"] == [fleet.id(1)]


def test_a_write_without_etcd_is_refused_with_500_while_reads_go_on(fleet: Fleet, etcd: Etcd) -> None:
    fleet.up(1)
    fleet.ctl("start", fleet.unit("a.service"))
    etcd.stop()
    status, answer = ask(fleet, "PUT", "/fleet/v1/units/b.service", {"options": OPTIONS})
    reading, units = ask(fleet, "GET", "/fleet/v1/units")
    etcd.start()
    assert (status, answer["error"]["code"]) == (500, 500)
    assert (reading, [each["name"] for each in units["units"]]) == (200, ["a.service"])


def test_a_machine_without_an_engine_schedules_nothing(fleet: Fleet) -> None:
    fleet.flags = {1: ["--disable_engine", "true"]}
    fleet.up(1)
    done = fleet.ctl("start", "--block-attempts=1", fleet.unit("a.service"))
    assert (done.code, done.out) == (1, "Unit a.service inactive\n")
    there = fleet.client().get(f"{PREFIX}machines/{fleet.id(1)}/object").node.value
    assert json.loads(there)["Capabilities"]["DISABLE_ENGINE"] is True
    fleet.up(2)
    fleet.eventually(lambda: fleet.place("a.service"), 5, "the other machine's engine places it")
