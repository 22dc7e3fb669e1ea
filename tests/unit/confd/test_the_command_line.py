"""Flags as Go's package flag reads them, and how a mistake is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confd import flags


def test_without_arguments_the_defaults_hold() -> None:
    values = flags.parse([])
    assert (values["backend"], values["confdir"], values["interval"]) == ("etcd", "/etc/confd", 600)
    assert (values["node"], values["watch"], values["scheme"]) == ((), False, "http")
    assert values["config_file"] == "/etc/confd/confd.toml"


def test_one_dash_or_two_a_space_or_an_equals_sign() -> None:
    for words in (["-interval", "7"], ["--interval", "7"], ["-interval=7"], ["--interval=0x7"]):
        assert flags.parse(words)["interval"] == 7


def test_a_node_may_be_given_several_times() -> None:
    assert flags.parse(["-node", "a:1", "--node=http://b:2"])["node"] == ("a:1", "http://b:2")


def test_booleans_take_a_value_only_behind_an_equals_sign() -> None:
    assert flags.parse(["-watch", "false"])["watch"] is True
    assert flags.parse(["-watch=false"])["watch"] is False
    assert flags.parse(["-watch=T", "-noop=1"])["watch"] is True


def test_flags_end_at_the_first_plain_word_and_at_two_dashes() -> None:
    assert flags.parse(["-noop", "word", "-watch"])["watch"] is False
    assert flags.parse(["--", "-watch"])["watch"] is False
    assert flags.parse(["-", "-watch"])["watch"] is False


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-frob"], "flag provided but not defined: -frob"),
        (["--quiet=1"], "flag provided but not defined: -quiet"),
        (["-node"], "flag needs an argument: -node"),
        (["---node", "x"], "bad flag syntax: ---node"),
        (["-=x"], "bad flag syntax: -=x"),
        (
            ["-interval", "soon"],
            'invalid value "soon" for flag -interval: strconv.ParseInt: parsing "soon": invalid syntax',
        ),
        (
            ["-watch=maybe"],
            'invalid boolean value "maybe" for -watch: strconv.ParseBool: parsing "maybe": invalid syntax',
        ),
        (["-h"], ""),
    ],
)
def test_a_mistake_is_told_in_gos_words(words: list[str], message: str) -> None:
    with pytest.raises(flags.Mistake) as told:
        flags.parse(words)
    assert str(told.value) == message


def test_the_usage_names_every_flag_of_0_16() -> None:
    text = flags.usage()
    assert text.startswith("Usage of confd:\n  -app-id string\n    \t")
    assert '\n  -backend string\n    \twhere values come from: etcd, env or file (default "etcd")\n' in text
    assert "\n  -interval int\n" in text
    assert "(default 600)" in text
    assert "\n  -node value\n" in text
    assert "\n  -noop\n" in text
    listed = [line.split()[0] for line in text.splitlines() if line.startswith("  -")]
    assert listed == sorted(listed)
    assert len(listed) == 35


@given(st.lists(st.text(max_size=12), max_size=6))
def test_any_words_are_read_or_refused(words: list[str]) -> None:
    try:
        values = flags.parse(words)
    except flags.Mistake:
        return
    assert isinstance(values["interval"], int)
