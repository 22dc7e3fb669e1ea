"""A host is taken away: its instances say goodbye, its etcd leaves the cluster, and no client notices."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from lab.timeline_keys import Keys
from scenarios.dockreg.article import HOSTS, Dockreg
from scenarios.dockreg.traffic import Traffic


@pytest.mark.claim("B1", "B12")
def test_a_host_leaves_cleanly(balanced: Dockreg, figure: Callable[[str, float, str], None]) -> None:
    staying, leaving = balanced.start(HOSTS[1]), balanced.start(HOSTS[2])
    balanced.wait_registered(staying, leaving)
    with Traffic(balanced) as traffic:
        traffic.wait_for(staying.name, balanced.patience)
        traffic.wait_for(leaving.name, balanced.patience)
        with Keys(balanced.lab) as keys:
            balanced.reader.types("leave")
            balanced.follow()
            assert not balanced.registered(leaving)
            ends = [event.what for event in keys.events() if event.lane == leaving.key]
        assert ends[-1] == "deleted", "it said goodbye: its time to live was not over"
        assert [member.name for member in balanced.lab.etcd.members()] == list(HOSTS[:2])
        left = time.monotonic()
        traffic.wait_for(staying.name, balanced.noticed + balanced.patience, after=left + balanced.noticed)
        traffic.wait_for_requests(left)
    figure("requests", traffic.rate, "/s")
    figure("failed requests", len(traffic.failed), f"of {len(traffic.samples)}")
    figure("slowest answer", traffic.slowest.duration * 1000, "ms")
    assert traffic.failed == [], traffic.complaints()
