"""Faults that not every lab can have do what they say where they are possible; a list says where not."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from lab import faults
from lab.faults import inject, kind
from lab.node import Node
from lab.running import Lab
from tests.machines.command import ROOT

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="machines need root")
NODE = "coreos-2"
WRITES = "dd if=/dev/zero of=/var/lib/lab-test bs=1M count=1 conv=fsync"


def possible(lab: Lab, name: str) -> faults.Kind:
    """The fault called `name`; the test is skipped where it cannot be made."""
    if reason := kind(name).available(lab):
        pytest.skip(f"{name} is not possible here: {reason}")
    return kind(name)


def ahead(node: Node) -> float:
    """Seconds by which a machine's wall clock is ahead of the host's."""
    sent = time.time()
    told = float(node.output("date +%s.%N"))
    return told - (sent + time.time()) / 2


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


@pytest.mark.parametrize("step", [60, -60])
def test_a_clock_is_off_by_as_much_as_was_asked_for_and_right_again(lab: Lab, step: int) -> None:
    stepped, node = possible(lab, "clock-step"), lab[NODE]
    with inject(lab, stepped, NODE, amount=f"{step:+d}s"):
        assert ahead(node) == pytest.approx(step, abs=5)
    assert ahead(node) == pytest.approx(0, abs=2)


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
