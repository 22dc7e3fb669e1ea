"""Virtual machines as the lab makes them here: power, links, reset, and nothing left, SIGKILL or not."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import lifecycle, network, processes, store
from lab.node import ConnectionLost
from lab.progress import Progress
from lab.providers.vagrant import VagrantLibvirt
from lab.running import Lab
from lab.topology import Topology, parse
from lab.waiting import eventually

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="machines can only be made by root"),
    pytest.mark.skipif(not (shutil.which("libvirtd") and shutil.which("vagrant")), reason="needs libvirt"),
]

QUIET = Progress("quiet")
NAME, KILLED = "t-vm", "t-vm-killed"
SLOW = "300s"  # a boot in software emulation beside two other machines, on a busy host
UP = """
import sys
from lab import lifecycle
from lab.progress import Progress
from lab.topology import parse
lifecycle.up(parse(sys.argv[1], "test"), Progress("quiet"), provider="libvirt")
"""


def topology(name: str) -> Topology:
    machines = "[{name: coreos-1}, {name: coreos-2}, {name: coreos-3}, {name: late, autostart: false}]"
    return parse(f"name: {name}\nprovider: libvirt\nmachines: {machines}", "test")


@pytest.fixture(scope="module")
def machines() -> Iterator[Lab]:
    lifecycle.down(NAME, QUIET)
    yield lifecycle.up(topology(NAME), QUIET)
    lifecycle.down(NAME, QUIET)
    assert left_behind(NAME) == []


def left_behind(name: str) -> list[str]:
    """Whatever is still there of a lab: processes, mounts, its namespace, its folder."""
    place = store.folder(name)
    found = [f"process {pid}" for pid in processes.marked(place)]
    found += [line for line in Path("/proc/mounts").read_text().splitlines() if str(place) in line]
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(place) in words and int(entry.parent.name) != os.getpid():
            found.append(f"process {entry.parent.name}: {words[:100]}")
    if network.exists(network.namespace(name)):
        found.append(network.namespace(name))
    if place.exists():
        found.append(str(place))
    return found


def at_night(why: str) -> pytest.MarkDecorator:
    """A boot of three emulated machines takes a minute: what CI shows elsewhere is for a night's run."""
    return pytest.mark.skipif("LAB_NIGHT" not in os.environ, reason=f"{why}: set LAB_NIGHT=1")


def test_each_machine_has_its_own_name_and_addresses(machines: Lab) -> None:
    for node in machines:
        spec = machines.specs[node.name]
        assert node.output("hostname").strip() == node.name
        assert node.output("cat /etc/machine-id").strip() == spec.env["LAB_MACHINE_ID"]
        shown = node.output("ip -brief address")
        for interface, address in (("eth0", "CONTROL"), ("eth1", "PRIVATE"), ("eth2", "PUBLIC")):
            line = next(line for line in shown.splitlines() if line.startswith(interface))
            assert spec.env[f"LAB_{address}_ADDRESS"] in line.split()


def test_machines_never_meet_on_the_control_network(machines: Lab) -> None:
    meet = f"curl -s -m 3 telnet://{machines['coreos-2'].address}:22"
    assert machines["coreos-1"].run(meet, check=False).code == 28  # no answer, which is not a refusal


@at_night("the scenarios on virtual machines reboot one")
def test_a_reboot_inside_comes_back_with_another_boot_id(machines: Lab) -> None:
    node = machines["coreos-2"]
    before = node.boot_id()
    assert node.reboot(SLOW) != before
    assert machines.state("coreos-2") == "running"


def test_a_power_loss_keeps_what_was_synced_and_the_console_log(machines: Lab) -> None:
    node = machines["coreos-3"]
    node.run("echo kept | sudo tee /var/kept && sync")
    before = machines.specs["coreos-3"].console.read_bytes()
    machines.power_off("coreos-3")
    assert machines.state("coreos-3") == "off"
    machines.power_off("coreos-3")  # a machine without power has none to lose
    machines.power_on("coreos-3")
    assert machines.state("coreos-3") == "running"
    assert node.output("cat /var/kept").strip() == "kept"
    assert machines.specs["coreos-3"].console.read_bytes().startswith(before)


def test_a_cut_machine_meets_no_other_but_answers_the_lab_until_it_is_healed(machines: Lab) -> None:
    here, other = machines["coreos-1"], machines.specs["coreos-2"].machine
    reach = (
        f"curl -s -m 3 http://{other.private}:4001/version || curl -s -m 3 http://{other.public}:4001/version"
    )
    here.wait_until_succeeds(reach, SLOW)
    machines.cut("coreos-2")
    try:
        assert not here.run(reach, check=False).ok
        assert machines["coreos-2"].run("true").ok
    finally:
        machines.heal("coreos-2")
    here.wait_until_succeeds(reach, SLOW)


@at_night("five boots in emulation")
def test_a_machine_joins_the_running_cluster_leaves_it_and_joins_again(machines: Lab) -> None:
    for name in machines.specs:  # the machine that was cut off has to catch up first
        eventually(lambda name=name: machines.etcd.healthy(name), SLOW)  # type: ignore[misc]
    for _ in range(2):  # Vagrant makes it once; then it gets another disk and another identity
        machines.join("late")
        assert len(machines.etcd.members()) == 4
        key = machines.etcd.set("/through", "the fourth", member="late")
        eventually(lambda: machines.etcd.get("/through", member="coreos-1") == key, SLOW)  # noqa: B023
        machines.leave("late")
        assert machines.state("late") == "absent"
        assert sorted(member.name for member in machines.etcd.members()) == [
            "coreos-1",
            "coreos-2",
            "coreos-3",
        ]


@at_night("the scenarios on virtual machines reset theirs")
def test_a_reset_forgets_what_the_machines_wrote(machines: Lab) -> None:
    machines["coreos-1"].run("sudo touch /var/forgotten && sync")
    machines.cut("coreos-3")
    fresh = lifecycle.reset(NAME, QUIET)
    assert not fresh["coreos-1"].run("test -e /var/forgotten", check=False).ok
    assert {node.name for node in fresh if node.run("true").ok} == set(machines.specs)


def test_a_killed_lab_up_leaves_what_the_next_down_removes() -> None:
    lifecycle.down(KILLED, QUIET)
    harness = subprocess.Popen([sys.executable, "-c", UP, f"name: {KILLED}"], start_new_session=True)
    try:
        domain = store.folder(KILLED) / "libvirt/etc/qemu/coreos-1.xml"
        eventually(domain.exists, SLOW, "Vagrant has made a machine")
    finally:
        os.killpg(harness.pid, signal.SIGKILL)
        harness.wait()
    assert left_behind(KILLED)
    removed = lifecycle.down(KILLED, QUIET)
    assert "virtual machine coreos-1" in removed
    assert left_behind(KILLED) == []
    assert lifecycle.down(KILLED, QUIET) == []


def test_a_machine_that_is_gone_is_absent_and_has_no_answer(machines: Lab) -> None:
    provider = machines.provider
    assert isinstance(provider, VagrantLibvirt)
    provider.down()
    assert machines.state("coreos-1") == "absent"
    with pytest.raises(ConnectionLost):
        machines["coreos-1"].run("true", timeout=5)
