"""A pytest run that is ended, however rudely, leaves nothing that the next one does not clear away."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import store
from lab.timeline import read
from lab.waiting import eventually
from tests.machines.command import ROOT, UP_WITHIN, Command, traces

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="machines need root")

NAME = "t-pytest"
STAYS = """
import threading
def test_stays(lab):
    open("reached", "w").close()
    threading.Event().wait(60)
"""
FAILS = """
import pytest
def test_fails(lab, timeline):
    lab.etcd.set("/seen", "in the bundle")
    assert lab["coreos-1"].output("hostname") == "elsewhere"
@pytest.mark.xfail
def test_known(lab):
    assert not lab
"""


ALONE = """
def test_{0}(lab):
    lab.etcd.set("/seen/{0}", "here")
    assert [key.name for key in lab.etcd.keys("/seen")] == ["/seen/{0}"]
"""
WELL = """
from lab.waiting import eventually
def test_fine(lab):
    eventually(lambda: lab.etcd.healthy("coreos-1"), 60)
"""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """An empty checkout, and no lab of this name before or after."""
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    command = Command(NAME, tmp_path)
    command("down")
    yield tmp_path
    command("down")


def begin(place: Path, test: str, *words: str) -> subprocess.Popen[str]:
    (place / "test_it.py").write_text(test)
    argv = [sys.executable, "-m", "pytest", "-p", "lab.plugin", "--lab-provider=nspawn"]
    with (place / "output").open("w") as output:
        return subprocess.Popen(
            [*argv, f"--lab-name={NAME}", *words],
            cwd=place,
            env={**os.environ, "PYTHONPATH": str(ROOT), "LAB_EVIDENCE": str(place / "evidence")},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            text=True,
        )


def ended_within_a_test(place: Path, how: signal.Signals) -> None:
    run = begin(place, STAYS)
    try:
        eventually((place / "reached").exists, UP_WITHIN, "the test has begun")
    finally:
        run.send_signal(how)
        run.wait(120)


def test_what_a_killed_run_left_is_cleared_by_the_next(place: Path) -> None:
    ended_within_a_test(place, signal.SIGKILL)
    assert traces(NAME), "SIGKILL leaves a lab behind"

    next_run = begin(place, WELL)

    assert next_run.wait(UP_WITHIN) == 0, (place / "output").read_text()
    assert "an earlier run left lab" in (place / "output").read_text()
    assert traces(NAME) == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_interrupted_takes_its_lab_along(place: Path, how: signal.Signals) -> None:
    ended_within_a_test(place, how)
    assert traces(NAME) == []


def test_workers_have_a_lab_each_and_leave_none(place: Path) -> None:
    """Each writes a key of its own, and finds no other's."""
    for name in ("one", "other"):
        (place / f"test_{name}.py").write_text(ALONE.format(name))

    run = begin(place, "", "-n", "2", "-p", "lab.plugin_workers")

    assert run.wait(2 * UP_WITHIN) == 0, (place / "output").read_text()
    said = (place / "output").read_text()
    for worker in ("gw0", "gw1"):
        assert f"[{worker}] lab '{NAME}-{worker}' is up after" in said
        assert traces(f"{NAME}-{worker}") == []
    assert "machines: nspawn (asked for)" in said


def test_a_failed_test_leaves_a_bundle_and_an_expected_failure_none(place: Path) -> None:
    run = begin(place, FAILS)
    assert run.wait(UP_WITHIN) == 1
    said = (place / "output").read_text()
    found = re.search(r"units and containers, timeline.jsonl are in (\S+)", said)
    assert found, said
    bundle = Path(found[1])
    assert "is up after" in said, "progress is seen although pytest captures"
    assert '"value": "in the bundle"' in (bundle / "etcd/coreos-2.json").read_text()
    assert "fleetd" in (bundle / "coreos-1/journal.txt").read_text()
    assert [event.what for event in read(bundle / "timeline.jsonl") if event.lane == "/seen"] == ["set"]
    for file in ("console.log", "containers.txt", "fleet-list-machines.txt", "fleet-list-units.txt"):
        assert (bundle / "coreos-3" / file).exists(), file
    assert len(list((place / "evidence").iterdir())) == 1
    assert traces(NAME) == []


def test_a_lab_that_is_kept_is_used_by_the_next_run_and_left_to_its_owner(place: Path) -> None:
    (place / "lab.yaml").write_text("machines: [{name: host-1}]")
    assert begin(place, "def test_fine(lab): pass", "--lab-keep").wait(UP_WITHIN) == 0
    said = (place / "output").read_text()
    assert f"`lab --lab {NAME} down` removes it" in said
    assert store.require(NAME)
    found = re.search(r"`lab (--lab \S+ ssh \S+)` gets in", said)
    assert found, said
    inside = Command(NAME, place)(*found[1].split(), "hostname")
    assert (inside.returncode, inside.stdout) == (0, "host-1\n"), inside

    assert begin(place, "def test_fine(lab): pass").wait(UP_WITHIN) == 0

    assert "is up after" not in (place / "output").read_text()
    assert store.require(NAME)
