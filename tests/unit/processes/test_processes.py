"""Processes of a lab outlive the harness, are found by their mark, and are killed for certain."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import processes
from lab.waiting import eventually


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    processes.kill(processes.marked(tmp_path))


def test_a_process_is_found_by_its_lab_and_by_what_else_marks_it(folder: Path) -> None:
    first = processes.start(["sleep", "60"], folder=folder, log=folder / "log", env={"PART": "one"})
    second = processes.start(["sleep", "60"], folder=folder, log=folder / "log", env={"PART": "two"})

    # A program that the kernel has only just begun to load has no environment yet that one could read.
    eventually(lambda: sorted(processes.marked(folder)) == sorted([first, second]), within=5)
    assert processes.marked(folder, {"PART": "two"}) == [second]
    assert processes.marked(folder / "other") == []


def test_children_of_a_marked_process_are_found_as_well(folder: Path) -> None:
    processes.start(["sh", "-c", "sleep 60 & sleep 60 & wait"], folder=folder, log=folder / "log")

    eventually(lambda: len(processes.marked(folder)) == 3, within=5)


def test_kill_returns_when_they_are_gone(folder: Path) -> None:
    pid = processes.start(["sleep", "60"], folder=folder, log=folder / "log")

    assert processes.kill([pid]) == 1

    assert not processes.alive(pid)
    assert processes.marked(folder) == []


def test_a_process_that_ignores_every_polite_signal_is_killed_too(folder: Path) -> None:
    script = "trap '' TERM INT HUP; echo ready; while :; do sleep 60; done"
    processes.start(["sh", "-c", script], folder=folder, log=folder / "log")
    eventually(lambda: "ready" in (folder / "log").read_text(), within=5)

    processes.kill(processes.marked(folder))

    assert processes.marked(folder) == []


def test_killing_what_has_gone_is_no_error(folder: Path) -> None:
    pid = processes.start(["true"], folder=folder, log=folder / "log")
    eventually(lambda: not processes.alive(pid), within=5)

    assert processes.kill([pid]) == 0


def test_a_process_outlives_a_harness_that_is_killed(folder: Path) -> None:
    code = (
        "import signal, sys; from pathlib import Path; from lab import processes\n"
        "place = Path(sys.argv[1])\n"
        "processes.start(['sleep', '60'], folder=place, log=place / 'log')\n"
        "print('started', flush=True); signal.pause()\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    harness = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert harness.stdout is not None
    assert harness.stdout.readline() == "started\n"

    harness.send_signal(signal.SIGKILL)
    harness.wait(10)

    # a process that is just being loaded has no environment yet
    eventually(lambda: len(processes.marked(folder)) == 1, within=5)


def test_output_goes_to_the_log(folder: Path) -> None:
    processes.start(["sh", "-c", "echo out; echo err >&2"], folder=folder, log=folder / "log")

    eventually(lambda: (folder / "log").read_text().split() == ["out", "err"], within=5)
