"""Unit files: what is read, what the canonical text and its hash are, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.unitfile import LINE_MAX, Option, UnitFile, UnitFileError, parse


@pytest.mark.parametrize(
    ("text", "digest"),
    [
        # By hand: the canonical text through sha1sum.
        (
            "[Unit]\nDescription=Hello\n\n[Service]\nExecStart=/bin/sleep 1\n",
            "255e9792c216761ee18419a5dbae89e17150fad6",
        ),
        (
            '# a comment\n[Service]\r\nExecStart = /bin/sh -c "a \\\n  b"  \n\n\n'
            "[X-Fleet]\n ; another\nGlobal=true",
            "d5a4ddea6c8e74b274e58de6ea0cc0aefdc678c3",
        ),
        (
            "dropped=1\n[Unit]\nA=1\n[Empty]\n[Service]\nX=y\n[Unit]\nB=2\n",
            "67f5b0bc938a58d6181b9a17ec7793bf2d919e8b",
        ),
    ],
)
def test_the_hash_is_the_sha1_of_the_canonical_text(text: str, digest: str) -> None:
    assert parse(text).hash == digest


def test_the_canonical_text_gathers_sections_and_keeps_continued_lines() -> None:
    unit = parse("[B]\nx = 1 \n[A]\ny=2\n[B]\nz=a \\\n   b\n")
    assert unit.text == "[B]\nx=1\nz=a \\\n   b\n\n[A]\ny=2\n"
    assert unit.values("B", "z") == ["a \\\n   b"]


def test_a_comment_that_ends_in_a_backslash_swallows_the_next_line() -> None:
    assert parse("[A]\n# note \\\nx=1\ny=2\n").options == (Option("A", "y", "2"),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[Unit\nA=1\n", "unable to find end of section"),
        ("[Unit] x\nA=1\n", "found garbage after section name Unit"),
        ("[Unit]\nnonsense\n", "unexpected newline encountered while parsing option name"),
        ("[Unit]\nA=" + "x" * LINE_MAX, "line too long"),
    ],
)
def test_what_is_no_unit_file_is_refused_with_the_originals_words(text: str, message: str) -> None:
    with pytest.raises(UnitFileError, match=message):
        parse(text)


def test_a_line_just_below_the_limit_is_read() -> None:
    assert len(parse("[U]\nA=" + "x" * (LINE_MAX - 3)).options[0].value) == LINE_MAX - 3


_LINES = st.lists(
    st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\n\0"), max_size=20)
    | st.sampled_from(["[A]", "[B]", "x=1", "y = 2 \\", "", "  ", "#c \\", "z=\\", "\\", "w=a\\  ", "[A]\\"]),
    max_size=12,
)


@given(_LINES)
def test_the_canonical_text_reads_as_itself(lines: list[str]) -> None:
    try:
        unit = parse("\n".join(["[S]", *lines]))
    except UnitFileError:
        return
    again = parse(unit.text)
    assert again.options == unit.options
    assert again.hash == unit.hash


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.sampled_from("xyz"), st.sampled_from(["1", "a b"]))))
def test_no_option_is_lost_or_made_up(options: list[tuple[str, str, str]]) -> None:
    unit = UnitFile(Option(*each) for each in options)
    assert sorted(parse(unit.text).options) == sorted(options)
