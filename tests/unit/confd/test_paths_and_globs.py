"""Go's package path: cleaning, joining, and globs against a matcher that tries everything."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confd import gopath


@pytest.mark.parametrize(
    ("path", "cleaned", "base", "parent"),
    [
        ("", ".", ".", "."),
        ("/", "/", "/", "/"),
        ("//", "/", "/", "/"),
        ("a", "a", "a", "."),
        ("a/b", "a/b", "b", "a"),
        ("/a/b/", "/a/b", "b", "/a/b"),
        ("/a//b/./c/..", "/a/b", "..", "/a/b/c"),
        ("../a", "../a", "a", ".."),
        ("/../a", "/a", "a", "/"),
        ("a/..", ".", "..", "a"),
    ],
)
def test_clean_base_and_parent(path: str, cleaned: str, base: str, parent: str) -> None:
    assert (gopath.clean(path), gopath.base(path), gopath.parent(path)) == (cleaned, base, parent)


@pytest.mark.parametrize(
    ("parts", "joined"),
    [
        (("/p", "/a//b/"), "/p/a/b"),
        (("/", "a"), "/a"),
        (("", ""), ""),
        (("/p", ""), "/p"),
        (("/p", "../x"), "/x"),
    ],
)
def test_join(parts: tuple[str, ...], joined: str) -> None:
    assert gopath.join(*parts) == joined


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("/services/apache/*", "/services/apache/10.1.0.101", True),
        ("/services/apache/*", "/services/apache/a/b", False),
        ("/services/apache/*", "/services/apache/", True),
        ("/services/apache/*", "/services/apache", False),
        ("/*/port", "/web/port", True),
        ("/w?b", "/web", True),
        ("/w?b", "/w/b", False),
        ("/[a-c]x", "/bx", True),
        ("/[a-c]x", "/dx", False),
        ("/[^a-c]x", "/dx", True),
        ("/[^a]x", "//x", True),
        ("/[b-a]x", "/bx", False),
        ("/[\\]]", "/]", True),
        ("/a\\*", "/a*", True),
        ("/a\\*", "/ab", False),
        ("/a.c", "/abc", False),
        ("*", "", True),
        ("**", "ab", True),
        ("/ü*", "/über", True),
    ],
)
def test_globs(pattern: str, text: str, matches: bool) -> None:
    assert bool(gopath.glob(pattern).fullmatch(text)) is matches


@pytest.mark.parametrize("pattern", ["[", "[a", "[]a]", "[-]", "[a-]", "[^]", "a\\", "[\\", "[a-b-c]", "[x-"])
def test_a_malformed_glob_is_refused(pattern: str) -> None:
    with pytest.raises(gopath.BadPattern, match="syntax error in pattern"):
        gopath.glob(pattern)


def test_many_stars_cost_little() -> None:
    assert gopath.glob("*" * 5000 + "b").fullmatch("a" * 2000) is None


PIECES = ("*", "?", "a", "b", "/", "[ab]", "[^a]", "[a-b]", "\\*", "\\a")


@given(st.lists(st.sampled_from(PIECES), max_size=6), st.text("ab/*", max_size=6))
def test_globs_match_what_trying_everything_matches(pieces: list[str], text: str) -> None:
    assert bool(gopath.glob("".join(pieces)).fullmatch(text)) is slow_match(pieces, text)


def slow_match(pieces: list[str], text: str) -> bool:
    if not pieces:
        return not text
    first, rest = pieces[0], pieces[1:]
    if first == "*":
        reach = len(text.partition("/")[0])
        return any(slow_match(rest, text[taken:]) for taken in range(reach + 1))
    return bool(text) and takes(first, text[0]) and slow_match(rest, text[1:])


def takes(piece: str, char: str) -> bool:
    if piece == "?":
        return char != "/"
    if piece.startswith("[^"):
        return char != "a"
    if piece.startswith("["):
        return char in "ab"
    return char == piece[-1]


@given(st.text("[]^-\\*?ab/", max_size=8))
def test_any_pattern_is_compiled_or_refused(pattern: str) -> None:
    try:
        gopath.glob(pattern).fullmatch("ab/")
    except gopath.BadPattern:
        return
