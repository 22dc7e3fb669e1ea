"""What is lost and comes back: fleetd, etcd, the network, a machine. Who runs what, and nothing twice."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.machines.fleet.cluster import Cluster

TTL = 3.0


@pytest.fixture(scope="module", autouse=True)
def short_ttl(machines: Cluster) -> Iterator[None]:
    machines.configure({"agent_ttl": f"{TTL:g}s"})
    yield
    machines.configure({})


def spread(fleet: Cluster) -> dict[str, str]:
    """Three units, one on each machine; machine by unit."""
    fleet.unit("u@.service")
    fleet.start("u@1.service", "u@2.service", "u@3.service")
    places = fleet.places()
    assert len(set(places.values())) == 3
    return places


def witness(fleet: Cluster, lost: str) -> str:
    return next(name for name in fleet.lab.specs if name != lost)


def test_a_unit_stopped_by_hand_stays_stopped_until_fleet_starts_it_anew(fleet: Cluster) -> None:
    fleet.start(fleet.unit("web.service"))
    home = fleet.places()["web.service"]
    fleet.root("systemctl stop web.service", on=home)
    fleet.eventually(lambda: fleet.rows() == [("web.service", home, "inactive")], "fleet sees it stopped")
    done = fleet.ctl("start", "web.service")
    assert (done.code, done.stdout, done.stderr) == (0, "", "")
    fleet.unit("pass.service", f"MachineID={fleet.id(home)}")
    fleet.start("pass.service")  # an agent's pass after it
    assert fleet.starts("web.service", home) == 1
    assert fleet.running("web.service") == set()
    assert fleet.ctl("stop", "web.service").code == 0
    fleet.start("web.service")
    assert fleet.places()["web.service"] == home
    assert fleet.starts("web.service", home) == 2


def test_a_failing_unit_is_neither_moved_nor_started_again(fleet: Cluster) -> None:
    fleet.unit("bad.service", service="ExecStart=/bin/false")
    fleet.ctl("start", "--no-block", "bad.service")
    fleet.eventually(lambda: [active for _, _, active in fleet.rows()] == ["failed"], "it has failed")
    ((_, home, _),) = fleet.rows()
    fleet.unit("pass.service", f"MachineID={fleet.id(home)}")
    fleet.start("pass.service")
    assert ("bad.service", home, "failed") in fleet.rows()
    assert fleet.starts("bad.service", home) == 1
    status = fleet.ctl("list-unit-files", "--no-legend", "--fields=unit,state").stdout.split()
    assert status[:2] == ["bad.service", "launched"]


def test_a_unit_that_systemd_refuses_is_failed_and_status_tells_why(fleet: Cluster) -> None:
    fleet.unit("mute.service", f"MachineID={fleet.id(fleet.first)}", service="Restart=no")
    done = fleet.ctl("start", "mute.service")
    assert (done.code, "Failed to find an active unit mute.service" in done.stderr) == (1, True)
    assert fleet.rows() == [("mute.service", fleet.first, "failed")]
    status = fleet.ctl("status", "mute.service")
    assert (status.code, "bad-setting" in status.stdout) == (3, True)
    said = fleet.root("journalctl --no-pager -o cat -u fleet")
    assert "Failed to start Unit(mute.service)" in said
    fleet.unit("mute.service", f"MachineID={fleet.id(fleet.first)}")
    assert fleet.ctl("start", "--replace", "mute.service").code == 0
    assert fleet.places() == {"mute.service": fleet.first}


def test_what_was_stopped_by_hand_is_not_started_by_a_new_fleetd(fleet: Cluster) -> None:
    home = fleet.first
    fleet.start(fleet.unit("web.service", f"MachineID={fleet.id(home)}"))
    started = fleet.starts("web.service", home)  # the journal knows those of earlier tests, too
    fleet.root("systemctl stop web.service", on=home)
    before = fleet.root("systemctl show --value -p MainPID fleet", on=home)
    fleet.root("systemctl kill -s KILL fleet", on=home)
    fleet.eventually(
        lambda: fleet.root("systemctl show --value -p MainPID fleet", on=home) not in ("0", before),
        "fleetd is back",
    )
    fleet.wait_for_all()
    fleet.start(fleet.unit("pass.service", f"MachineID={fleet.id(home)}"))
    assert fleet.starts("web.service", home) == started


def test_units_outlive_a_killed_fleetd_and_run_once(fleet: Cluster) -> None:
    places = spread(fleet)
    pids = {unit: fleet.pid(unit, home) for unit, home in places.items()}
    victim = places["u@1.service"]
    before = fleet.root("systemctl show --value -p MainPID fleet", on=victim)
    fleet.root("systemctl kill -s KILL fleet", on=victim)
    fleet.eventually(
        lambda: fleet.root("systemctl show --value -p MainPID fleet", on=victim) not in ("0", before),
        "fleetd is back",
    )
    fleet.wait_for_all()
    fleet.eventually(lambda: fleet.places() == places, "all is where it was")
    assert {unit: fleet.pid(unit, home) for unit, home in places.items()} == pids
    assert all(fleet.running(unit) == {home} for unit, home in places.items())


def test_a_fleetd_that_stays_away_loses_its_units_and_stops_them_when_it_is_back(fleet: Cluster) -> None:
    places = spread(fleet)
    victim = places["u@1.service"]
    fleet.root("systemctl kill -s STOP fleet", on=victim)
    try:
        other = witness(fleet, victim)
        fleet.eventually(
            lambda: fleet.places(on=other).get("u@1.service", victim) != victim, "a copy elsewhere"
        )
        assert victim in fleet.running("u@1.service"), "nobody was there to stop the old one"
    finally:
        fleet.root("systemctl kill -s CONT fleet", on=victim)
    fleet.wait_for_all()
    fleet.eventually(lambda: len(fleet.running("u@1.service")) == 1, "the old copy is stopped")
    now = fleet.places()
    assert now["u@1.service"] != victim
    assert len(now) == 3


def test_stopping_fleet_hands_over_at_once_and_leaves_nothing(fleet: Cluster) -> None:
    places = spread(fleet)
    victim = places["u@2.service"]
    other = witness(fleet, victim)
    fleet.root("systemctl stop fleet", on=victim)
    try:
        assert victim not in fleet.running("u@2.service")
        listed = fleet.ctl("list-machines", "--no-legend", "--full", on=other).stdout
        assert fleet.id(victim) not in listed
        fleet.eventually(lambda: len(fleet.places(on=other)) == 3, "all three run on two machines")
        now = fleet.places(on=other)
        assert {unit for unit in now if now[unit] != places[unit]} == {"u@2.service"}
        result = fleet.root("systemctl show --value -p Result fleet; ls /run/fleet/units", on=victim)
        assert result == "success"
    finally:
        fleet.root("systemctl start fleet", on=victim)
    fleet.wait_for_all()
    assert fleet.places() == now, "a machine that is back gets nothing back"


def test_fleet_can_be_stopped_while_there_is_no_etcd(fleet: Cluster) -> None:
    machine = fleet.others[0]
    fleet.root("systemctl stop etcd", on=machine)
    try:
        began = time.monotonic()
        fleet.root("systemctl stop fleet", on=machine)
        assert time.monotonic() - began < 10
        assert fleet.root("systemctl show --value -p Result fleet", on=machine) == "success"
    finally:
        fleet.root("systemctl start etcd fleet", on=machine)
    fleet.wait_for_all()


def test_a_machine_without_its_etcd_keeps_its_units_and_gives_them_up_when_it_is_back(fleet: Cluster) -> None:
    places = spread(fleet)
    victim = places["u@3.service"]
    other = witness(fleet, victim)
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


def test_without_quorum_all_units_run_on_and_nothing_moves_when_it_is_back(fleet: Cluster) -> None:
    places = spread(fleet)
    pids = {unit: fleet.pid(unit, home) for unit, home in places.items()}
    for name in fleet.others:
        fleet.root("systemctl stop etcd", on=name)
    try:
        began = time.monotonic()
        fleet.eventually(
            lambda: all("503" in fleet.ctl("list-units", on=name).stderr for name in fleet.lab.specs),
            "every API says so",
        )
        fleet.eventually(lambda: time.monotonic() - began > TTL + 1, "every machine's key is due")
        assert all(fleet.running(unit) == {home} for unit, home in places.items())
    finally:
        for name in fleet.others:
            fleet.root("systemctl start etcd --no-block", on=name)
    fleet.wait_for_all()
    fleet.eventually(lambda: fleet.places() == places, "all is where it was")
    assert {unit: fleet.pid(unit, home) for unit, home in places.items()} == pids
    fleet.start("u@4.service")


def test_a_machine_that_was_cut_off_does_not_flap_and_ends_the_double_run(fleet: Cluster) -> None:
    places = spread(fleet)
    victim = places["u@1.service"]
    other = witness(fleet, victim)
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
    places = spread(fleet)
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
    places = spread(fleet)
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
        fleet.eventually(lambda: len(_plain(fleet, victim)) == 3, "all three run")
        assert victim in _plain(fleet, victim).values()
    finally:
        fleet.root("systemctl start fleet", on=leaving)
    fleet.wait_for_all()


def _moved(fleet: Cluster, unit: str, victim: str) -> bool:
    homes = [
        home
        for name, home, active in fleet.rows(witness(fleet, victim))
        if (name, active) == (unit, "active")
    ]
    return len(homes) == 1 and homes[0] != victim


def _plain(fleet: Cluster, ask: str) -> dict[str, str]:
    return {
        unit: home for unit, home, active in fleet.rows(ask) if unit.startswith("u@") and active == "active"
    }


def test_a_clean_reboot_moves_the_units_of_that_machine_alone(fleet: Cluster) -> None:
    places = spread(fleet)
    victim = places["u@3.service"]
    fleet.lab[victim].reboot()
    fleet.wait_for_all()
    fleet.eventually(lambda: len(fleet.places()) == 3, "all three run")
    now = fleet.places()
    assert {unit for unit in now if now[unit] != places[unit]} == {"u@3.service"}
