"""A delay line keeps frames' order and their time, and can be undone from wherever its making stopped."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.faults import delayline
from lab.faults.relay import COST, Line

PORT = "p1-coreos-1"
FRAMES = st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=40)), max_size=30)  # the pause before each


@given(FRAMES, st.floats(0, 2), st.lists(st.floats(0, 1)))
def test_frames_leave_in_order_and_none_before_its_time(
    frames: list[tuple[float, bytes]], delay: float, looks: list[float]
) -> None:
    line, now, due, left = Line(delay), 0.0, [], []
    for pause, frame in frames:
        now += pause
        assert line.put(now, frame)
        due.append((now + delay, frame))
    moment = 0.0
    for pause in [*looks, float("inf")]:
        moment += pause
        while (frame_now := line.take(moment)) is not None:
            left.append(frame_now)
            assert due[len(left) - 1][0] <= moment
        assert [frame for time, frame in due if time <= moment] == left
        assert line.wait(moment) == (due[len(left)][0] - moment if len(left) < len(due) else float("inf"))
    assert line.size == 0


@given(st.lists(st.one_of(st.none(), st.integers(0, 200))))
def test_a_full_line_loses_what_comes_and_takes_again_when_something_has_left(
    steps: list[int | None],
) -> None:
    line = Line(0.0, limit=2 * (COST + 100))
    held: list[int] = []
    for size in steps:
        if size is None:
            gone = line.take(0.0)
            assert gone == (bytes(held.pop(0)) if held else None)
            continue
        fits = sum(held) + size + COST * (len(held) + 1) <= line.limit
        assert line.put(0.0, bytes(size)) == fits
        held += [size] if fits else []
    assert line.size == sum(held) + COST * len(held) <= line.limit


def test_names_of_devices_are_short_enough_and_differ_for_ports_that_begin_alike() -> None:
    ports = ["p1-a-long-machin", "p11-a-long-machi", "w1-a-long-machin", "vnet1", "vnet11"]
    names = [part(port) for port in ports for part in (delayline.stand_in, delayline.wire, delayline.parking)]
    assert len(set(names)) == len(names)
    assert max(map(len, names)) <= 15


def test_what_a_port_that_is_gone_has_left_is_found() -> None:
    def there(*names: str) -> dict[str, delayline.Link]:
        return dict.fromkeys(names, delayline.Link("", 1500, {}))

    long = "p1-a-long-machi"
    assert delayline.delayed(there("private", PORT)) == []
    assert delayline.delayed(there(PORT, f"d-{PORT}", f"r-{PORT}", f"b-{PORT}")) == [PORT]
    assert delayline.delayed(there(long, delayline.parking(long))) == [long]
    (left,) = delayline.delayed(there("private", *(f"{part}-p1-a-long-mac" for part in "drb")))
    assert delayline.stand_in(left) == delayline.stand_in(long)


Ip = Callable[[list[str]], None]
Seen = Callable[[], dict[str, delayline.Link]]


@pytest.fixture
def kernel() -> Iterator[tuple[Ip, Seen]]:
    """A network namespace for the test alone, with a machine's port on a bridge."""
    words = ["unshare", "--net", "sh", "-c", "echo there; cat"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as keeper:
        assert keeper.stdout is not None
        assert keeper.stdout.readline() == "there\n"
        inside = ["nsenter", f"--net=/proc/{keeper.pid}/ns/net", "ip"]

        def ip(lines: list[str]) -> None:
            text = "\n".join(lines) + "\n"
            subprocess.run([*inside, "-batch", "-"], input=text, text=True, check=True, timeout=10)

        def seen() -> dict[str, delayline.Link]:
            words = [*inside, "-json", "-details", "link", "show"]
            return delayline.links(subprocess.check_output(words, text=True, timeout=10))

        ip(
            [
                "link add private type bridge",
                "link set dev private up",
                f"link add {PORT} type veth peer name eth1",
                "link set dev eth1 up",
                f"link set dev {PORT} master private up",
                f"link set dev {PORT} type bridge_slave isolated on",
            ]
        )
        yield ip, seen


def undo(ip: Ip, seen: Seen, most: int | None = None) -> None:
    """As `delayline.remove` does; `most` lines of it if it is interrupted."""
    lines = []
    there = seen()
    for port in delayline.delayed(there):
        lines += [*delayline.return_of(port, there), *delayline.clearance(port, there)]
    ip(lines[:most])


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("ip"), reason="needs root and ip")
class TestInTheKernel:
    def test_the_stand_in_has_the_port_s_place_and_flags(self, kernel: tuple[Ip, Seen]) -> None:
        ip, seen = kernel
        before = seen()[PORT]
        ip([*delayline.preparation(PORT, before), *delayline.exchange(PORT, before, "private")])
        there = seen()
        assert there[delayline.stand_in(PORT)] == before
        assert before.flags["isolated"]
        assert there[PORT].master == there[delayline.wire(PORT)].master == delayline.parking(PORT)

    def test_it_is_undone_from_wherever_its_making_or_its_undoing_was_interrupted(
        self, kernel: tuple[Ip, Seen]
    ) -> None:
        ip, seen = kernel
        before = seen()
        port = before[PORT]
        making = [*delayline.preparation(PORT, port), *delayline.exchange(PORT, port, "private")]
        for done in range(len(making) + 1):
            ip(making[:done])
            undo(ip, seen)
            assert seen() == before, f"after {done} lines of {making}"
        for done in range(6):
            ip(making)
            undo(ip, seen, done)
            undo(ip, seen)
            assert seen() == before, f"after {done} lines of the undoing"

    def test_a_port_that_came_back_on_its_bridge_stays_there(self, kernel: tuple[Ip, Seen]) -> None:
        """As after a boot of its machine, which makes a new port of that name."""
        ip, seen = kernel
        before = seen()
        port = before[PORT]
        ip([*delayline.preparation(PORT, port), *delayline.exchange(PORT, port, "private")])
        ip([f"link delete dev {PORT}", f"link add {PORT} type veth peer name eth1"])
        ip(["link add other type bridge", f"link set dev {PORT} master other"])
        undo(ip, seen)
        assert seen()[PORT].master == "other"
        assert seen().keys() == before.keys() | {"other"}
