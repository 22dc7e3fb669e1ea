"""Labs are made and removed whole, whatever happens to the harness meanwhile."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab import netns, network, processes, store
from lab.waiting import eventually
from tests.machines.command import UP_WITHIN, Command, traces

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="machines need root")

NAME = "t-life"
SOON = 0.001  # seconds between two looks: the moment to strike is short


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Command]:
    command = Command(NAME, tmp_path)
    command("down")
    yield command
    command("down")


@pytest.fixture(scope="module", autouse=True)
def box(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The box is there before anything is interrupted: these tests are about labs."""
    Command(NAME, tmp_path_factory.mktemp("box")).ok("box", "build")


def machine_files(name: str) -> int:
    return len(list(store.folder(NAME).glob(f"machines/*/{name}")))


def keepers() -> int:
    return len(processes.marked(store.folder(NAME), {"LAB_MACHINE": "coreos-1"}))


MOMENTS_OF_UP: dict[str, Callable[[], bool]] = {
    "the folder is there": lambda: store.folder(NAME).exists(),
    "the record is there": lambda: store.read(NAME) is not None,
    "the network is there": lambda: netns.path(network.namespace(NAME)).exists(),
    "a machine is described": lambda: machine_files("keeper.json") > 0,
    "a machine starts": lambda: keepers() > 0,
    "all machines boot": lambda: machine_files("console.log") == 3,
}


@pytest.mark.parametrize("moment", MOMENTS_OF_UP)
def test_down_removes_what_a_killed_up_has_left(own: Command, moment: str) -> None:
    _kill_when(own, MOMENTS_OF_UP[moment], "up", "--provider=nspawn")

    own.ok("down")

    assert traces(NAME) == []


def test_up_works_after_a_killed_up(own: Command) -> None:
    _kill_when(own, MOMENTS_OF_UP["all machines boot"], "up", "--provider=nspawn")

    own.up()

    eventually(own.healthy, 60, "the lab is healthy")


MOMENTS_OF_DOWN: dict[str, Callable[[], bool]] = {
    "a machine has gone": lambda: keepers() == 0,
    "the network has gone": lambda: not netns.path(network.namespace(NAME)).exists(),
}


@pytest.mark.parametrize("moment", MOMENTS_OF_DOWN)
def test_down_finishes_what_a_killed_down_began(
    own: Command, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own.up()
    with monkeypatch.context() as held:
        _hold_removals(own, held)
        _kill_when(own, MOMENTS_OF_DOWN[moment], "down")

    own.ok("down")

    assert traces(NAME) == []


def test_down_removes_a_lab_with_a_fault_in_place(own: Command) -> None:
    """Latency, as it may have processes and devices of its own, in the lab's network but on no machine."""
    own.up()
    own.ok("fault", "latency", "coreos-1")

    own.ok("down")

    assert traces(NAME) == []


def test_up_works_after_a_killed_down(own: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    own.up()
    with monkeypatch.context() as held:
        _hold_removals(own, held)
        _kill_when(own, MOMENTS_OF_DOWN["a machine has gone"], "down")

    own.up()

    eventually(own.healthy, 60, "the lab is healthy")


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_up_leaves_nothing(own: Command, sent: signal.Signals, code: int) -> None:
    harness = own.start("up", "--provider=nspawn")
    eventually(MOMENTS_OF_UP["all machines boot"], UP_WITHIN, every=SOON)

    harness.send_signal(sent)

    assert harness.wait(30) == code
    assert traces(NAME) == []


def test_two_labs_with_the_same_addresses_are_both_healthy(tmp_path: Path) -> None:
    labs = [Command(f"t-two-{which}", tmp_path) for which in ("a", "b")]
    try:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(Command.up, labs))

        for lab in labs:
            eventually(lab.healthy, 60, f"{lab.name} is healthy")
        for lab in labs:
            lab.ok("run", "coreos-1", "--", "etcdctl", "set", "/whose", lab.name)
        for lab in labs:
            assert lab.ok("run", "coreos-3", "--", "etcdctl", "get", "/whose").strip() == lab.name
        assert labs[0].status()["coreos-1"]["private"] == labs[1].status()["coreos-1"]["private"]
        assert labs[0].status()["coreos-1"]["boot"] != labs[1].status()["coreos-1"]["boot"]
    finally:
        for lab in labs:
            lab("down")
    assert [trace for lab in labs for trace in traces(lab.name)] == []


def test_one_lab_goes_and_the_other_stays(tmp_path: Path) -> None:
    going, staying = (Command(f"t-two-{which}", tmp_path) for which in ("a", "b"))
    try:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(Command.up, (going, staying)))
        boots = {name: machine["boot"] for name, machine in staying.status().items()}

        going.ok("down")

        eventually(staying.healthy, 60, "the lab that stays is healthy")
        assert {name: machine["boot"] for name, machine in staying.status().items()} == boots
    finally:
        going("down")
        staying("down")


def _hold_removals(own: Command, held: pytest.MonkeyPatch) -> None:
    """Have `lab down` stand still when it begins to remove files: it cannot end before it is killed."""
    own.place.joinpath("held").mkdir()
    stands = own.place / "held/rm"
    stands.write_text("#!/bin/sh\nexec sleep 600\n")
    stands.chmod(0o755)
    held.setenv("PATH", str(stands.parent), prepend=os.pathsep)


def _kill_when(own: Command, moment: Callable[[], bool], *words: str) -> None:
    """Kill `lab WORDS...` without notice at a moment on its way."""
    harness = own.start(*words)
    eventually(lambda: moment() or harness.poll() is not None, UP_WITHIN, every=SOON)
    harness.kill()
    assert harness.wait(10) == -signal.SIGKILL, (own.place / "output").read_text()
