"""Machines join a lab that is up and leave it, one by one; etcd's cluster grows and shrinks with them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from lab import faults, lifecycle
from lab.errors import UserError
from lab.etcd import EtcdFailed
from lab.node import Node
from lab.progress import Progress
from lab.running import Lab
from lab.waiting import Deadline, eventually

Figure = Callable[[str, float, str], None]
WRITES = 20_000  # at most; one join is done long before
# A cluster of one has no quorum from the moment it hears of the second member until that one runs. These are
# seconds from the last write to the start of the second etcd, and from when it is ready to the next write;
# how long it takes to start is the host's affair.
GAP = 5.0
GAP_EMULATED = 60.0


def patience(lab: Lab) -> float:
    return 120.0 if lab.provider.emulated else 20.0


def members(lab: Lab) -> list[str]:
    return [member.name for member in lab.etcd.members(member="host-1")]


def led_by(lab: Lab) -> str:
    """The leader; an election is waited for."""
    return eventually(lambda: lab.etcd.leader(member="host-1"), patience(lab), "there is a leader")


class Traffic:
    """Writes /traffic/0, /traffic/1, ... through one member without a pause; what fails is written again."""

    def __init__(self, lab: Lab, member: str) -> None:
        self.written: list[float] = []
        self._lab = lab
        self._member = member
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write)

    def __enter__(self) -> Traffic:
        self._thread.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self._stop.set()
        self._thread.join()

    def last_before(self, moment: float) -> float:
        return max(written for written in self.written if written <= moment)

    def first_after(self, moment: float) -> float:
        return min(written for written in self.written if written > moment)

    def longest_gap(self) -> float:
        return max(after - before for before, after in zip(self.written, self.written[1:], strict=False))

    def _write(self) -> None:
        deadline = Deadline("15m")
        while not (self._stop.is_set() or deadline.expired() or len(self.written) == WRITES):
            try:
                self._lab.etcd.set(f"/traffic/{len(self.written)}", "x", member=self._member)
                self.written.append(time.monotonic())
            except EtcdFailed:
                continue


def etcd_came(node: Node) -> tuple[float, float]:
    """When etcd's process was started on a machine and when it was ready, on our monotonic clock."""
    said = node.output(
        "for moment in ExecMainStart ActiveEnter; do"
        " systemctl show --value --property=${moment}TimestampMonotonic etcd.service; done;"
        " python3 -c 'import time; print(time.monotonic_ns() // 1000)'"
    )
    now = time.monotonic()
    started, ready, told = (int(word) / 1e6 for word in said.split())
    return now - (told - started), now - (told - ready)


@pytest.fixture(scope="module")
def grown(fresh_lab: Lab) -> Lab:
    """The lab, which had host-1 alone, once host-2 and host-3 have joined."""
    assert list(fresh_lab.specs) == ["host-1"]
    assert members(fresh_lab) == ["host-1"]
    return fresh_lab


@pytest.fixture(autouse=True)
def _whole(grown: Lab) -> Iterator[None]:
    """Each test begins and ends with a lab in which all is well."""
    faults.require_healthy(grown, "before the test")
    yield
    faults.require_healthy(grown, "after the test")


def test_the_second_machine_joins_under_traffic_and_no_write_is_lost(grown: Lab, figure: Figure) -> None:
    before = grown.etcd.set("/before", "the second came", member="host-1")
    with Traffic(grown, "host-1") as traffic:
        eventually(lambda: len(traffic.written) > 10, patience(grown), "writes are under way")
        begun = time.monotonic()
        grown.join("host-2")
        figure("joined after", time.monotonic() - begun, "s")
        enough = len(traffic.written) + 10
        eventually(lambda: len(traffic.written) > enough, patience(grown), "writes go on")

    figure("longest gap between writes", traffic.longest_gap() * 1000, "ms")
    allowed = GAP_EMULATED if grown.provider.emulated else GAP
    started, ready = etcd_came(grown["host-2"])
    assert started - traffic.last_before(started) < allowed
    assert traffic.first_after(ready) - ready < allowed
    assert members(grown) == ["host-1", "host-2"]
    assert grown.etcd.get("/before", member="host-2") == before
    wanted = {f"/traffic/{number}" for number in range(len(traffic.written))}
    eventually(
        lambda: wanted <= {key.name for key in grown.etcd.keys("/traffic", member="host-2")},
        patience(grown),
        "every write that was taken is on host-2",
    )


def test_what_is_written_on_either_reads_the_same_on_the_other(grown: Lab) -> None:
    for writer, reader in (("host-1", "host-2"), ("host-2", "host-1")):
        key = grown.etcd.set(f"/through/{writer}", writer, member=writer)
        eventually(lambda: grown.etcd.get(key.name, member=reader) == key, patience(grown))  # noqa: B023


def test_a_machine_joins_only_once(grown: Lab) -> None:
    with pytest.raises(UserError, match=r"^host-2 is in lab '.*' already; `lab status` shows it$"):
        grown.join("host-2")


def test_an_unknown_machine_is_answered_with_a_suggestion(grown: Lab) -> None:
    with pytest.raises(UserError, match=r"no machine 'host4' in lab .*; did you mean 'host-"):
        grown.join("host4")


