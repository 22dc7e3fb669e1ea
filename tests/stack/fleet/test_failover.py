"""Machines that die, leave, come back or are cut off from etcd: who runs what, and how soon."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.stack.fleet.conftest import Etcd, Fleet

PREFIX = "/_coreos.com/fleet/"
LEASE = PREFIX + "lease/engine-leader"
AT_ONCE = 3.0  # seconds: less than an agent's tick, and far less than the engine's passes have here
NO_POLLING = ["--engine_reconcile_interval", "30"]


@contextmanager
def expiry_of(fleet: Fleet, number: int) -> Iterator[list[float]]:
    """The moment at which etcd says that the machine's key is gone; known when the block has ended."""
    seen: list[float] = []
    key = f"{PREFIX}machines/{fleet.id(number)}/object"
    index = fleet.client().get(key).index

    def look() -> None:
        nonlocal index
        for _ in range(20):
            event = fleet.client().watch(key, after_index=index, timeout=15)
            if event is None:
                return
            index = event.node.modified
            if event.action in ("expire", "delete"):
                seen.append(time.monotonic())
                return

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    yield seen
    thread.join(20)
    assert seen, "the key did not go"


def give_lease_to(fleet: Fleet, number: int) -> None:
    value = f'{{"MachineID":"{fleet.id(number)}","Version":1}}'
    fleet.client().set(LEASE, value, ttl=60)


def leader(fleet: Fleet) -> str:
    return str(json.loads(fleet.client().get(LEASE).node.value)["MachineID"])


@pytest.mark.parametrize("leads", [True, False], ids=["the engine's leader", "another machine"])
def test_units_of_a_dead_machine_move_as_soon_as_its_key_has_expired(fleet: Fleet, leads: bool) -> None:
    fleet.ttl = "8s"
    fleet.flags = dict.fromkeys((1, 2, 3), NO_POLLING)
    fleet.up(1, 2, 3)
    fleet.unit("apache.service")
    fleet.unit("amb.service", "X-ConditionMachineOf=apache.service")
    fleet.unit("reg.service", "X-ConditionMachineOf=amb.service")
    fleet.unit("other.service", "X-Conflicts=apache.service")
    fleet.ctl("start", "apache.service", "amb.service", "reg.service", "other.service")
    home = fleet.place("apache.service")
    victim, other = int(home[0]), fleet.place("other.service")
    witness = victim % 3 + 1
    give_lease_to(fleet, victim if leads else witness)

    with expiry_of(fleet, victim) as gone:
        fleet.kill(victim)
        # Its claims stay, or their end, at about the same time, would be news of its own.
        for name in ("apache.service", "amb.service", "reg.service"):
            fleet.client().refresh(f"{PREFIX}job/{name}/job-state", 60)
    fleet.eventually(lambda: fleet.place("reg.service", on=witness) not in ("", home), 20, "moved")

    trio = {fleet.place(name, on=witness) for name in ("apache.service", "amb.service", "reg.service")}
    assert len(trio) == 1
    assert trio.isdisjoint({home, other})
    starts = [at for at, machine, what, name in fleet.history() if what == "start" and {machine} == trio]
    assert len(starts) == 3
    assert max(starts) - gone[0] < AT_ONCE
    assert leader(fleet) != home


def test_a_machine_that_is_told_to_go_hands_over_at_once_and_leaves_nothing(fleet: Fleet) -> None:
    fleet.flags = dict.fromkeys((1, 2, 3), NO_POLLING)
    fleet.up(1, 2, 3)
    fleet.ctl("start", fleet.unit("a.service"))
    home = int(fleet.place("a.service")[0])
    witness = home % 3 + 1
    started = time.monotonic()
    assert fleet.terminate(home) == 0
    fleet.eventually(lambda: fleet.place("a.service", on=witness), 10, "running elsewhere")
    (_, _, first, _), (stopped, _, _, _), (again, other, _, _) = fleet.history()
    assert first == "start"
    assert other != fleet.id(home)
    assert stopped < again < started + AT_ONCE
    tree = fleet.client().get(PREFIX, recursive=True).node
    assert not [each.key for each in tree.leaves() if fleet.id(home) in each.key + each.value]
    fleet.up(home)
    assert fleet.place("a.service", on=witness) == other


