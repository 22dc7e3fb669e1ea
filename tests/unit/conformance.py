"""Conformance tables of the documentation: their rows, and whether the tests that they name exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def rows(text: str) -> list[list[str]]:
    """The cells of each row of tables whose first column is `behaviour`, without head and rule."""
    found: list[list[str]] = []
    inside = False
    for line in text.splitlines():
        if not line.startswith("|"):
            inside = False
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[0] == "behaviour":
            inside = True
        elif inside and cells[0] != "---":
            found.append(cells)
    return found


def named_tests(text: str) -> list[tuple[str, str]]:
    """Every `path.py::test` of the text; paths are below tests/."""
    return [(path, name) for path, name in re.findall(r"`([\w/]+\.py)::(\w+)`", text)]


def missing_tests(text: str) -> list[str]:
    """Tests that are named and do not exist."""
    return [
        f"{path}::{name}"
        for path, name in named_tests(text)
        if not (ROOT / "tests" / path).is_file() or name not in _functions_of(ROOT / "tests" / path)
    ]


def badly_shown(text: str) -> list[str]:
    """Behaviours whose row does not say what ours does, or how that is shown."""
    return [
        behaviour
        for behaviour, ours, shown in rows(text)
        if not ours.startswith(("same", "differs: ", "not done", "ours"))
        or ("::" not in shown and shown != "-")
        or (ours.startswith("not done") and "::" in shown)
    ]


def _functions_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
