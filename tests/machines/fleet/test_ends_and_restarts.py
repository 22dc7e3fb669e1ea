"""What ends and comes back before a machine's key expires: units, fleetd, a machine. Who runs what, and once.

These wait for no expiry, so they have the lab's own TTL: with a short one a slow moment would cost a key.
"""

from __future__ import annotations

import time

from lab.fleet import MACHINES
from tests.machines.fleet.cluster import Cluster


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
    places = fleet.spread()
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


def test_stopping_fleet_hands_over_at_once_and_leaves_nothing(fleet: Cluster) -> None:
    places = fleet.spread()
    victim = places["u@2.service"]
    other = fleet.witness(victim)
    fleet.root("systemctl stop fleet", on=victim)
    try:
        assert victim not in fleet.running("u@2.service")
        key = f"{MACHINES}/{fleet.id(victim)}/object"
        assert fleet.lab.etcd.get(key, member=other, quorum=True) is None
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


def test_a_clean_reboot_moves_the_units_of_that_machine_alone(fleet: Cluster) -> None:
    places = fleet.spread()
    victim = places["u@3.service"]
    fleet.lab[victim].reboot()
    fleet.wait_for_all()
    fleet.eventually(lambda: len(fleet.places()) == 3, "all three run")
    now = fleet.places()
    assert {unit for unit in now if now[unit] != places[unit]} == {"u@3.service"}