def test_a_unit_is_not_started_before_its_old_copy_has_stopped(fleet: Fleet) -> None:
    fleet.up(1, 2)
    fleet.ctl("start", fleet.unit("a.service", service="ExecStart=/bin/sleep 1d\nExecStop=sleep 0.7"))
    home = fleet.place("a.service")
    other = fleet.id(3 - int(home[0]))
    fleet.client().set(f"{PREFIX}job/a.service/target", other)
    fleet.eventually(lambda: fleet.place("a.service") == other, 5, "moved")
    steps = [(what, machine) for _, machine, what, _ in fleet.history()]
    assert steps == [("start", home), ("stop", home), ("start", other)]


def test_a_machine_that_comes_back_before_its_key_expired_registers_at_once(fleet: Fleet) -> None:
    fleet.up(1, 2)
    fleet.ctl("start", fleet.unit("a.service", "MachineOf=b.service"), fleet.unit("b.service"))
    home = int(fleet.place("a.service")[0])
    fleet.kill(home)
    fleet.boot(home)
    took = fleet.eventually(lambda: "took over the key" in fleet.log(home), 5, "key taken over")
    assert took < 5
    fleet.eventually(lambda: fleet.place("a.service", on=home) == fleet.id(home), 5, "runs where it was")
    fleet.eventually(lambda: len(fleet.history()) == 4, 5, "both started again")
    assert {machine for _, machine, _, _ in fleet.history()} == {fleet.id(home)}


def test_a_twin_with_the_same_machine_id_is_kept_out(fleet: Fleet) -> None:
    fleet.up(1)
    fleet.boot(2, identity=fleet.id(1))
    fleet.eventually(lambda: "has this machine's ID" in fleet.log(2), 5, "refused")
    assert "Error 503: fleet server unable to communicate with etcd" in fleet.ctl("list-units", on=2).err
    assert fleet.ctl("list-machines", "--no-legend").out == "10000000...\t10.1.0.1\t-\n"


def test_etcd_away_leaves_the_units_running_and_nothing_moves_when_it_is_back(
    fleet: Fleet, etcd: Etcd
) -> None:
    fleet.ttl = "12s"  # the least with all of the grace that others get to be back
    fleet.up(1, 2, 3)
    fleet.ctl("start", fleet.unit("a.service"), fleet.unit("b.service"), fleet.unit("c.service"))
    before = {name: fleet.place(name) for name in ("a.service", "b.service", "c.service")}
    etcd.stop()
    away = time.monotonic()
    fleet.eventually(lambda: "503" in fleet.ctl("list-units").err, 30, "the API says so")
    fleet.eventually(lambda: time.monotonic() > away + 14, 15, "every machine's key due")
    etcd.start()
    fleet.eventually(
        lambda: len(fleet.ctl("list-machines", "--no-legend").out.splitlines()) == 3, 30, "all are back"
    )
    fleet.eventually(
        lambda: {name: fleet.place(name) for name in before} == before, 20, "all is where it was"
    )
    assert [what for _, _, what, _ in fleet.history()] == ["start"] * 3


def test_a_reload_keeps_units_socket_and_key_and_a_bad_file_changes_nothing(fleet: Fleet) -> None:
    fleet.up(1)
    fleet.ctl("start", fleet.unit("a.service"))
    (fleet.folder / "fleet.conf").write_text("metadata=disk=ssd\n")
    fleet.processes[1].send_signal(signal.SIGHUP)
    fleet.eventually(lambda: "disk=ssd" in fleet.ctl("list-machines").out, 5, "new metadata")
    (fleet.folder / "fleet.conf").write_text("nonsense=1\n")
    fleet.processes[1].send_signal(signal.SIGHUP)
    fleet.eventually(lambda: "not reloaded" in fleet.log(1), 5, "refused")
    assert fleet.place("a.service") == fleet.id(1)
    assert [what for _, _, what, _ in fleet.history()].count("stop") == 0


def test_reloads_in_the_middle_of_work_are_all_carried_out(fleet: Fleet) -> None:
    fleet.up(1)
    fleet.unit("a@.service")
    for number in range(1, 16):
        assert fleet.ctl("start", "--no-block", f"a@{number}.service").code == 0
        fleet.processes[1].send_signal(signal.SIGHUP)
        fleet.eventually(lambda n=number: fleet.log(1).count(": reloaded") == n, 5, f"reload {number}")  # type: ignore[misc]
    fleet.eventually(lambda: len(fleet.ctl("list-units", "--no-legend").out.splitlines()) == 15, 5, "all run")
    assert [what for _, _, what, _ in fleet.history()].count("stop") == 0
