"""Lines of a journal, as machines of the lab wrote them, become the events that they tell of."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lab.timeline_journal import classify, read

BOOT, NEXT = "a" * 32, "b" * 32
STARTED = "39f53479d3a045ac8e11786248231fbf"


def entry(message: str, unit: str = "", **fields: Any) -> dict[str, Any]:
    return {"MESSAGE": message, "_SYSTEMD_UNIT": unit, "_BOOT_ID": BOOT, **fields}


@pytest.mark.parametrize(
    ("unit", "message", "told"),
    [
        (
            "fleet.service",
            "INFO fleet.engine: EngineReconciler scheduled Unit(apache.service) to Machine(42b0)",
            ("fleet", "apache.service", "scheduled"),
        ),
        (
            "fleet.service",
            "INFO fleet.engine: EngineReconciler unscheduled Unit(apache.service): its machine is gone",
            ("fleet", "apache.service", "unscheduled"),
        ),
        ("fleet.service", "INFO fleet.engine: leading the cluster's engine", ("fleet", "coreos-1", "leads")),
        ("fleet.service", "INFO fleet.heart: registered as 0b6b3a", ("fleet", "coreos-1", "registered")),
        (
            "etcd.service",
            '{"level":"info","msg":"raft.node: 90ad elected leader 4db9 at term 2"}',
            ("leader", "coreos-1", "elected"),
        ),
        (
            "etcd.service",
            '{"msg":"raft.node: 90ad lost leader 4db9 at term 2"}',
            ("leader", "coreos-1", "lost"),
        ),
        (
            "apache-dyn-amb.service",
            "2026-11-20T16:41:18.515Z /services/apache-A: provider 10.1.0.101:32768",
            ("proxy", "apache-dyn-amb.service", "follows"),
        ),
        (
            "haproxy.service",
            "Server www-backend/apache is UP, reason: Layer4 check passed",
            ("proxy", "haproxy.service", "follows"),
        ),
        (
            "confd.service",
            "INFO Target config /etc/nginx/nginx.conf has been updated",
            ("proxy", "confd.service", "follows"),
        ),
        (
            "nginx.service",
            "2026/11/28 03:37:15 [notice] 1#1: signal 1 (SIGHUP) received from 21, reconfiguring",
            ("proxy", "nginx.service", "follows"),
        ),
    ],
)
def test_what_programs_say_is_an_event(unit: str, message: str, told: tuple[str, str, str]) -> None:
    event = classify(entry(message, unit), "coreos-1", 5.0)
    assert event is not None
    assert (event.kind, event.lane, event.what) == told
    assert (event.at, event.machine) == (5.0, "coreos-1")


def test_a_unit_s_state_is_told_by_systemd_s_own_mark() -> None:
    said = entry("Started.", SYSLOG_IDENTIFIER="systemd", UNIT="apache.service", MESSAGE_ID=STARTED)
    event = classify(said, "coreos-1", 1.0)
    assert event is not None
    assert (event.kind, event.lane, event.what) == ("unit", "apache.service", "started")


@pytest.mark.parametrize(
    "said",
    [
        entry("Started.", SYSLOG_IDENTIFIER="systemd", UNIT="dbus.service", MESSAGE_ID=STARTED),
        entry("Mounted.", SYSLOG_IDENTIFIER="systemd", UNIT="tmp.mount", MESSAGE_ID=STARTED),
        entry("Something else", SYSLOG_IDENTIFIER="systemd", UNIT="apache.service"),
        entry("GET / HTTP/1.1", "haproxy.service"),
        entry("INFO fleet.agent: all is well", "fleet.service"),
        {"MESSAGE": [1, 2, 3], "_BOOT_ID": BOOT},
        {},
    ],
)
def test_the_rest_tells_of_nothing(said: dict[str, Any]) -> None:
    assert classify(said, "coreos-1", 1.0) is None


def test_times_are_the_host_s_and_a_new_boot_is_an_event() -> None:
    lines = [
        json.dumps({**entry("x"), "__MONOTONIC_TIMESTAMP": "100000000"}),
        "a line that a loss of power has cut",
        json.dumps({**entry("x"), "__MONOTONIC_TIMESTAMP": "5000000", "_BOOT_ID": NEXT}),
        json.dumps({**entry("x"), "__MONOTONIC_TIMESTAMP": "6000000", "_BOOT_ID": "c" * 32}),
    ]
    (event,) = read(lines, "coreos-2", {BOOT: lambda up: up - 90.0, NEXT: lambda up: up + 5.0}, [BOOT])
    assert (event.kind, event.at, event.machine) == ("boot", 10.0, "coreos-2")