def test_a_machine_that_has_not_joined_says_how_it_would(grown: Lab) -> None:
    assert grown.state("host-3") == "absent"
    with pytest.raises(UserError, match=r"host-3 is not in lab '.*' now; `lab up host-3` starts it"):
        grown["host-3"]


def test_without_a_quorum_nobody_joins_and_nothing_is_half_made(grown: Lab) -> None:
    grown.power_off("host-2")
    try:
        with pytest.raises(UserError, match=r"^host-3 cannot join: .*host-1 and host-2 are not[^\n]*$"):
            grown.join("host-3")
        assert grown.state("host-3") == "absent"
        assert not (grown.folder / "machines/host-3").exists()
    finally:
        grown.power_on("host-2")
    eventually(lambda: grown.etcd.healthy("host-1"), patience(grown))
    assert members(grown) == ["host-1", "host-2"]


def test_two_further_machines_join_right_after_one_another_and_an_election(grown: Lab) -> None:
    leader = led_by(grown)
    grown[leader].run("systemctl kill --signal=KILL etcd.service", sudo=True)
    grown.join("host-3")
    grown.join("back-1")

    assert members(grown) == ["host-1", "host-2", "host-3"]
    addresses = [str(spec.machine.private) for spec in grown.specs.values()]
    # the list that host-1 keeps follows etcd, and a heartbeat that a busy host holds up drops a machine
    eventually(lambda: grown.fleet.machines() == sorted(addresses), patience(grown), "fleet lists them all")
    grown["back-1"].run("etcdctl set /by a-proxy")
    assert grown.etcd.get("/by", member="host-3", quorum=True)


def test_a_proxy_goes_on_when_the_member_it_used_is_lost(grown: Lab, figure: Figure) -> None:
    back = grown["back-1"]
    with faults.power_loss(grown, "host-1") as loss:
        back.wait_until_succeeds("etcdctl set /past-a-loss x", patience(grown))
        figure("a write through the proxy again after", loss.elapsed() * 1000, "ms")


def test_a_machine_that_joined_keeps_its_membership_over_a_power_loss(grown: Lab) -> None:
    before = members(grown)
    with faults.power_loss(grown, "host-2"):
        key = eventually(
            lambda: grown.etcd.set("/meanwhile", "x", member="host-3"),
            patience(grown),
            ignoring=(EtcdFailed,),
        )
    eventually(lambda: grown.etcd.get("/meanwhile", member="host-2") == key, patience(grown))
    assert members(grown) == before


def test_nobody_leaves_whom_the_quorum_needs(grown: Lab) -> None:
    grown.power_off("host-2")
    try:
        with pytest.raises(UserError, match=r"^host-3 cannot leave: .* 1 can write, and 2 must[^\n]*$"):
            grown.leave("host-3")
        assert grown.state("host-3") == "running"
    finally:
        grown.power_on("host-2")


def test_a_machine_leaves_cleanly_and_can_join_again(grown: Lab) -> None:
    address = str(grown.specs["host-3"].machine.private)
    former = next(member.id for member in grown.etcd.members() if member.name == "host-3")

    grown.leave("host-3")

    assert members(grown) == ["host-1", "host-2"]
    assert address not in grown.fleet.machines(), "fleet knows at once, not after the TTL of its key"
    assert grown.state("host-3") == "absent"
    assert not (grown.folder / "machines/host-3").exists()
    with pytest.raises(UserError, match="host-3 is not in lab"):
        grown.leave("host-3")

    grown.join("host-3")

    assert members(grown) == ["host-1", "host-2", "host-3"]
    assert former not in [member.id for member in grown.etcd.members()]


def test_a_machine_that_is_lost_can_be_taken_from_the_cluster(grown: Lab) -> None:
    """The leader, at once: the others have yet to notice and to elect another before they can write."""
    leader = led_by(grown)
    if leader != "host-3":
        (id,) = (member.id for member in grown.etcd.members() if member.name == "host-3")
        grown[leader].run(f"ETCDCTL_API=3 etcdctl move-leader {id}", timeout=patience(grown))
    grown.power_off("host-3")

    grown.leave("host-3")

    assert members(grown) == ["host-1", "host-2"]
    eventually(lambda: "10.1.0.103" not in grown.fleet.machines(), "60s", "its key in fleet expires")


def test_the_last_member_stays(grown: Lab) -> None:
    grown.leave("host-2")

    with pytest.raises(UserError, match=r"^host-1 carries the last etcd member; `lab down` removes"):
        grown.leave("host-1")


def test_a_reset_goes_back_to_the_machines_of_the_beginning(grown: Lab) -> None:
    grown.join("host-2")

    fresh = lifecycle.reset(grown.name, Progress("quiet"))
    grown.follow(fresh.record, fresh.specs.values())

    assert list(grown.specs) == ["host-1"]
    assert members(grown) == ["host-1"]
    assert [grown.state(name) for name in ("host-2", "back-1")] == ["absent", "absent"]
    assert grown.etcd.get("/before") is None
    grown.join("host-2")
    assert members(grown) == ["host-1", "host-2"]
