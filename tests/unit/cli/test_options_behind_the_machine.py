"""The common options may stand behind the machine of `lab run` and `lab ssh`; its command stays as it is."""

from __future__ import annotations

import pytest

from lab.cli import options_first, parser


@pytest.mark.parametrize(
    ("words", "lab", "command"),
    [
        ("run coreos-1 --lab other -- ls -l", "other", ["ls", "-l"]),
        ("run coreos-1 --lab=other ls", "other", ["ls"]),
        ("run --lab other coreos-1 ls", "other", ["ls"]),
        ("--lab other run coreos-1 -- ls --lab mine", "other", ["ls", "--lab", "mine"]),
        ("run coreos-1 -- --lab mine", "", ["--lab", "mine"]),
        ("run coreos-1 ls --json", "", ["ls", "--json"]),
        ("ssh coreos-1 --lab other", "other", []),
        ("--lab run run coreos-1 true", "run", ["true"]),
    ],
)
def test_options_are_the_labs_up_to_the_command(words: str, lab: str, command: list[str]) -> None:
    options = parser().parse_args(options_first(words.split()))

    said = options.words[1:] if options.words[:1] == ["--"] else options.words  # Pythons differ in this
    assert (options.lab, options.node, said) == (lab, "coreos-1", command)


def test_several_options_may_stand_there() -> None:
    options = parser().parse_args(
        options_first(["run", "coreos-1", "-q", "--lab", "other", "--json", "true"])
    )

    assert (options.quiet, options.json, options.lab, options.words) == (True, True, "other", ["true"])


@pytest.mark.parametrize("words", ["", "run", "run --lab", "status --json", "run -- coreos-1", "logs a -n 5"])
def test_all_else_stays_as_it_was_typed(words: str) -> None:
    assert options_first(words.split()) == words.split()
