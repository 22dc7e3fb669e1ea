"""What is lost for longer than a machine's key lives: fleetd, etcd, the network, a machine. Nothing twice."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.machines.fleet.cluster import Cluster

TTL = 3.0
QUORUM_TTL = 12.0  # the least with all of the grace that the first machine back gives the others


@pytest.fixture(scope="module", autouse=True)
def short_ttl(machines: Cluster) -> Iterator[None]:
    machines.configure({"agent_ttl": f"{TTL:g}s"})
    yield
    machines.configure({})


def test_a_fleetd_that_stays_away_loses_its_units_and_stops_them_when_it_is_back(fleet: Cluster) -> None:
    places = fleet.spread()
    victim = places["u@1.service"]
    fleet.root("systemctl kill -s STOP fleet", on=victim)
    try:
        other = fleet.witness(victim)
        fleet.eventually(
            lambda: fleet.places(on=other).get("u@1.service", victim) != victim, "a copy elsewhere"
        )
        assert victim in fleet.running("u@1.service"), "nobody was there to stop the old one"
    finally:
        fleet.root("systemctl kill -s CONT fleet", on=victim)
    fleet.wait_for_all()
    fleet.eventually(lambda: len(fleet.running("u@1.service")) == 1, "the old copy is stopped")
    fleet.eventually(lambda: len(fleet.places()) == 3, "every unit is listed once")
    assert fleet.places()["u@1.service"] != victim


def test_a_machine_without_its_etcd_keeps_its_units_and_gives_them_up_when_it_is_back(fleet: Cluster) -> None:
    places = fleet.spread()
    victim = places["u@3.service"]
    other = fleet.witness(victim)
    stays = fleet.unit("stays.service", f"MachineID={fleet.id(victim)}")
    fleet.start(stays)
    fleet.root("systemctl stop etcd", on=victim)
    try:
        fleet.eventually(
            lambda: fleet.places(on=other).get("u@3.service", victim) != victim, "a copy elsewhere"
        )
        assert victim in fleet.running("u@3.service"), "the double run of the spec"
        fleet.eventually(
            lambda: "503" in fleet.ctl("list-units", on=victim).stderr, "its API knows that it is cut off"
        )
    finally:
        fleet.root("systemctl start etcd", on=victim)
    fleet.wait_for_all()
    fleet.eventually(lambda: len(fleet.running("u@3.service")) == 1, "one copy again")
    fleet.eventually(lambda: fleet.places().get(stays) == victim, "the pinned one is back")


@pytest.fixture
def longer_ttl(machines: Cluster) -> Iterator[None]:
    machines.configure({"agent_ttl": f"{QUORUM_TTL:g}s"})
    yield
    machines.configure({"agent_ttl": f"{TTL:g}s"})


@pytest.mark.usefixtures("longer_ttl")
def test_without_quorum_all_units_run_on_and_nothing_moves_when_it_is_back(fleet: Cluster) -> None:
    places = fleet.spread()
    pids = {unit: fleet.pid(unit, home) for unit, home in places.items()}
    try:
        # At once: with one of them there is still a quorum, that sees keys expire.
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda name: fleet.root("systemctl stop etcd", on=name), fleet.others))
        began = time.monotonic()
        fleet.eventually(
            lambda: all("503" in fleet.ctl("list-units", on=name).stderr for name in fleet.lab.specs),
            "every API says so",
            60,
        )
        fleet.eventually(lambda: time.monotonic() - began > QUORUM_TTL + 1, "every machine's key is due")
        assert all(fleet.running(unit) == {home} for unit, home in places.items())
    finally:
        for name in fleet.others:
            fleet.root("systemctl start etcd --no-block", on=name)
    fleet.wait_for_all()
    fleet.eventually(lambda: fleet.places() == places, "all is where it was")
    assert {unit: fleet.pid(unit, home) for unit, home in places.items()} == pids
    fleet.start("u@4.service")


def test_a_machine_that_was_cut_off_does_not_flap_and_ends_the_double_run(fleet: Cluster) -> None:
    places = fleet.spread()
    victim = places["u@1.service"]
    other = fleet.witness(victim)
    stays = fleet.unit("stays.service", f"MachineID={fleet.id(victim)}")
    fleet.start(stays)
    fleet.lab.cut(victim)
    try:
        fleet.eventually(
            lambda: fleet.places(on=other).get("u@1.service", victim) != victim, "a copy elsewhere"
        )
        assert len(fleet.running("u@1.service")) == 2
    finally:
        fleet.lab.heal(victim)
    fleet.wait_for_all()
    fleet.eventually(lambda: len(fleet.running("u@1.service")) == 1, "one copy again", 30)
    fleet.eventually(lambda: len(fleet.places()) == 4, "every unit is listed once")
    assert fleet.places()["u@1.service"] != victim
    assert fleet.places()[stays] == victim, "what nobody else could take is back where it was"


def test_a_machine_that_is_told_to_stops_its_units_when_it_is_cut_off(fleet: Cluster) -> None:
    victim = fleet.others[1]
    fleet.configure({"agent_ttl": f"{TTL:g}s", "stop_when_cut_off": "true"}, victim)
    places = fleet.spread()
    mine = next(unit for unit, home in places.items() if home == victim)
    fleet.start(fleet.unit("every.service", "Global=true"))
    fleet.eventually(lambda: len(fleet.running("every.service")) == 3, "a global one beside")
    fleet.lab.cut(victim)
    try:
        fleet.eventually(lambda: victim not in fleet.running(mine), "it stops its own")
        fleet.eventually(lambda: len(fleet.running(mine)) == 1, "another runs it")
        assert victim in fleet.running("every.service"), "a global unit is nobody else's"
    finally:
        fleet.lab.heal(victim)
        fleet.configure({"agent_ttl": f"{TTL:g}s"}, victim)
    fleet.eventually(lambda: len(fleet.running(mine)) == 1, "still one copy")


def test_a_machine_without_power_is_replaced_and_gets_global_units_when_it_joins(fleet: Cluster) -> None:
    places = fleet.spread()
    victim = places["u@2.service"]
    fleet.start(fleet.unit("every.service", "Global=true"))
    fleet.lab.power_off(victim)
    try:
        fleet.eventually(lambda: _moved(fleet, "u@2.service", victim), "it runs elsewhere")
    finally:
        fleet.lab.power_on(victim)
    fleet.wait_for_all()
    fleet.eventually(lambda: fleet.running("every.service") == set(fleet.lab.specs), "it has joined")
    assert fleet.running("u@2.service").isdisjoint({victim}), "but it gets nothing back"
    # What is stopped elsewhere now goes to the new one, as it has the least to carry.
    leaving = next(name for name in fleet.lab.specs if name != victim)
    fleet.root("systemctl stop fleet", on=leaving)
    try:
        # Rows of the one that leaves may be listed for a while.
        homes = fleet.eventually(lambda: _three(_plain(fleet, victim), leaving), "all three run elsewhere")
        assert victim in homes
    finally:
        fleet.root("systemctl start fleet", on=leaving)
    fleet.wait_for_all()


def _moved(fleet: Cluster, unit: str, victim: str) -> bool:
    homes = [
        home for name, home, active in fleet.rows(fleet.witness(victim)) if (name, active) == (unit, "active")
    ]
    return len(homes) == 1 and homes[0] != victim


def _three(places: dict[str, str], leaving: str) -> list[str]:
    """The homes of three units, none of them on that machine; else nothing."""
    homes = list(places.values())
    return homes if len(homes) == 3 and leaving not in homes else []


def _plain(fleet: Cluster, ask: str) -> dict[str, str]:
    return {
        unit: home for unit, home, active in fleet.rows(ask) if unit.startswith("u@") and active == "active"
    }
