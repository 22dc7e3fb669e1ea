"""The conformance table names tests that exist, and every behaviour has a test or says why it has none."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
TABLE = (ROOT / "docs/fleet-conformance.md").read_text()


def rows() -> list[list[str]]:
    cells = [line.strip("|").split("|") for line in TABLE.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in cells if row[0].strip() not in ("behaviour", "---")]


def functions_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_test_that_is_named_exists() -> None:
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", TABLE)
    assert len(named) > 100
    missing = [
        f"{path}::{name}"
        for path, name in named
        if not (ROOT / "tests" / path).is_file() or name not in functions_of(ROOT / "tests" / path)
    ]
    assert missing == []


def test_every_row_says_what_ours_does_and_how_that_is_shown() -> None:
    assert len(rows()) > 100
    for behaviour, ours, shown in rows():
        assert ours.startswith(("same", "differs: ", "not done", "ours")), behaviour
        assert "::" in shown or shown == "-", behaviour
        assert not (ours.startswith("not done") and "::" in shown), behaviour


def test_every_section_of_the_specification_is_there() -> None:
    assert re.findall(r"^## (\d+)\.", TABLE, re.MULTILINE) == [str(number) for number in range(1, 13)]
