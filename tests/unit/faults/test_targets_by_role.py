"""A target named by role becomes the machines that have it just now, and a mistake is one line."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.errors import UserError
from lab.roles import ROLES, Target, View, minority, resolve, view
from lab.running import Lab

NAMES = ("coreos-1", "coreos-2", "coreos-3")
THREE = View(NAMES, NAMES, lambda: "coreos-2", {"apache.service": "coreos-3"}.__getitem__)


@pytest.mark.parametrize(
    ("text", "machines", "what"),
    [
        ("coreos-1", ["coreos-1"], ""),
        ("coreos-3,coreos-1", ["coreos-3", "coreos-1"], ""),
        ("leader", ["coreos-2"], ""),
        ("follower", ["coreos-1"], ""),
        ("followers", ["coreos-1", "coreos-3"], ""),
        ("minority", ["coreos-2"], ""),
        ("majority", ["coreos-1", "coreos-3"], ""),
        ("all", ["coreos-1", "coreos-2", "coreos-3"], ""),
        ("leader,coreos-2", ["coreos-2"], ""),
        ("machine_of(apache.service)", ["coreos-3"], ""),
        ("apache.service", ["coreos-3"], "apache.service"),
        ("coreos-1:fleet.service", ["coreos-1"], "fleet.service"),
        ("machine_of(apache.service):docker.service", ["coreos-3"], "docker.service"),
    ],
)
def test_a_target_names_machines(text: str, machines: list[str], what: str) -> None:
    assert resolve(text, THREE) == Target(tuple(machines), what)


@pytest.mark.parametrize("text", ["", ":x", "coreos-1:", "coreos-4", "laeder", "leader,nobody"])
def test_what_is_no_target_is_said_to_be_none(text: str) -> None:
    with pytest.raises(UserError):
        resolve(text, THREE)


def test_a_mistyped_role_has_a_suggestion() -> None:
    with pytest.raises(UserError, match="did you mean 'leader'"):
        resolve("laeder", THREE)


def test_nobody_leads_during_an_election() -> None:
    with pytest.raises(UserError, match="no leader"):
        resolve("followers", replace(THREE, leader=lambda: ""))


def test_an_election_is_waited_for() -> None:
    seen = iter(("", "", "coreos-2"))
    specs = {name: SimpleNamespace(machine=SimpleNamespace(etcd="member")) for name in NAMES}
    lab = SimpleNamespace(specs=specs, etcd=SimpleNamespace(leader=lambda: next(seen)))
    assert resolve("followers", view(cast(Lab, lab))).machines == ("coreos-1", "coreos-3")


def test_a_machine_is_found_without_asking_for_the_leader() -> None:
    def fails() -> str:
        raise AssertionError("asked")

    assert resolve("coreos-1", replace(THREE, leader=fails)).machines == ("coreos-1",)


@given(st.integers(1, 9).flatmap(lambda count: st.tuples(st.just(count), st.integers(0, count - 1))))
def test_the_minority_cannot_write_and_the_majority_can(drawn: tuple[int, int]) -> None:
    count, leader = drawn
    names = tuple(f"m{index}" for index in range(count))
    seen = View(names, names, lambda: names[leader], lambda unit: names[0])
    few, many = (
        (resolve(role, seen).machines for role in ("minority", "majority")) if count > 2 else ((), names)
    )
    assert 2 * len(few) < count < 2 * len(many)
    assert sorted((*few, *many)) == sorted(names)
    assert len(few) == minority(count)


@pytest.mark.parametrize("role", ["follower", "followers", "minority"])
def test_a_role_that_nobody_has_is_said_to_be_nobody_s(role: str) -> None:
    with pytest.raises(UserError, match=f"nobody is '{role}' here"):
        resolve(role, View(("one",), ("one",), lambda: "one", lambda unit: "one"))


def test_every_role_is_known_to_the_grammar() -> None:
    for role in ROLES:
        assert resolve(role, THREE).machines
