"""Power off and on again before the machine's key has expired: it is back at once, its units run once."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

import pytest

from bench.fleet_watch import PREFIX, Change, Watch
from lab import faults
from lab.errors import MachineError
from lab.running import Lab
from lab.waiting import eventually
from tests.machines.fleet_churn.model import FOREVER

UNIT = "reset.service"
WITHIN = 20.0  # seconds: below the 30 s that the old key lives, or the test would show nothing
TTL = 30
FILE = f"[Service]\n{FOREVER}\n"


@pytest.fixture
def placed(request: pytest.FixtureRequest) -> Iterator[tuple[Lab, str]]:
    """A lab, and the machine on which its one unit runs."""
    if os.geteuid() != 0:
        pytest.skip("machines need root")
    lab: Lab = request.getfixturevalue("lab")
    if lab.provider.emulated:
        pytest.skip("an emulated machine needs longer to boot than its key lives")
    node = lab.any_node()
    node.put(FILE, f"/home/core/{UNIT}")
    lab.fleet.start(UNIT)
    unit = lab.fleet.wait_running(UNIT)[UNIT]
    victim = lab.node_at(unit.machine).name
    yield lab, victim
    if lab.state(victim) != "running":
        lab.power_on(victim)
    lab.fleet.destroy(UNIT)


def test_a_machine_reset_within_its_ttl_is_back_at_once_with_its_units(
    placed: tuple[Lab, str], figure: Callable[[str, float, str], None]
) -> None:
    lab, victim = placed
    identity = lab.specs[victim].env["LAB_MACHINE_ID"]
    others = [name for name in lab.specs if name != victim]
    with Watch(lab.namespace, str(lab.specs[others[0]].machine.private)) as watch:
        # Just renewed: half of its time may be over otherwise, and what is left too short for a boot.
        eventually(
            lambda: lives(lab, identity) >= TTL - 1, TTL, "the key is renewed", ignoring=(MachineError,)
        )
        lab.power_off(victim)
        at = time.monotonic()
        lab.power_on(victim)
        back = watch.wait(registered(identity, at), WITHIN, f"{victim} registers")
        runs = watch.wait(running(identity, back.at), WITHIN, f"{UNIT} runs on {victim}")
        faults.require_healthy(lab, f"after the reset of {victim}")
        eventually(
            lambda: where(lab) == {victim}, WITHIN, f"{UNIT} runs on {victim} alone", ignoring=(MachineError,)
        )
    figure("registered after", back.at - at, "s")
    figure("unit running after", runs.at - at, "s")
    changes = [change for change in watch.changes if change.at > at]
    machine = f"{PREFIX}/machines/{identity}"
    assert [change for change in changes if change.gone and change.key.startswith(machine)] == []
    assert [change for change in changes if change.key == f"{PREFIX}/job/{UNIT}/target"] == []
    elsewhere = [change.key for change in changes if f"/states/{UNIT}/" in change.key and not change.gone]
    assert {key.rpartition("/")[2] for key in elsewhere} == {identity}
    starts = f"journalctl -b --no-pager -o cat -u {UNIT} | grep -c ^Started || true"
    assert lab[victim].output(starts, sudo=True) == "1"


def lives(lab: Lab, identity: str) -> int:
    """Seconds that the machine's key has left."""
    key = lab.etcd.get(f"{PREFIX}/machines/{identity}/object", quorum=True)
    return (key.ttl if key else None) or 0


def registered(identity: str, after: float) -> Callable[[Change], bool]:
    key = f"{PREFIX}/machines/{identity}/object"
    return lambda change: change.at > after and change.key == key and not change.gone


def running(identity: str, after: float) -> Callable[[Change], bool]:
    key = f"{PREFIX}/states/{UNIT}/{identity}"
    return lambda change: change.at > after and change.key == key and '"subState":"running"' in change.value


def where(lab: Lab) -> set[str]:
    """The machines whose systemd runs the unit."""
    line = f"systemctl is-active {UNIT}"
    return {node.name for node in lab if node.run(line, check=False).stdout.strip() == "active"}
