"""The fixture `timeline` has what happens on real machines, in the order in which it happens."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise

import pytest

from lab import faults
from lab.etcd import EtcdFailed
from lab.recorder import Recorder
from lab.running import Lab
from lab.timeline import Event, Kind, first
from lab.waiting import eventually

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="machines need root")
PATIENCE = 90.0  # fleet.agent_ttl is 30 s
KEY, TTL = "/timeline/key", 3
OTHER = "/timeline/forever"
UNIT = "timeline-test.service"
STAYS = """\
[Unit]
Description=Stays on the machine that is about to lose its power

[Service]
ExecStart=/bin/sleep infinity

[X-Fleet]
MachineID={machine}
"""
HEARD = 0.2  # seconds by which the timeline may hear of a key's change later than we


@pytest.fixture
def leader(lab: Lab) -> Iterator[str]:
    """etcd's leader, with a unit of fleet on its machine."""
    name = eventually(lab.etcd.leader, PATIENCE, "there is a leader", ignoring=(EtcdFailed,))
    lab[name].put(STAYS.format(machine=lab.specs[name].env["LAB_MACHINE_ID"]), UNIT)
    lab[name].run(["fleetctl", "start", UNIT])
    lab.fleet.wait_running(UNIT)
    yield name
    lab.fleet.destroy(UNIT)
    lab.etcd.delete(OTHER)


def test_a_power_loss_of_etcd_s_leader_is_told_in_order(lab: Lab, leader: str, timeline: Recorder) -> None:
    other = next(name for name in lab.specs if name != leader)
    listed = f"/_coreos.com/fleet/machines/{lab.specs[leader].env['LAB_MACHINE_ID']}/object"

    lab.etcd.set(OTHER, "stays")
    lab.etcd.set(KEY, "goes", ttl=TTL)
    with faults.power_loss(lab, leader) as loss:
        for key in (KEY, listed):
            eventually(
                lambda key=key: lab.etcd.get(key, member=other) is None,  # type: ignore[misc]
                PATIENCE,
                f"{key} is gone",
                ignoring=(EtcdFailed,),
            )
    lab.fleet.wait_running(UNIT, within=PATIENCE)

    events = timeline.events()

    def told(kind: Kind, lane: str, what: str, after: float = loss.at) -> Event:
        found = first(events, after, kind, lane=lane, what=(what,))
        assert found is not None, [(event.kind, event.lane, event.what) for event in events]
        return found

    assert timeline.missing == []
    order = [
        told("unit", UNIT, "running", timeline.start),
        told("key", KEY, "set", timeline.start),
        told("fault", leader, "power-loss"),
        told("key", KEY, "expired"),
        told("machine", leader, "expired"),
        told("heal", leader, "power-loss"),
        told("boot", leader, "boot"),
        told("unit", UNIT, "started"),
    ]
    moments = [event.at for event in order]
    assert all(before < after + HEARD for before, after in pairwise(moments)), order
    elected = next(
        event for event in events if event.kind == "leader" and event.what == "elected" and event.at > loss.at
    )
    assert elected.machine != leader
    assert loss.at < elected.at < told("machine", leader, "expired").at
    assert told("heal", leader, "power-loss").at < told("healed", leader, "power-loss").at
    assert told("boot", leader, "boot").at < told("healed", leader, "power-loss").at
    assert abs(told("fault", leader, "power-loss").at - loss.at) < HEARD
    assert order[3].at - order[1].at >= TTL - HEARD
    assert not [event for event in events if event.lane == OTHER and event.at > loss.at]


def test_a_container_that_runs_by_itself_is_told_of_as_well(lab: Lab, timeline: Recorder) -> None:
    """No unit of systemd runs it, so that no journal has it."""
    node = lab["coreos-1"]
    node.run(["docker", "run", "--detach", "--name", "alone", "nginx"], timeout=PATIENCE)
    try:
        node.run(["docker", "exec", "alone", "nginx", "-s", "reload"], timeout=PATIENCE)
        node.run(["docker", "kill", "alone"])
        events = timeline.events()
    finally:
        node.run(["docker", "rm", "--force", "alone"], check=False)
    seen = [(event.kind, event.what) for event in events if event.lane == "coreos-1:alone"]
    assert [seen[0], seen[-1]] == [("unit", "started"), ("unit", "exited")]
    assert ("proxy", "follows") in seen
