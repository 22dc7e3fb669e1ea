"""[X-Fleet]: its options under both names, specifiers, patterns, and what contradicts itself."""

from __future__ import annotations

import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.names import complete, problem, split
from fleet.requirements import Requirements, contradiction, matches, read, unknown_options
from fleet.unitfile import parse


def wanted(text: str, name: str = "web@7.service") -> Requirements:
    return read(name, parse("[X-Fleet]\n" + text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("MachineID=abc\nMachineID=def", Requirements(machine_id="abc")),
        ("X-ConditionMachineBootID=abc", Requirements(machine_id="abc")),
        (
            "X-ConditionMachineOf=a.service\nMachineOf=b.service",
            Requirements(peers=("a.service", "b.service")),
        ),
        ('MachineOf="a.service" "b.service"', Requirements(peers=("a.service", "b.service"))),
        ("X-Conflicts=a.* b.*\nConflicts=c", Requirements(conflicts=("a.*", "b.*", "c"))),
        ("Conflicts=%p@*.%i", Requirements(conflicts=("web@*.7",))),
        ("MachineOf=%N-x.service", Requirements(peers=("web@7-x.service",))),
        ("MachineOf=%n.d", Requirements(peers=("web@7.service.d",))),
        (
            'MachineMetadata="a=1" "b=2"\nMachineMetadata=a=3\n'
            "MachineMetadata=nonsense\nMachineMetadata=c=1=2",
            Requirements(metadata=(("a", frozenset("13")), ("b", frozenset("2")))),
        ),
        ("Replaces=old.service", Requirements(replaces=("old.service",))),
        ("Global=no\nGlobal=YES", Requirements(is_global=True)),
        ("Global=true\nGlobal=false", Requirements()),
    ],
)
def test_the_options_mean_what_fleet_says(text: str, expected: Requirements) -> None:
    assert wanted(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("MachineID=a\nMachineOf=b.service", "MachineID cannot be used with Peers"),
        ("MachineID=a\nConflicts=b", "MachineID cannot be used with Conflicts"),
        ("MachineID=a\nGlobal=true", "MachineID cannot be used with Global"),
        ("MachineID=a\nReplaces=b", "MachineID cannot be used with Replaces"),
        ("Global=1\nMachineOf=b.service", "Global cannot be used with Peers"),
        ("Global=1\nReplaces=b", "Global cannot be used with Replaces"),
        ("Conflicts=a\nReplaces=b", "Conflicts cannot be used with Replaces"),
        (
            "MachineOf=web.service\nConflicts=web*",
            'unresolvable requirements: peer "web.service" matches conflict "web*"',
        ),
        ("MachineOf=a.service\nConflicts=b*", None),
        ("Global=true\nMachineMetadata=a=b\nConflicts=x", None),
    ],
)
def test_contradictions_are_named_in_fleets_words(text: str, message: str | None) -> None:
    assert contradiction(wanted(text)) == message


def test_unknown_options_are_found() -> None:
    assert unknown_options(parse("[X-Fleet]\nFrobnicate=1\nGlobal=true\n[Unit]\nAlso=1\n")) == ["Frobnicate"]


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("apache@*.service", "apache@8001.service", True),
        ("apache.service", "apacheXservice", False),
        ("web[0-9].service", "web3.service", True),
        ("web[^0-9].service", "web3.service", False),
        ("web?.service", "web.service", False),
        ("a\\*", "a*", True),
        ("broken[", "broken[", False),
    ],
)
def test_patterns_match_as_in_a_shell(pattern: str, name: str, expected: bool) -> None:
    assert matches(pattern, name) is expected


@given(st.text("ab*?", max_size=6), st.text("ab.", max_size=6))
def test_stars_and_question_marks_are_the_shells(pattern: str, name: str) -> None:
    assert matches(pattern, name) == fnmatch.fnmatchcase(name, pattern)


@given(st.text(max_size=12), st.text(max_size=12))
def test_no_pattern_is_a_crash(pattern: str, name: str) -> None:
    matches(pattern, name)


def test_names_are_taken_apart() -> None:
    name = split("web@1.2.service")
    assert (name.prefix, name.instance, name.template, name.stem) == ("web", "1.2", "web@.service", "web@1.2")
    assert split("web@.service").is_template
    assert not split("web.service").is_instance


@pytest.mark.parametrize(
    ("argument", "name"),
    [
        ("web", "web.service"),
        ("dir/web.socket", "web.socket"),
        ("web@1", "web@1.service"),
        ("a.b", "a.b.service"),
    ],
)
def test_arguments_become_unit_names(argument: str, name: str) -> None:
    assert complete(argument) == name


@pytest.mark.parametrize(
    "name", ["", "web", "web.nonsense", "@x.service", "a b.service", "x@1.mount", "a" * 257]
)
def test_what_is_no_unit_name_is_refused(name: str) -> None:
    assert problem(name)


def test_good_names_pass() -> None:
    assert all(problem(each) is None for each in ("a.service", "a@1.timer", "x-y_z:1.socket", "a\\x2d.path"))
