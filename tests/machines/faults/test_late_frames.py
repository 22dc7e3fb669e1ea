"""Latency is there while it is asked for and gone after, by netem or by the lab's own delay line."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from lab import faults, lifecycle, processes
from lab.errors import MachineError
from lab.faults import delayline, inject, kind, ledger, network
from lab.progress import Progress
from lab.running import Lab
from lab.shell import run
from lab.waiting import eventually
from tests.machines.command import ROOT

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="machines need root")
PATIENCE = 30.0
HIT = "coreos-2"
ADDRESS = "10.1.0.102"
DELAY = 0.1  # seconds, the default
QUICK = 0.05  # seconds that the best of a few round trips stays below, whatever else the host does


@pytest.fixture
def line(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The delay line is taken, whether or not there is netem; it leaves nothing."""
    if reason := delayline.impossible():
        pytest.skip(reason)
    monkeypatch.setattr(network, "_no_netem", lambda: "left out for this test")
    yield
    assert left(lab) == []
    assert ledger.standing(lab) == []


def left(lab: Lab) -> list[str]:
    """Devices and processes of the delay line."""
    listed = delayline.links(run(["ip", "-netns", lab.namespace, "-json", "-details", "link", "show"]))
    found = [name for name in listed if name[:2] in ("d-", "r-", "b-")]
    return found + [f"process {pid}" for pid in relays(lab)]


def relays(lab: Lab) -> list[int]:
    ports = [port for name in lab.specs for port in lab.ports(name).values()]
    there = [delayline.stand_in(port) for port in ports]
    return [pid for name in there for pid in processes.marked(lab.folder, {delayline.RELAY: name})]


def echo(lab: Lab) -> float:
    """The best round trip of some echoes from another machine, in seconds."""
    said = lab["coreos-1"].output(f"ping -q -i 0.05 -c 10 -W 2 {ADDRESS}", timeout=PATIENCE)
    found = re.search(r"min/avg/max/mdev = ([\d.]+)/", said)
    assert found, said
    return float(found[1]) / 1000


def answer(lab: Lab) -> float:
    """The best of some HTTP requests of the lab's own client, each on a new connection, in seconds."""
    taken = []
    for _ in range(5):
        with lab.http() as session:
            start = time.monotonic()
            assert session.get(f"http://{ADDRESS}:2379/version", timeout=PATIENCE).ok
            taken.append(time.monotonic() - start)
    return min(taken)


def opens(lab: Lab) -> bool:
    try:
        lab["coreos-1"].wait_for_port(2379, ADDRESS, within=1.0)
    except MachineError:
        return False
    return True


@pytest.mark.parametrize("how", ["netem", "delay line"])
def test_what_is_sent_to_the_machine_is_late_and_what_it_sends_is_not(
    lab: Lab, how: str, request: pytest.FixtureRequest
) -> None:
    if how == "delay line":
        request.getfixturevalue("line")
    elif reason := network._no_netem():
        pytest.skip(reason)
    assert echo(lab) < QUICK
    with inject(lab, kind("latency"), HIT):
        assert DELAY <= echo(lab) < DELAY + QUICK, "one way only, or it would be twice that"
        assert 2 * DELAY <= answer(lab) < 2 * DELAY + QUICK, "one for the connection, one for the request"
    assert echo(lab) < QUICK
    assert answer(lab) < QUICK
    assert left(lab) == []


def test_the_later_delay_holds_and_neither_machine_is_left_with_one(lab: Lab, line: None) -> None:
    with inject(lab, kind("latency"), HIT, amount="300ms", checked=False):
        assert echo(lab) >= 0.3
        with inject(lab, kind("latency"), f"coreos-1,{HIT}", amount="50ms", checked=False):
            assert 0.1 <= echo(lab) < 0.1 + QUICK, "the answer is late, too"


def test_what_is_larger_than_a_packet_arrives_whole(lab: Lab, line: None) -> None:
    value = "".join(f"{number:07}\n" for number in range(100_000))
    with inject(lab, kind("latency"), HIT, amount="5ms"):
        lab.etcd.set("/faults/large", value, member=HIT)
        found = lab.etcd.get("/faults/large", member=HIT)
    lab.etcd.delete("/faults/large")
    assert found is not None
    assert found.value == value


@pytest.mark.parametrize("name", ["partition", "mute", "deaf"])
def test_a_late_machine_can_be_parted_and_a_parted_one_be_late(lab: Lab, line: None, name: str) -> None:
    with inject(lab, kind("latency"), HIT):
        with inject(lab, kind(name), HIT, checked=False):
            assert not opens(lab)
        assert opens(lab)
    with inject(lab, kind(name), HIT):
        with inject(lab, kind("latency"), HIT, checked=False):
            assert not opens(lab)
        assert not opens(lab)
    assert opens(lab)


def test_a_machine_that_boots_anew_is_not_late(lab: Lab, line: None) -> None:
    with inject(lab, kind("latency"), HIT):
        with inject(lab, kind("reboot"), HIT, checked=False):
            pass
        assert echo(lab) < QUICK
        eventually(lambda: not relays(lab), PATIENCE, "the relays have ended with their ports")


def test_a_delay_line_that_was_half_made_is_undone(
    lab: Lab, line: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(lab: Lab, port: str) -> None:
        if port.startswith("w"):  # the first port has its line by then
            raise MachineError("for this test")

    monkeypatch.setattr(delayline, "_wait", fails)
    with pytest.raises(MachineError, match="for this test"):
        faults.leave(lab, kind("latency"), HIT)
    assert left(lab) == []
    assert echo(lab) < QUICK


def test_what_a_killed_harness_left_is_healed_also_when_the_relay_was_killed(lab: Lab, line: None) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LAB_NAME": lab.name}
    words = [sys.executable, "-m", "lab"]
    stays = subprocess.Popen([*words, "fault", "latency", HIT, "--for", "60s"], env=environment)
    try:
        eventually(lambda: bool(ledger.standing(lab)) and echo(lab) >= DELAY, PATIENCE, "it is late")
    finally:
        stays.send_signal(signal.SIGKILL)
        stays.wait(10)
    assert echo(lab) >= DELAY, "it outlives who made it"
    processes.kill(relays(lab)[:1])

    healed = subprocess.run(
        [*words, "heal"], env=environment, check=True, timeout=60, capture_output=True, text=True
    )

    assert f"latency of {HIT}" in healed.stdout
    assert left(lab) == []
    assert echo(lab) < QUICK
    assert faults.heal_all(lab) == []
    faults.require_healthy(lab, "after lab heal")


def test_a_reset_leaves_no_latency(lab: Lab, line: None) -> None:
    faults.leave(lab, kind("latency"), HIT)
    lifecycle.reset(lab.name, Progress("quiet"))
    for node in lab:
        node.disconnect()
    assert left(lab) == []
    assert echo(lab) < QUICK
    faults.require_healthy(lab, "after a reset")
