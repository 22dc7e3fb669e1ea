"""The parts of an outage add up to it, in their order, whatever was seen and whenever."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.breakdown import PHASES, Bound, Service, ends, split
from lab.samples import Outage
from lab.timeline import Event, Kind

OUTAGE = Outage(100.2, 135.0, 300)
SERVICE = Service("apache.service", ("/services/a",), ("amb.service", "haproxy.service"))


def event(at: float, kind: Kind, lane: str, what: str) -> Event:
    return Event(at, kind, lane, what)


POWER_LOSS = [
    event(99.0, "key", "/services/a", "set"),
    event(130.0, "machine", "42b0", "expired"),
    event(131.0, "fleet", "apache.service", "unscheduled"),
    event(131.5, "fleet", "apache.service", "scheduled"),
    event(131.6, "target", "apache.service", "set"),
    event(132.5, "unit", "apache.service", "started"),
    event(133.0, "key", "/services/a", "refreshed"),
    event(133.9, "proxy", "amb.service", "follows"),
    event(134.0, "key", "/services/a", "set"),
    event(134.9, "proxy", "haproxy.service", "follows"),
    event(136.0, "proxy", "haproxy.service", "follows"),
]


def test_a_power_loss_is_read_phase_by_phase() -> None:
    found = ends(POWER_LOSS, 100.0, SERVICE, OUTAGE.end)
    assert found == {
        "detection": 130.0,
        "rescheduling": 131.5,
        "start": 132.5,
        "registration": 134.0,
        "reconfiguration": 134.9,
    }
    shares = split(OUTAGE, found, {"detection": Bound(30.0, "fleet.agent_ttl")})
    assert [round(share.ms) for share in shares] == [29800, 1500, 1000, 1500, 900, 100]
    assert [shares[0].configured, shares[0].overhead] == pytest.approx([29800, 0])
    assert [shares[1].configured, shares[1].overhead] == pytest.approx([0, 1500])


def test_a_restart_on_the_spot_has_no_rescheduling() -> None:
    events = [
        event(100.1, "unit", "apache.service", "exited"),
        event(100.2, "unit", "apache.service", "failed"),
        event(101.0, "unit", "apache.service", "started"),
        event(102.0, "key", "/services/a", "set"),
    ]
    found = ends(events, 100.0, SERVICE)
    assert found["rescheduling"] is None
    assert (found["detection"], found["start"], found["registration"]) == (100.1, 101.0, 102.0)


def test_what_happens_when_clients_are_served_again_explains_nothing() -> None:
    """A machine that boots later, a key that goes later: the outage was over by then."""
    events = [
        event(101.0, "unit", "apache.service", "exited"),
        event(140.0, "unit", "apache.service", "started"),
        event(141.0, "key", "/services/a", "set"),
    ]
    found = ends(events, 100.0, SERVICE, OUTAGE.end)
    assert {name for name, at in found.items() if at is not None} == {"detection"}


def test_a_key_that_is_heard_of_a_moment_late_was_written_in_time() -> None:
    events = [event(OUTAGE.end + 0.1, "key", "/services/a", "set")]
    assert ends(events, 100.0, SERVICE, OUTAGE.end)["registration"] == pytest.approx(135.1)


@pytest.mark.parametrize(
    ("events", "detected"),
    [
        ([event(121.0, "key", "/services/a", "expired"), event(126.0, "boot", "m", "boot")], 121.0),
        ([event(106.0, "boot", "m", "boot")], 106.0),
        ([event(121.0, "key", "/services/a", "expired"), event(130.0, "machine", "m", "expired")], 130.0),
        ([event(121.0, "key", "/services/b", "expired")], None),
    ],
    ids=["its key", "its machine's boot", "fleet's word counts more", "another's key"],
)
def test_where_nobody_is_told_its_key_s_end_or_its_boot_tells(
    events: list[Event], detected: float | None
) -> None:
    assert ends(events, 100.0, SERVICE, OUTAGE.end)["detection"] == detected


def test_a_service_has_keys_whose_names_are_not_known_before() -> None:
    """Docker has chosen another port, another machine's instance registers as well, one writes what was."""
    service = Service("host-2:web", ("/service/10.1.0.102:",), ("host-1:haproxy",))
    events = [
        event(101.0, "unit", "host-1:web", "exited"),
        event(102.0, "unit", "host-2:web", "exited"),
        event(103.0, "unit", "host-2:web", "started"),
        event(103.5, "key", "/service/10.1.0.103:32768", "set"),
        event(104.0, "key", "/service/10.1.0.102:32769", "set"),
        event(104.2, "proxy", "host-1:haproxy", "follows"),
        event(104.3, "proxy", "host-3:haproxy", "follows"),
    ]
    found = ends(events, 100.0, service, OUTAGE.end)
    assert [found[name] for name in PHASES[:-1]] == [102.0, None, 103.0, 104.0, 104.2]


@pytest.mark.parametrize(("written", "at"), [(("set",), None), (("set", "refreshed"), 104.0)])
def test_who_always_writes_the_same_is_registered_by_a_refresh(
    written: tuple[str, ...], at: float | None
) -> None:
    events = [
        event(101.0, "key", "/names/web", "refreshed"),
        event(102.0, "boot", "m", "boot"),
        event(104.0, "key", "/names/web", "refreshed"),
    ]
    found = ends(events, 100.0, Service("m:web", ("/names/",), (), written), OUTAGE.end)
    assert (found["detection"], found["registration"]) == (102.0, at)


def test_what_was_not_seen_takes_no_time_and_says_so() -> None:
    shares = split(OUTAGE, {}, {})
    assert [share.seen for share in shares] == [False] * 5 + [True]
    assert shares[-1].ms == pytest.approx(OUTAGE.ms)


moments = st.one_of(st.none(), st.floats(90, 150))


@given(st.tuples(*[moments] * 5))
def test_the_parts_add_up_to_the_outage(drawn: tuple[float | None, ...]) -> None:
    shares = split(OUTAGE, dict(zip(PHASES, drawn, strict=False)), {"start": Bound(1.0, "x")})
    assert sum(share.ms for share in shares) == pytest.approx(OUTAGE.ms)
    assert all(share.ms >= 0 for share in shares)
    assert all(share.configured + share.overhead == pytest.approx(share.ms) for share in shares)
    assert [share.name for share in shares] == list(PHASES)
