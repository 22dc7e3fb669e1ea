"""A change as etcd tells it becomes the event that a reader of the timeline looks for."""

from __future__ import annotations

from typing import Any

import pytest

from lab.timeline_keys import event_of

FLEET = "/_coreos.com/fleet/"


def change(action: str, key: str, value: str = "", before: str | None = None) -> dict[str, Any]:
    document: dict[str, Any] = {"action": action, "node": {"key": key, "modifiedIndex": 7}}
    if value:
        document["node"]["value"] = value
    if before is not None:
        document["prevNode"] = {"value": before}
    return document


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (change("set", "/a", "1"), ("key", "/a", "set")),
        (change("set", "/a", "2", "1"), ("key", "/a", "set")),
        (change("set", "/a", "1", "1"), ("key", "/a", "refreshed")),
        (change("expire", "/a", before="1"), ("key", "/a", "expired")),
        (change("compareAndDelete", "/a", before="1"), ("key", "/a", "deleted")),
        (change("expire", FLEET + "machines/42b0/object", before="{}"), ("machine", "42b0", "expired")),
        (change("create", FLEET + "job/apache.service/target", "42b0"), ("target", "apache.service", "set")),
    ],
)
def test_a_change_is_told(told: dict[str, Any], expected: tuple[str, str, str]) -> None:
    event = event_of(told, 3.0)
    assert event is not None
    assert (event.kind, event.lane, event.what) == expected


@pytest.mark.parametrize("key", ["states/apache.service/42b0", "lease/engine-leader", "unit/abc"])
def test_fleet_s_housekeeping_is_not(key: str) -> None:
    assert event_of(change("set", FLEET + key, "x"), 3.0) is None
    assert event_of(change("set", FLEET + "machines/42b0/object", "x", "x"), 3.0) is None
