"""confd's conformance table names tests that exist, and every behaviour has one or says why not."""

from __future__ import annotations

from tests.unit.conformance import ROOT, badly_shown, missing_tests, named_tests, rows

PAGE = (ROOT / "docs/confd.md").read_text()


def test_every_test_that_is_named_exists() -> None:
    assert len(named_tests(PAGE)) > 50
    assert missing_tests(PAGE) == []


def test_every_row_says_what_ours_does_and_how_that_is_shown() -> None:
    assert len(rows(PAGE)) > 35
    assert badly_shown(PAGE) == []
