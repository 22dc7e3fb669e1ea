"""The ledger knows which faults are in place, whatever process made them, and when each came and went."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from lab.errors import UserError
from lab.faults import clock, kind, kinds, ledger
from lab.roles import Target
from lab.running import Lab

ONE = Target(("coreos-1",), "apache.service")


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return cast(Lab, SimpleNamespace(folder=tmp_path))


def test_a_fault_stands_from_its_beginning_to_its_end(lab: Lab) -> None:
    first = ledger.begin(lab, "pause", ONE)
    second = ledger.begin(lab, "mute", Target(("coreos-2", "coreos-3")))
    assert [(entry.kind, str(entry.target)) for entry in ledger.standing(lab)] == [
        ("mute", "coreos-2,coreos-3"),
        ("pause", "coreos-1:apache.service"),
    ]
    ledger.end(lab, second)
    ledger.end(lab, first)
    assert ledger.standing(lab) == []
    assert [moment.event for moment in ledger.moments(lab)] == ["inject", "inject", "healed", "healed"]


def test_an_entry_that_was_cut_short_is_passed_over(lab: Lab) -> None:
    ledger.begin(lab, "pause", ONE)
    (lab.folder / "faults/1-1.json").write_text('{"kind": "pau')
    assert [entry.kind for entry in ledger.standing(lab)] == ["pause"]


def test_a_lab_without_faults_has_neither_entries_nor_moments(lab: Lab) -> None:
    assert ledger.standing(lab) == []
    assert ledger.moments(lab) == []


def test_machines_made_anew_leave_the_log_and_no_entry(lab: Lab) -> None:
    ledger.begin(lab, "pause", ONE)
    ledger.forget(lab)
    assert ledger.standing(lab) == []
    assert len(ledger.moments(lab)) == 1


def test_names_of_faults_differ_and_a_mistyped_one_has_a_suggestion() -> None:
    names = [one.name for one in kinds()]
    assert len(set(names)) == len(names)
    with pytest.raises(UserError, match="did you mean 'partition'"):
        kind("partitoin")


@pytest.mark.parametrize(
    ("name", "amount"),
    [
        ("loss", "0%"),
        ("loss", "100%"),
        ("loss", "x"),
        ("latency", "soon"),
        ("clock-step", "+-5s"),
        ("pause", "5"),
    ],
)
def test_an_amount_that_makes_no_sense_is_refused(name: str, amount: str, lab: Lab) -> None:
    with pytest.raises(UserError):
        kind(name).check(lab, ONE, amount)


@pytest.mark.parametrize(("amount", "seconds"), [("500ms", 0.5), ("+1m", 60.0), ("-1500ms", -1.5)])
def test_a_clock_is_stepped_by_what_is_said_and_no_whole_seconds(amount: str, seconds: float) -> None:
    assert clock.ahead(amount) == seconds


def test_a_container_must_be_named(lab: Lab) -> None:
    with pytest.raises(UserError, match="MACHINE:NAME"):
        kind("container-killed").check(lab, Target(("coreos-1",)), "")
