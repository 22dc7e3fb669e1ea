"""What is amiss with a lab is said in words that name the machine."""

from __future__ import annotations

from lab.health import behind, unlisted

WANTED = {"10.1.0.101": "coreos-1", "10.1.0.102": "coreos-2"}


def test_all_members_at_one_index_and_all_machines_listed_is_health() -> None:
    assert behind({"coreos-1": 7, "coreos-2": 9}, 7) == []
    assert unlisted(["10.1.0.101", "10.1.0.102"], WANTED) == []


def test_a_member_behind_the_others_is_named() -> None:
    assert behind({"coreos-1": 6, "coreos-2": 9}, 7) == ["etcd on coreos-1 is at index 6, others at 7"]


def test_a_machine_that_fleet_lists_not_or_twice_is_named() -> None:
    assert unlisted(["10.1.0.101", "10.1.0.101"], WANTED) == [
        "fleet does not list coreos-2",
        "fleet lists 10.1.0.101 twice",
    ]
