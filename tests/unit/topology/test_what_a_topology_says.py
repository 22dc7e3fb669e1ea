"""What a topology file need not say, and what the lab makes of what it says."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

from lab import topology

ROOT = Path(__file__).resolve().parents[3]


def test_an_empty_file_is_the_lab_of_the_articles() -> None:
    lab = topology.parse("", "lab.yaml")

    assert [machine.name for machine in lab.machines] == ["coreos-1", "coreos-2", "coreos-3"]
    assert [str(machine.private) for machine in lab.machines] == ["10.1.0.101", "10.1.0.102", "10.1.0.103"]
    assert str(lab.machines[2].public) == "203.0.113.103"


def test_the_checkouts_own_file_says_the_defaults() -> None:
    assert topology.load(ROOT / "lab.yaml") == topology.parse("", "lab.yaml")


def test_addresses_follow_the_place_in_the_list_unless_given() -> None:
    lab = topology.parse("machines: [{name: a}, {name: b, private: 10.1.0.50}, {name: c}]", "lab.yaml")

    assert [str(machine.private) for machine in lab.machines] == ["10.1.0.101", "10.1.0.50", "10.1.0.103"]


def test_a_machine_can_do_without_a_public_address() -> None:
    lab = topology.parse("machines: [{name: a, public: null}]", "lab.yaml")

    assert lab.machines[0].public is None


def test_the_lab_has_the_first_address_of_each_network() -> None:
    lab = topology.parse("networks: {private: 10.9.0.0/24}", "lab.yaml")

    assert lab.lab_address("private") == IPv4Interface("10.9.0.1/24")
    assert lab.machines[0].private == IPv4Address("10.9.0.101")


def test_emulated_machines_get_a_slower_raft_clock() -> None:
    timings = topology.parse("", "lab.yaml").etcd

    assert timings.milliseconds(emulated=False) == (100, 1000)
    assert timings.milliseconds(emulated=True) == (500, 5000)


def test_a_timing_that_is_given_holds_everywhere() -> None:
    timings = topology.parse("etcd: {heartbeat: 200ms, election: 3s}", "lab.yaml").etcd

    assert timings.milliseconds(emulated=False) == timings.milliseconds(emulated=True) == (200, 3000)


def test_a_machines_id_differs_between_labs_and_lasts() -> None:
    first, second = topology.parse("", "lab.yaml").machines[:2]

    assert first.machine_id("one") == first.machine_id("one")
    assert len({first.machine_id("one"), first.machine_id("two"), second.machine_id("one")}) == 3
    assert len(first.machine_id("one")) == 32
