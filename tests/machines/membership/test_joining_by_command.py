"""`lab up MACHINE` and `lab leave MACHINE`: what they say, and what a SIGKILL midway leaves behind."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab import lifecycle, processes, store
from lab.waiting import eventually
from tests.machines.command import UP_WITHIN, Command, traces

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="machines need root")

NAME = "t-join"
SOON = 0.001  # seconds between two looks: the moment to strike is short
TOPOLOGY = Path(__file__).with_name("lab.yaml")


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    place = tmp_path_factory.mktemp("lab")
    shutil.copy(TOPOLOGY, place)
    command = Command(NAME, place)
    command("down")
    command.up()
    yield command
    command("down")
    assert traces(NAME) == []


@pytest.fixture
def own(machines: Command) -> Command:
    """The lab with host-1 alone, as it first came up."""
    if store.require(NAME).machines != ("host-1",) or machine_runs("host-2"):
        machines.ok("reset")
    return machines


def members(own: Command) -> dict[str, str]:
    return {name: machine["etcd"] for name, machine in own.status().items()}


def settles(own: Command, *wanted: str) -> None:
    """Return when etcd on host-1, host-2, host-3 and back-1 is as `wanted`, and one of the healthy leads.

    Which one is not for us to say: a heartbeat that a busy host holds up makes another the leader.
    """

    def settled() -> bool:
        seen = list(members(own).values())
        level = tuple("healthy" if member == "leader" else member for member in seen)
        return level == wanted and seen.count("leader") == 1

    eventually(settled, 60, f"etcd on the machines is {', '.join(wanted)}")


def machine_runs(name: str) -> bool:
    return bool(processes.marked(store.folder(NAME), {"LAB_MACHINE": name}))


def listed() -> bool:
    return len(lifecycle.open_lab(NAME).etcd.members()) == 2


def test_status_shows_who_is_there_and_who_could_come(own: Command) -> None:
    settles(own, "healthy", "-", "-", "-")
    assert own.ok("status").splitlines()[0].startswith(f"lab {NAME!r}: 1 of 4 machines, nspawn")


def test_up_names_machines_that_join_in_turn(own: Command) -> None:
    said = own.ok("up", "host-2", "back-1")

    assert said == f"back-1 is up; lab {NAME!r} has 3 machines\n"
    settles(own, "healthy", "healthy", "-", "proxy")
    assert own.ok("run", "host-2", "--", "hostname") == "host-2\n"

    assert own.ok("leave", "back-1") == (f"back-1 has left lab {NAME!r}; `lab up back-1` has it join again\n")
    assert members(own)["back-1"] == "-"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("up host-2 host4", "no machine 'host4' in lab 't-join'; did you mean"),
        ("up host-2 host-1", "host-1 is in lab 't-join' already; `lab status` shows it"),
        ("up host-2 --provider=libvirt", "is up with nspawn and its own topology"),
        ("run host-2 -- true", "host-2 is not in lab 't-join' now; `lab up host-2` starts it"),
        ("leave host-2", "host-2 is not in lab 't-join' now"),
        ("leave host-1", "host-1 carries the last etcd member; `lab down` removes the whole lab"),
    ],
)
def test_a_mistake_is_one_line_and_changes_nothing(own: Command, words: str, said: str) -> None:
    done = own(*words.split())

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done
    assert said in done.stderr
    settles(own, "healthy", "-", "-", "-")


MOMENTS: dict[str, Callable[[], bool]] = {
    "its machine starts": lambda: machine_runs("host-2"),
    "etcd knows of it": listed,
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_join_that_was_killed_is_finished_by_the_next(own: Command, moment: str) -> None:
    _kill_join_when(own, MOMENTS[moment])

    own.ok("up", "host-2")

    settles(own, "healthy", "healthy", "-", "-")


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_join_that_was_killed_is_undone_by_a_reset(own: Command, moment: str) -> None:
    _kill_join_when(own, MOMENTS[moment])

    own.ok("reset")

    assert not machine_runs("host-2")
    settles(own, "healthy", "-", "-", "-")


def test_an_interrupted_join_leaves_nothing(own: Command) -> None:
    harness = own.start("up", "host-2")
    eventually(MOMENTS["its machine starts"], UP_WITHIN, every=SOON)

    harness.send_signal(signal.SIGINT)

    assert harness.wait(30) == 130
    assert not machine_runs("host-2")
    settles(own, "healthy", "-", "-", "-")


def test_down_removes_what_a_killed_join_has_left(own: Command) -> None:
    _kill_join_when(own, MOMENTS["etcd knows of it"])

    own.ok("down")

    assert traces(NAME) == []
    own.up()


def test_a_lab_begins_with_the_machines_that_are_named(own: Command) -> None:
    own.ok("down")
    refused = own("up", "back-1", "--provider=nspawn")
    assert (refused.returncode, refused.stderr) == (
        2,
        "lab: back-1 carries no etcd member; a lab begins with one of: host-1, host-2, host-3\n",
    )

    own.ok("up", "host-3", "host-2", "--provider=nspawn")

    settles(own, "-", "healthy", "healthy", "-")
    own.ok("leave", "host-3")
    own.ok("reset")
    assert store.require(NAME).machines == ("host-2", "host-3")
    settles(own, "-", "healthy", "healthy", "-")


def _kill_join_when(own: Command, moment: Callable[[], bool]) -> None:
    """Kill `lab up host-2` without notice at a moment on its way."""
    harness = own.start("up", "host-2")
    eventually(lambda: moment() or harness.poll() is not None, UP_WITHIN, every=SOON)
    harness.kill()
    assert harness.wait(10) == -signal.SIGKILL, (own.place / "output").read_text()
