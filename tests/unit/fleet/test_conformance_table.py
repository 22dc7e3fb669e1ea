"""The conformance table names tests that exist, and every behaviour has a test or says why it has none."""

from __future__ import annotations

import re

from tests.unit.conformance import ROOT, badly_shown, missing_tests, named_tests, rows

TABLE = (ROOT / "docs/fleet-conformance.md").read_text()


def test_every_test_that_is_named_exists() -> None:
    assert len(named_tests(TABLE)) > 100
    assert missing_tests(TABLE) == []


def test_every_row_says_what_ours_does_and_how_that_is_shown() -> None:
    assert len(rows(TABLE)) > 100
    assert badly_shown(TABLE) == []


def test_every_section_of_the_specification_is_there() -> None:
    assert re.findall(r"^## (\d+)\.", TABLE, re.MULTILINE) == [str(number) for number in range(1, 13)]
