"""Faults that not every lab can have do what they say where they are possible; a list says where not."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from lab import clocks, faults
from lab.faults import clock, inject, kind
from lab.node import Node
from lab.recorder import Recorder
from lab.running import Lab
from lab.waiting import eventually
from tests.machines.command import ROOT

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="machines need root")
NODE = "coreos-2"
SETTING = 0.2  # seconds that an emulated `date` may take from reading the clock to setting it
WRITES = "dd if=/dev/zero of=/var/lib/lab-test bs=1M count=1 conv=fsync"


def possible(lab: Lab, name: str) -> faults.Kind:
    """The fault called `name`; the test is skipped where it cannot be made."""
    if reason := kind(name).available(lab):
        pytest.skip(f"{name} is not possible here: {reason}")
    return kind(name)


def ahead(lab: Lab) -> tuple[float, float]:
    """Seconds by which the machine's wall clock is before the host's, and by which that may be wrong."""
    found = clocks.measure(lab, NODE)
    return time.monotonic() - time.time() - found.seconds, found.error


def restarted(node: Node) -> tuple[float, float]:
    """Restart fleet there; the moments on the host's clock between which it began."""
    before = time.monotonic()
    node.run("systemctl restart fleet.service", sudo=True)
    return before, time.monotonic()


def when_started(recorder: Recorder) -> list[float]:
    """When fleet was started there, as the timeline has it."""
    return [
        event.at
        for event in recorder.events()
        if (event.kind, event.lane, event.what, event.machine) == ("unit", "fleet.service", "started", NODE)
    ]


def test_a_full_disk_takes_no_write_until_it_is_healed(lab: Lab) -> None:
    full, node = possible(lab, "disk-full"), lab[NODE]
    try:
        with inject(lab, full, NODE):
            refused = node.run(WRITES, sudo=True, check=False)
            assert not refused.ok
            assert "No space left" in refused.stderr
        assert node.run(WRITES, sudo=True).ok
    finally:
        node.run("rm -f /var/lib/lab-test", sudo=True)


@pytest.mark.parametrize("step", ["+60s", "-60s", "+1500ms"])
def test_a_clock_is_off_by_as_much_as_was_asked_for_and_right_again(lab: Lab, step: str) -> None:
    stepped = possible(lab, "clock-step")
    _, known = ahead(lab)
    with inject(lab, stepped, NODE, amount=step):
        by, error = ahead(lab)
        assert by == pytest.approx(clock.ahead(step), abs=error + known + SETTING)
    by, later = ahead(lab)
    # put right by one look, and seen by another
    assert by == pytest.approx(0, abs=later + max(known, error, later) + SETTING)


@pytest.mark.parametrize("step", ["+60s", "-60s"])
def test_what_a_machine_does_by_a_wrong_clock_is_told_for_when_it_was(lab: Lab, step: str) -> None:
    stepped, node = possible(lab, "clock-step"), lab[NODE]
    with Recorder(lab) as recorder:
        with inject(lab, stepped, NODE, amount=step):
            before, after = restarted(node)
        (at,) = when_started(recorder)
    assert before - recorder.clock_error() <= at <= after + recorder.clock_error()


def test_what_a_machine_does_after_a_pause_is_told_for_when_it_was(lab: Lab) -> None:
    """A virtual machine's clock stands still with it, and is late from then on."""
    pause = 3.0
    with Recorder(lab) as recorder:
        with inject(lab, kind("pause"), NODE) as fault:
            eventually(lambda: fault.elapsed() >= pause, pause + 1, "it has stood still")
        before, after = restarted(lab[NODE])
        (at,) = when_started(recorder)
    assert before - recorder.clock_error() <= at <= after + recorder.clock_error()


def test_the_list_of_faults_has_each_with_why_it_is_not_possible(lab: Lab) -> None:
    words = [sys.executable, "-m", "lab", "fault", "--list"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LAB_NAME": lab.name}
    said = subprocess.run(words, env=environment, check=True, timeout=60, capture_output=True, text=True)
    lines = said.stdout.splitlines()
    for one in faults.kinds():
        (place,) = (number for number, line in enumerate(lines) if line.split()[0] == one.name)
        assert one.summary in lines[place]
        reason = one.available(lab)
        follows = "".join(lines[place + 1 : place + 2])
        assert ("not possible here: " in follows) == bool(reason)
        assert reason in follows
    assert "is not known" not in said.stdout
