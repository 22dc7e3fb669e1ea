"""A measurement is judged by its budget, by each phase's bound, and by its keys' TTLs."""

from __future__ import annotations

import pytest

from lab.breakdown import Share
from lab.judge import over_bounds, over_budget, stale_keys, undecided, untold
from lab.timeline import Event


def test_an_outage_over_its_budget_is_told_with_where_the_budget_comes_from() -> None:
    assert over_budget(999, 1000, "x") == []
    assert over_budget(1001, 1000, "agent_ttl 1 s") == [
        "1001 ms without an answer, 1000 ms allowed (agent_ttl 1 s)"
    ]


def test_an_outage_is_told_by_more_than_one_part_that_took_time() -> None:
    first = Share("first answer", 30_000)
    assert untold([Share("detection", 3_000), first]) == []
    assert len(untold([Share("detection", 0), first])) == 1, "it was seen before this outage began"
    assert len(untold([Share("detection", 3_000, seen=False), first])) == 1
    assert len(untold([])) == 1


def test_a_phase_may_take_its_bound_and_the_slack() -> None:
    shares = [Share("detection", 31_000, 30_000, "agent_ttl"), Share("start", 90_000)]
    assert over_bounds(shares, 1500) == []
    assert over_bounds(shares, 500) == ["detection took 31000 ms, at most 30000 ms by agent_ttl"]


@pytest.mark.parametrize(("seen", "complaints"), [(True, 1), (False, 0)])
def test_a_service_that_is_registered_serves_and_without_a_registration_nobody_knows(
    seen: bool, complaints: int
) -> None:
    shares = [Share("registration", 10, seen=seen), Share("first answer", 3_000, 0.0, "it serves then")]
    assert len(over_bounds(shares, 1500)) == complaints


@pytest.mark.parametrize(
    ("at", "what", "stale"),
    [(14.0, "expired", False), (12.0, "set", False), (9.0, "refreshed", True), (17.0, "expired", True)],
)
def test_a_key_must_go_or_change_within_its_ttl(at: float, what: str, stale: bool) -> None:
    told = stale_keys([Event(at, "key", "/a", what)], ["/a"], at=10.0, until=30.0, ttl=4.0, slack=1.0)
    assert bool(told) == stale


SEEN = [
    Event(9.0, "key", "/s/1", "set"),
    Event(9.5, "key", "/s/2", "set"),
    Event(9.7, "key", "/s/3", "deleted"),
]


@pytest.mark.parametrize(
    ("after", "stale"),
    [
        ([], ["/s/1", "/s/2"]),
        ([Event(14.0, "key", "/s/1", "expired")], ["/s/2"]),
        ([Event(14.0, "key", "/s/1", "expired"), Event(14.1, "key", "/s/2", "deleted")], []),
    ],
)
def test_each_key_that_was_there_must_go_where_one_stands_for_many(
    after: list[Event], stale: list[str]
) -> None:
    told = stale_keys([*SEEN, *after], ["/s/"], at=10.0, until=30.0, ttl=4.0, slack=1.0)
    assert [complaint.split()[0] for complaint in told] == stale


def test_a_key_that_nobody_wrote_meanwhile_has_to_be_seen_going() -> None:
    """A refresh that wakes no watcher: all that is ever heard of it is its end."""
    gone = [Event(14.0, "key", "/s/4", "expired")]
    assert stale_keys(gone, ["/s/"], at=10.0, until=30.0, ttl=4.0, slack=1.0) == []
    assert len(stale_keys([], ["/s/"], at=10.0, until=30.0, ttl=4.0, slack=1.0)) == 1


def test_nothing_is_said_of_a_key_whose_time_is_not_over() -> None:
    assert stale_keys([], ["/a"], at=10.0, until=13.0, ttl=4.0, slack=1.0) == []


def test_a_verdict_is_open_when_the_probe_was_blind_for_as_long_as_decides_it() -> None:
    assert undecided(0, 500, 137) == []
    assert undecided(28_000, 41_500, 900) == []
    assert "stood still for 137 ms in all, and 100 ms decide" in undecided(400, 500, 137)[0]
    assert undecided(600, 500, 137) != []
    assert undecided(500, 500, 0) == []
