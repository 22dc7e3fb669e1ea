"""A fault is healed however its block ends, after whoever wants to look has looked; no machine is needed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from lab.errors import MachineError
from lab.faults import Kind, NotPossible, heal_all, inject, leave, ledger
from lab.roles import Target
from lab.running import Lab

ONE = Target(("coreos-1",))


class Noted(Kind):
    """Does nothing but note what it was asked for; `broken` names what it fails at."""

    name = "pause"
    summary = "for this test"

    def __init__(self, broken: str = "", impossible: str = "") -> None:
        self.done: list[str] = []
        self._broken = broken
        self._impossible = impossible

    def available(self, lab: Lab) -> str:
        return self._impossible

    def inject(self, lab: Lab, target: Target, amount: str) -> None:
        self._do("inject")

    def heal(self, lab: Lab, target: Target) -> None:
        self._do("heal")

    def _do(self, what: str) -> None:
        self.done.append(what)
        if what == self._broken:
            raise MachineError(f"cannot {what}")


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return cast(Lab, SimpleNamespace(folder=tmp_path, on_trouble=None, specs={"coreos-1": None}))


def block(lab: Lab, kind: Kind, problem: BaseException | None = None) -> None:
    with inject(lab, kind, ONE, checked=False):
        if problem is not None:
            raise problem


def test_a_block_that_ends_heals(lab: Lab) -> None:
    kind = Noted()
    block(lab, kind)
    assert kind.done == ["inject", "heal"]
    assert ledger.standing(lab) == []
    assert [moment.event for moment in ledger.moments(lab)] == ["inject", "heal", "healed"]


@pytest.mark.parametrize("problem", [AssertionError("no"), KeyboardInterrupt(), SystemExit(143)])
def test_a_block_that_fails_or_is_interrupted_heals(lab: Lab, problem: BaseException) -> None:
    kind = Noted()
    with pytest.raises(type(problem)):
        block(lab, kind, problem)
    assert kind.done == ["inject", "heal"]
    assert ledger.standing(lab) == []


def test_a_fault_that_was_half_made_is_healed(lab: Lab) -> None:
    kind = Noted(broken="inject")
    with pytest.raises(MachineError, match="cannot inject"):
        block(lab, kind)
    assert kind.done == ["inject", "heal"]


def test_healing_that_fails_hides_no_failure_and_leaves_the_fault_written_down(lab: Lab) -> None:
    kind = Noted(broken="heal")
    with pytest.raises(AssertionError, match="the test's own"):
        block(lab, kind, AssertionError("the test's own"))
    assert [entry.kind for entry in ledger.standing(lab)] == ["pause"]


def test_a_failure_tells_beside_itself_that_its_fault_does_not_heal(lab: Lab) -> None:
    kind, problem = Noted(broken="heal"), AssertionError("the test's own")
    with pytest.raises(AssertionError):
        block(lab, kind, problem)
    told = ["pause of coreos-1 is not healed: cannot heal; `lab heal` tries again"]
    assert getattr(problem, "__notes__", told) == told  # Python 3.10 has no notes


class Impatient(Noted):
    """Somebody presses Ctrl-C while it heals, so many times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self._times = times

    def heal(self, lab: Lab, target: Target) -> None:
        super().heal(lab, target)
        if len(self.done) <= self._times + 1:
            raise KeyboardInterrupt


@pytest.mark.parametrize("problem", [None, AssertionError("the test's own")])
def test_who_interrupts_the_healing_goes_once_it_is_done(lab: Lab, problem: BaseException | None) -> None:
    kind = Impatient(times=1)
    with pytest.raises(KeyboardInterrupt):
        block(lab, kind, problem)
    assert kind.done == ["inject", "heal", "heal"]
    assert ledger.standing(lab) == []


def test_who_interrupts_it_twice_goes_at_once_and_the_fault_stays_written_down(lab: Lab) -> None:
    with pytest.raises(KeyboardInterrupt):
        block(lab, Impatient(times=2))
    assert [entry.kind for entry in ledger.standing(lab)] == ["pause"]


def test_who_wants_to_look_does_so_before_the_healing(lab: Lab) -> None:
    kind = Noted()
    lab.on_trouble = lambda problem: kind.done.append(f"looked at {problem}")
    with pytest.raises(AssertionError):
        block(lab, kind, AssertionError("this"))
    assert kind.done == ["inject", "looked at this", "heal"]


def test_what_is_not_possible_is_neither_made_nor_written_down(lab: Lab) -> None:
    kind = Noted(impossible="there is no such thing")
    with pytest.raises(NotPossible, match="not possible here: there is no such thing"):
        block(lab, kind)
    assert kind.done == []
    assert ledger.moments(lab) == []


def test_a_fault_that_is_left_is_there_for_whoever_heals_all(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Noted()
    leave(lab, made, ONE)
    healer = Noted()
    monkeypatch.setattr("lab.faults.kind", lambda name: healer)
    monkeypatch.setattr("lab.faults.network.clear", lambda lab: ["lab-fault-mute-coreos-2"])
    assert heal_all(lab) == ["pause of coreos-1", "lab-fault-mute-coreos-2"]
    assert (made.done, healer.done) == (["inject"], ["heal"])
    assert ledger.standing(lab) == []


def test_what_somebody_else_has_healed_is_healed(lab: Lab) -> None:
    kind = Noted()
    with inject(lab, kind, ONE, checked=False):
        (standing,) = ledger.standing(lab)
        ledger.end(lab, standing.mark)
    assert kind.done == ["inject"]
    assert ledger.standing(lab) == []


def test_what_somebody_else_heals_meanwhile_is_healed(lab: Lab) -> None:
    """`lab heal` in another terminal is done first: our healing finds nothing written down any more."""

    class Overtaken(Noted):
        def heal(self, lab: Lab, target: Target) -> None:
            super().heal(lab, target)
            for entry in ledger.standing(lab):
                ledger.end(lab, entry.mark)

    kind = Overtaken()
    block(lab, kind)
    assert kind.done == ["inject", "heal"]
    assert ledger.standing(lab) == []
    assert [moment.event for moment in ledger.moments(lab)] == ["inject", "heal", "healed"]


def test_healing_all_goes_on_past_what_does_not_heal_and_says_so(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    healers = {"pause": Noted(), "mute": Noted(broken="heal")}
    for name in healers:
        ledger.begin(lab, name, ONE)
    monkeypatch.setattr("lab.faults.kind", healers.__getitem__)
    monkeypatch.setattr("lab.faults.network.clear", lambda lab: [])
    with pytest.raises(MachineError, match=r"not healed: mute of coreos-1 \(cannot heal\)"):
        heal_all(lab)
    assert healers["pause"].done == ["heal"]
    assert [entry.kind for entry in ledger.standing(lab)] == ["mute"]


def test_a_fault_of_a_machine_that_has_left_the_lab_is_healed_by_that(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    healer = Noted()
    ledger.begin(lab, "mute", Target(("coreos-4",)))
    monkeypatch.setattr("lab.faults.kind", lambda name: healer)
    monkeypatch.setattr("lab.faults.network.clear", lambda lab: [])
    assert heal_all(lab) == ["mute of coreos-4"]
    assert healer.done == []
    assert ledger.standing(lab) == []


def test_what_a_cut_network_keeps_from_healing_heals_when_that_is_whole(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    parted = Noted(broken="heal")
    ledger.begin(lab, "member-stopped", ONE)

    def clear(_: Lab) -> list[str]:
        parted._broken = ""
        return ["lab-fault-partition-coreos-1"]

    monkeypatch.setattr("lab.faults.kind", lambda name: parted)
    monkeypatch.setattr("lab.faults.network.clear", clear)
    assert heal_all(lab) == ["lab-fault-partition-coreos-1", "member-stopped of coreos-1"]
